"""The network as an ONNX graph, written node by node from the layers that it consists of; nothing is traced.

Keras works channels last, ONNX channels first: the image is transposed once, at the entrance.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from services.classifier.architecture import Architecture
from services.classifier.model import Network

OPSET = 17
IR_VERSION = 8  # as old as the operators allow, for the runtimes of edge devices


def to_onnx(network: Network, architecture: Architecture) -> bytes:
    """An ONNX model: "image", float32 (N, size, size, 3) in [0, 255], to "probabilities", float32 (N, labels)."""
    graph = _Graph()
    size = architecture.input_px
    scaled = graph.node("Mul", [graph.node("Transpose", ["image"], perm=[0, 3, 1, 2]), graph.scalar(1 / 127.5)])
    features = _base(graph, network.base, graph.node("Add", [scaled, graph.scalar(-1.0)]))
    pooled = graph.node("Flatten", [graph.node("GlobalAveragePool", [features])], axis=1)
    _top(graph, network.top, pooled)
    made = helper.make_graph(
        graph.nodes,
        "classifier",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", size, size, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", len(architecture.labels)])],
        graph.constants,
    )
    model = helper.make_model(
        made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="defectory"
    )
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


class _Graph:
    """Nodes and constants as they come; every value has a name of its own."""

    def __init__(self) -> None:
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


def _base(graph: _Graph, base: keras.Model, image: str) -> str:
    """MobileNetV2's layers in their order; each takes what the layers before it gave."""
    values = {id(base.inputs[0]): image}
    for layer in base.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        given = layer.input if isinstance(layer.input, list) else [layer.input]
        values[id(layer.output)] = _layer(graph, layer, [values[id(tensor)] for tensor in given])
    return values[id(base.outputs[0])]


def _layer(graph: _Graph, layer: keras.Layer, inputs: list[str]) -> str:
    match layer:
        case keras.layers.DepthwiseConv2D():
            kernel = layer.kernel.numpy().transpose(2, 3, 0, 1)  # (h, w, C, 1) -> (C, 1, h, w)
            return _convolution(graph, layer, kernel, inputs, group=kernel.shape[0])
        case keras.layers.Conv2D():
            return _convolution(graph, layer, layer.kernel.numpy().transpose(3, 2, 0, 1), inputs, group=1)
        case keras.layers.BatchNormalization():
            return _normalisation(graph, layer, inputs[0])
        case keras.layers.ReLU():
            return graph.node("Clip", [inputs[0], graph.scalar(0.0), graph.scalar(float(layer.max_value))])
        case keras.layers.ZeroPadding2D():
            (top, bottom), (left, right) = layer.padding
            pads = np.array([0, 0, top, left, 0, 0, bottom, right], np.int64)
            return graph.node("Pad", [inputs[0], graph.constant(pads)])
        case keras.layers.Add():
            return graph.node("Add", inputs)
    raise TypeError(f"layer {layer.name} is a {type(layer).__name__}, which MobileNetV2 does not consist of")


def _convolution(graph: _Graph, layer: keras.Layer, kernel: np.ndarray, inputs: list[str], group: int) -> str:
    strides = [int(stride) for stride in layer.strides]
    return graph.node(
        "Conv", [inputs[0], graph.constant(kernel)], group=group, strides=strides, pads=_pads(layer, kernel.shape[2:]),
        kernel_shape=list(kernel.shape[2:]),
    )  # fmt: skip


def _pads(layer: keras.Layer, kernel_px: Sequence[int]) -> list[int]:
    """[top, left, bottom, right] as numbers: SAME_UPPER says the same, but not every runtime pads by it as ONNX says.

    "same" keeps ceil(size / stride) pixels; of an odd sum of padding the end gets the greater half.
    """
    if layer.padding == "valid":
        return [0, 0, 0, 0]
    sizes = layer.input.shape[1:3]  # channels last
    sums = [
        max((-(-size // stride) - 1) * stride + kernel - size, 0)
        for size, stride, kernel in zip(sizes, layer.strides, kernel_px, strict=True)
    ]
    return [*(total // 2 for total in sums), *(total - total // 2 for total in sums)]


def _normalisation(graph: _Graph, layer: keras.layers.BatchNormalization, value: str) -> str:
    parts = (layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance)
    constants = [graph.constant(part.numpy()) for part in parts]
    return graph.node("BatchNormalization", [value, *constants], epsilon=float(layer.epsilon))


def _top(graph: _Graph, top: keras.Model, pooled: str) -> None:
    """Dense, normalisation, swish, dense, softmax; dropout does nothing once trained."""
    hidden = _normalisation(graph, top.get_layer("normalisation"), _dense(graph, top.get_layer("dense"), pooled))
    swish = graph.node("Mul", [hidden, graph.node("Sigmoid", [hidden])])
    logits = _dense(graph, top.get_layer("probabilities"), swish)
    graph.node("Softmax", [logits], output="probabilities", axis=1)


def _dense(graph: _Graph, layer: keras.layers.Dense, value: str) -> str:
    return graph.node("Gemm", [value, graph.constant(layer.kernel.numpy()), graph.constant(layer.bias.numpy())])
