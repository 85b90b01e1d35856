"""ImageNet's weights of MobileNetV2: under which name, and where they are searched, in one order for all who search.

The file that a person names (`--weights`, DEFECTORY_WEIGHTS) and no other; without one the folder of shared data that
is named (DEFECTORY_SHARED); then Keras' own cache and download. A folder that nobody has named is not searched.
"""

import os
from collections.abc import Mapping
from pathlib import Path

KERAS_FILE = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"  # as Keras keeps them
FILE = "mobilenet_v2_imagenet_no_top.weights.h5"  # of width multiplier 1


def in_shared(folder: str) -> Path | None:
    """The file in a folder of shared data; None where no folder is named ("") or the file is not there."""
    path = Path(folder, "weights", FILE)
    return path if folder and path.is_file() else None


def in_keras(environ: Mapping[str, str] = os.environ) -> Path | None:
    """The file that Keras has downloaded before; None where it has not."""
    path = Path(environ.get("KERAS_HOME") or Path.home() / ".keras") / "models" / KERAS_FILE
    return path if path.is_file() else None
