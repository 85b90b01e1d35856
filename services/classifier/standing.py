"""A base that stands still, computed without TensorFlow: a quarter of its time for an image, and no graph to trace.

docs/decisions/0085-answers-without-tensorflow.md has the figures.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from services.classifier.architecture import Architecture
from services.classifier.features import Base
from services.classifier.layers import base_paths, embedding_channels
from services.classifier.onnx_graph import base_to_onnx
from services.classifier.onnx_session import Computed


@dataclass(frozen=True)
class _Weights:
    """A base's weights by their paths, known by their hash."""

    sha256: str
    width: float
    by_path: Mapping[str, np.ndarray] = field(compare=False)


def standing_base(architecture: Architecture, weights: Mapping[str, np.ndarray]) -> Base:
    """The base of a network with these weights, which may hold its top's, too."""
    width = architecture.width_multiplier
    sha256 = hashlib.sha256(b"".join(weights[path].tobytes() for path in base_paths(width))).hexdigest()
    computed = _computed(_Weights(sha256, width, weights), architecture.input_px)
    return Base(sha256, architecture.input_px, embedding_channels(width), computed)


@lru_cache(maxsize=1)  # whoever asks several classifiers on one base, as most stand on, builds it once
def _computed(weights: _Weights, input_px: int) -> Computed:
    return Computed(base_to_onnx(weights.width, input_px, weights.by_path))
