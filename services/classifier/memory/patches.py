"""What a base sees of an image's patches, halfway through: fine enough to see a defect, deep enough to know a part."""

from collections.abc import Callable, Mapping
from itertools import islice

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from services.classifier.layers import base
from services.classifier.onnx_graph import IR_VERSION, OPSET, _block, _Graph

LAST = 12  # block of MobileNetV2, as Keras numbers them: the last one of a sixteenth of the input's side
NEIGHBOURHOOD_PX = 3  # patches around one that it is a mean over (section 3.1: p)
BATCH = 16

Patches = Callable[[np.ndarray], np.ndarray]  # images (N, size, size, 3) in [0, 255] -> float32 (N, patches, channels)


def patches_of(width_multiplier: float, size_px: int, weights: Mapping[str, np.ndarray], threads: int) -> Patches:
    """What gives the patches of images: a sixteenth of the input's side along each side.

    Args:
        weights: of the base, by their paths.
        threads: that compute it.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    graph = patch_graph(width_multiplier, size_px, weights)
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def patches(images: np.ndarray) -> np.ndarray:
        parts = [
            np.asarray(session.run(["patches"], {"image": images[start : start + BATCH].astype(np.float32)})[0])
            for start in range(0, len(images), BATCH)
        ]
        return np.concatenate(parts)

    return patches


def patch_graph(width_multiplier: float, size_px: int, weights: Mapping[str, np.ndarray]) -> bytes:
    """An ONNX model: "image", float32 (N, size, size, 3) in [0, 255], to "patches", float32 (N, patches, channels).

    The paper's patches come from two levels. The finer one of MobileNetV2 tells less here
    (docs/decisions/0082-a-memory-of-good-parts.md).
    """
    graph = _Graph(weights)
    scaled = graph.node("Mul", [graph.node("Transpose", ["image"], perm=[0, 3, 1, 2]), graph.scalar(1 / 127.5)])
    value, side_px = graph.node("Add", [scaled, graph.scalar(-1.0)]), size_px
    for block in islice(base(width_multiplier), LAST + 2):  # the first convolution and the first block have no number
        value, side_px = _block(graph, block, value, side_px)
    around = NEIGHBOURHOOD_PX // 2
    mean = graph.node(
        "AveragePool", [value], kernel_shape=[NEIGHBOURHOOD_PX] * 2, pads=[around] * 4, count_include_pad=0
    )
    rows = graph.node("Transpose", [mean], perm=[0, 2, 3, 1])
    channels = block.convolutions[-1].channels
    shape = graph.constant(np.array([0, side_px * side_px, channels], np.int64))
    graph.node("Reshape", [rows, shape], output="patches")
    onnx_graph = helper.make_graph(
        graph.nodes,
        "patches",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", size_px, size_px, 3])],
        [helper.make_tensor_value_info("patches", TensorProto.FLOAT, ["N", side_px * side_px, channels])],
        graph.constants,
    )
    model = helper.make_model(
        onnx_graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="defectory"
    )
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())
