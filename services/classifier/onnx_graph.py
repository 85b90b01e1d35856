"""The network as an ONNX graph, written node by node from its layers and weights; nothing is traced.

Files of weights have channels last, ONNX has them first: the image is transposed once, at the entrance.
"""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from services.classifier.architecture import Architecture
from services.classifier.layers import EPSILON, Block, Convolution, base, embedding_channels

OPSET = 17
IR_VERSION = 8  # as old as the operators allow, for the runtimes of edge devices
Weights = Mapping[str, np.ndarray]  # `services.classifier.layers.weight_shapes` has their names and shapes


def to_onnx(architecture: Architecture, weights: Weights) -> bytes:
    """An ONNX model: "image", float32 (N, size, size, 3) in [0, 255], to "probabilities", float32 (N, labels)."""
    graph, size_px = _Graph(weights), architecture.input_px
    _top(graph, _pooled(graph, architecture.width_multiplier, size_px))
    return graph.model({"image": [size_px, size_px, 3]}, {"probabilities": [len(architecture.labels)]})


def base_to_onnx(width: float, size_px: int, weights: Weights) -> bytes:
    """The part of it up to the pooling: "image", float32 (N, size, size, 3) in [0, 255], to "embedding" (N, channels).

    Args:
        width: multiplier. weights: those of the top may be absent.
    """
    graph = _Graph(weights)
    _pooled(graph, width, size_px, output="embedding")
    return graph.model({"image": [size_px, size_px, 3]}, {"embedding": [embedding_channels(width)]})


def patches_to_onnx(width: float, size_px: int, weights: Weights, blocks: int, neighbourhood_px: int) -> bytes:
    """What the base's first blocks see: "image" as above, to "patches", float32 (N, patches, channels), row by row.

    Args:
        neighbourhood_px: odd; each patch is the mean over so many on a side around it, those that there are.
    """
    graph = _Graph(weights)
    value, side_px, channels = _seen(graph, width, size_px, blocks)
    pads = [neighbourhood_px // 2] * 4
    mean = graph.node("AveragePool", [value], kernel_shape=[neighbourhood_px] * 2, pads=pads, count_include_pad=0)
    rows = graph.node("Transpose", [mean], perm=[0, 2, 3, 1])
    patches = side_px * side_px
    graph.node("Reshape", [rows, graph.constant(np.array([0, patches, channels], np.int64))], output="patches")
    return graph.model({"image": [size_px, size_px, 3]}, {"patches": [patches, channels]})


def top_to_onnx(architecture: Architecture, weights: Weights) -> bytes:
    """The part of it behind the pooling: "embedding", float32 (N, channels), to "probabilities" (N, labels)."""
    graph = _Graph(weights)
    _top(graph, "embedding")
    channels = embedding_channels(architecture.width_multiplier)
    return graph.model({"embedding": [channels]}, {"probabilities": [len(architecture.labels)]})


class _Graph:
    """Nodes and constants as they come; every value has a name of its own."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def node(self, operator: str, inputs: Sequence[str], output: str = "", **attributes: Any) -> str:
        name = output or f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def constant(self, values: np.ndarray) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def scalar(self, value: float) -> str:
        return self.constant(np.array(value, np.float32))

    def weight(self, path: str) -> str:
        return self.constant(self.weights[path])

    def model(self, inputs: Mapping[str, list[int]], outputs: Mapping[str, list[int]]) -> bytes:
        """All of it, checked, with the shapes of one row of what goes in and of what comes out."""
        before, behind = (
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape]) for name, shape in side.items()]
            for side in (inputs, outputs)
        )
        graph = helper.make_graph(self.nodes, "classifier", before, behind, self.constants)
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="defectory")
        onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString())


def _pooled(graph: _Graph, width: float, size_px: int, output: str = "") -> str:
    """The base, and the mean over what comes out of it."""
    value, _, _ = _seen(graph, width, size_px)
    return graph.node("Flatten", [graph.node("GlobalAveragePool", [value])], output, axis=1)


def _seen(graph: _Graph, width: float, size_px: int, blocks: int | None = None) -> tuple[str, int, int]:
    """(what comes out of the base's first blocks, or of all, its side in pixels, its channels)."""
    scaled = graph.node("Mul", [graph.node("Transpose", ["image"], perm=[0, 3, 1, 2]), graph.scalar(1 / 127.5)])
    value, channels = graph.node("Add", [scaled, graph.scalar(-1.0)]), 3
    for block in islice(base(width), blocks):
        value, size_px = _block(graph, block, value, size_px)
        channels = block.convolutions[-1].channels
    return value, size_px, channels


def _block(graph: _Graph, block: Block, value: str, size_px: int) -> tuple[str, int]:
    """(what comes out, its side in pixels)."""
    given = value
    for convolution in block.convolutions:
        value = _convolution(graph, convolution, value, size_px)
        size_px = -(-size_px // convolution.stride)
    return graph.node("Add", [given, value]) if block.residual else value, size_px


def _convolution(graph: _Graph, layer: Convolution, value: str, size_px: int) -> str:
    kernel = graph.weights[f"{layer.name}/kernel"]
    kernel_px = kernel.shape[0]
    start, end = _pads(size_px, layer.stride, kernel_px)
    value = graph.node(
        "Conv",
        [value, graph.constant(kernel.transpose((2, 3, 0, 1) if layer.depthwise else (3, 2, 0, 1)))],
        group=layer.channels if layer.depthwise else 1,
        strides=[layer.stride] * 2,
        pads=[start, start, end, end],
        kernel_shape=[kernel_px] * 2,
    )
    value = _normalisation(graph, layer.normalisation, value)
    return graph.node("Clip", [value, graph.scalar(0.0), graph.scalar(6.0)]) if layer.clipped else value


def _pads(size_px: int, stride: int, kernel_px: int) -> tuple[int, int]:
    """(before, behind) as numbers: SAME_UPPER says the same, but not every runtime pads by it as ONNX says.

    ceil(size / stride) pixels are kept; of an odd sum of padding the end gets the greater half.
    """
    total = max((-(-size_px // stride) - 1) * stride + kernel_px - size_px, 0)
    return total // 2, total - total // 2


def _normalisation(graph: _Graph, name: str, value: str) -> str:
    parts = [graph.weight(f"{name}/{part}") for part in ("gamma", "beta", "moving_mean", "moving_variance")]
    return graph.node("BatchNormalization", [value, *parts], epsilon=EPSILON)


def _top(graph: _Graph, pooled: str) -> None:
    """Dense, normalisation, swish, dense, softmax; dropout does nothing once trained."""
    hidden = _normalisation(graph, "normalisation", _dense(graph, "dense", pooled))
    swish = graph.node("Mul", [hidden, graph.node("Sigmoid", [hidden])])
    graph.node("Softmax", [_dense(graph, "probabilities", swish)], output="probabilities", axis=1)


def _dense(graph: _Graph, name: str, value: str) -> str:
    return graph.node("Gemm", [value, graph.weight(f"{name}/kernel"), graph.weight(f"{name}/bias")])
