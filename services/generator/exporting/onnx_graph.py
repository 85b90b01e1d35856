"""A generator as an ONNX graph, written node by node from the papers and the names of its weights.

It is not traced: how our network is computed fast is no matter of the graph, and a change there that changes pictures
is found when both are compared (`services.generator.exporting.onnx_model`). Constant gains are folded into weights.

References: Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN" (arXiv:1912.04958), section 2.2
and 4.1; the truncation trick is Karras et al. 2019 (arXiv:1812.04948), appendix B.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from services.generator.stylegan2.networks import Architecture

OPSET, IR_VERSION = 17, 8  # read by every ONNX Runtime since 1.12 (2022)
SLOPE, ACT_GAIN = 0.2, math.sqrt(2)  # of the leaky ReLU
MAPPING_LR = 0.01  # learning-rate multiplier of the mapping network
EPS = 1e-8
TAPS = np.array([1, 3, 3, 1], np.float32) / 8  # of the up-sampling filter
Z, LABEL, PSI, IMAGE = "z", "label", "truncation_psi", "image"


def graph_of(
    architecture: Architecture, weights: Mapping[str, np.ndarray], metadata: Mapping[str, str]
) -> onnx.ModelProto:
    """The network as a model.

    Inputs: `z` (N, Z) float32; `label` (N,) int64 where there are classes; `truncation_psi` () float32, 1 for none.
    Output: `image` (N, C, R, R) float32, nominally in [-1, 1]. Noise is the constant one.

    Args:
        weights: the state of a `Generator`.
        metadata: properties of the file, for people and programs.
    """
    build = _Graph(weights)
    w = _mapping(build, architecture)
    image = _synthesis(build, architecture, w)
    build.node("Identity", [image], name=IMAGE)
    inputs = [helper.make_tensor_value_info(Z, TensorProto.FLOAT, ["batch", architecture.z_dim])]
    if architecture.classes:
        inputs.append(helper.make_tensor_value_info(LABEL, TensorProto.INT64, ["batch"]))
    inputs.append(helper.make_tensor_value_info(PSI, TensorProto.FLOAT, []))
    side = architecture.resolution_px
    outputs = [helper.make_tensor_value_info(IMAGE, TensorProto.FLOAT, ["batch", architecture.channels, side, side])]
    graph = helper.make_graph(build.nodes, "stylegan2", inputs, outputs, build.constants)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="defectory"
    )
    helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model, full_check=True)
    return model


class _Graph:
    """Nodes and constants as they are added; every method returns the name of its result."""

    def __init__(self, weights: Mapping[str, np.ndarray]) -> None:
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def node(self, kind: str, inputs: Sequence[str], name: str = "", **attributes: Any) -> str:
        """Add an operation."""
        name = name or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, value: np.ndarray | float, kind: type = np.float32) -> str:
        """Add a constant."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value, kind).reshape(np.shape(value)), name))
        return name

    def linear(self, x: str, layer: str, *, lr: float = 1.0, activate: bool = False) -> str:
        """Fully connected layer with equalised learning rate."""
        weight, bias = self.weights[f"{layer}.weight"] * lr, self.weights[f"{layer}.bias"] * lr
        weight = weight / math.sqrt(weight.shape[1])
        y = self.node("Gemm", [x, self.constant(weight), self.constant(bias)], transB=1)
        return self.activated(y) if activate else y

    def activated(self, x: str) -> str:
        """Leaky ReLU that keeps the variance."""
        y = self.node("LeakyRelu", [x], alpha=SLOPE)
        return self.node("Mul", [y, self.constant(ACT_GAIN)])

    def normalised(self, x: str) -> str:
        """Rows with a mean square of one."""
        power = self.node("ReduceMean", [self.node("Mul", [x, x])], axes=[1], keepdims=1)
        return self.node("Div", [x, self.node("Sqrt", [self.node("Add", [power, self.constant(EPS)])])])

    def per_channel(self, x: str) -> str:
        """(N, C) as (N, C, 1, 1)."""
        return self.node("Unsqueeze", [x, self.constant(np.array([2, 3]), np.int64)])

    def clamped(self, x: str, bound: float | None) -> str:
        """Within plus and minus the bound, if there is one."""
        return x if bound is None else self.node("Clip", [x, self.constant(-bound), self.constant(bound)])


def _mapping(build: _Graph, architecture: Architecture) -> str:
    """z to the truncated w (N, W)."""
    x = build.normalised(Z)
    if architecture.classes:
        weight, bias = (build.weights[f"mapping.embedding.{name}"] for name in ("weight", "bias"))
        rows = weight.T / math.sqrt(architecture.classes) + bias  # what the layer makes of each one-hot vector
        x = build.node(
            "Concat", [x, build.normalised(build.node("Gather", [build.constant(rows), LABEL], axis=0))], axis=1
        )
    for number in range(architecture.mapping_layers):
        x = build.linear(x, f"mapping.layers.{number}", lr=MAPPING_LR, activate=True)
    mean = build.constant(build.weights["mapping.w_average"])
    return build.node("Add", [mean, build.node("Mul", [PSI, build.node("Sub", [x, mean])])])


def _synthesis(build: _Graph, architecture: Architecture, w: str) -> str:
    """w to an image; every style is the same w."""
    clamp = architecture.conv_clamp
    x = build.constant(build.weights["synthesis.blocks.b4.const"][None])
    image = ""
    for resolution_px in architecture.resolutions:
        block = f"synthesis.blocks.b{resolution_px}"
        if resolution_px > 4:
            x = _layer(build, x, w, f"{block}.conv0", clamp, up=True)
        x = _layer(build, x, w, f"{block}.conv1", clamp)
        y = _to_image(build, x, w, f"{block}.to_image", clamp)
        image = build.node("Add", [_doubled(build, image, architecture.channels), y]) if image else y
    return image


def _layer(build: _Graph, x: str, w: str, layer: str, clamp: float | None, *, up: bool = False) -> str:
    """Style, modulated convolution, noise, bias, leaky ReLU."""
    weight = build.weights[f"{layer}.conv.weight"]
    weight = weight / math.sqrt(weight[0].size)
    style = build.linear(w, f"{layer}.affine")
    power = np.square(weight).sum(axis=(2, 3))  # (O, I)
    energy = build.node("Gemm", [build.node("Mul", [style, style]), build.constant(power)], transB=1)
    scale = build.node("Reciprocal", [build.node("Sqrt", [build.node("Add", [energy, build.constant(EPS)])])])
    x = build.node("Mul", [x, build.per_channel(style)])
    if up:
        x = build.node("ConvTranspose", [x, build.constant(weight.swapaxes(0, 1))], strides=[2, 2])  # 2R + 1
        fir = np.broadcast_to(4 * np.outer(TAPS, TAPS), (len(weight), 1, 4, 4))  # 4: of four pixels three were zeros
        x = build.node("Conv", [x, build.constant(fir)], group=len(weight), pads=[1] * 4)
    else:
        x = build.node("Conv", [x, build.constant(weight)], pads=[1] * 4)
    noise = build.weights[f"{layer}.noise_const"] * build.weights[f"{layer}.noise_strength"]
    x = build.node("Mul", [x, build.per_channel(scale)])
    x = build.node("Add", [x, build.constant(noise)])
    x = build.node("Add", [x, build.constant(build.weights[f"{layer}.bias"][None, :, None, None])])
    return build.clamped(build.activated(x), clamp)


def _to_image(build: _Graph, x: str, w: str, layer: str, clamp: float | None) -> str:
    """Styled 1x1 convolution to colours, without demodulation."""
    weight = build.weights[f"{layer}.weight"]
    style = build.linear(w, f"{layer}.affine")
    x = build.node("Mul", [x, build.per_channel(style)])
    kernel = build.constant(weight[:, :, None, None] / math.sqrt(weight.shape[1]))
    y = build.node("Conv", [x, kernel, build.constant(build.weights[f"{layer}.bias"])])
    return build.clamped(y, clamp)


def _doubled(build: _Graph, image: str, channels: int) -> str:
    """An image of twice the resolution, by the up-sampling filter."""
    kernel = np.broadcast_to(4 * np.outer(TAPS, TAPS), (channels, 1, 4, 4))
    return build.node("ConvTranspose", [image, build.constant(kernel)], group=channels, strides=[2, 2], pads=[1] * 4)
