"""What a base sees of an image's patches, halfway through: fine enough to see a defect, deep enough to know a part."""

from collections.abc import Callable, Mapping

import numpy as np

from services.classifier.onnx_graph import patches_to_onnx
from services.classifier.onnx_session import Computed

LAST = 12  # block of MobileNetV2, as Keras numbers them: the last one of a sixteenth of the input's side
NEIGHBOURHOOD_PX = 3  # patches around one that it is a mean over (section 3.1: p)

Patches = Callable[[np.ndarray], np.ndarray]  # images (N, size, size, 3) in [0, 255] -> float32 (N, patches, channels)


def patches_of(width_multiplier: float, size_px: int, weights: Mapping[str, np.ndarray]) -> Patches:
    """What gives the patches of images: a sixteenth of the input's side along each side.

    The paper's patches come from two levels. The finer one of MobileNetV2 tells less here
    (docs/decisions/0082-a-memory-of-good-parts.md).

    Args:
        weights: of the base, by their paths.
    """
    blocks = LAST + 2  # the first convolution and the first block have no number
    return Computed(patches_to_onnx(width_multiplier, size_px, weights, blocks, NEIGHBOURHOOD_PX))
