"""What the network consists of, without a framework: its layers in their order, and the shapes of their weights.

MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381, table 2) under the names that Keras gives its layers, and the
paper's head. `model.py` builds it to be trained; whoever only computes it, or checks a file of weights, needs no more.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from services.classifier.architecture import Architecture

EPSILON = 1e-3  # of every batch normalisation
FIRST, LAST = 32, 1280  # channels of the first and of the last convolution at width 1
INVERTED_RESIDUALS = (  # (expansion, channels, how many, stride of the first)
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
)  # fmt: skip


@dataclass(frozen=True)
class Convolution:
    """A convolution without a bias, padded so that ceil(size / stride) pixels are left, and its batch normalisation.

    Attributes:
        kernel_shape: (height, width, channels in, channels out); of a depthwise one (height, width, channels, 1).
        clipped: whether ReLU6 follows.
    """

    name: str
    normalisation: str
    kernel_shape: tuple[int, int, int, int]
    stride: int = 1
    depthwise: bool = False
    clipped: bool = True

    @property
    def channels(self) -> int:
        """That come out."""
        return self.kernel_shape[2] if self.depthwise else self.kernel_shape[3]


@dataclass(frozen=True)
class Block:
    """Convolutions behind one another; what went in is added to what comes out where `residual`."""

    convolutions: tuple[Convolution, ...]
    residual: bool = False


def base(width: float) -> Iterator[Block]:
    """MobileNetV2 without its top, from the scaled image to `out_relu`."""
    channels = _divisible(FIRST * width)
    yield Block((Convolution("Conv1", "bn_Conv1", (3, 3, 3, channels), stride=2),))
    number = 0
    for expansion, full, count, first_stride in INVERTED_RESIDUALS:
        outputs = _divisible(int(full * width))
        for repeat in range(count):
            name = f"block_{number}_" if number else "expanded_conv_"
            stride = 1 if repeat else first_stride
            residual = stride == 1 and channels == outputs
            yield Block(tuple(_inverted_residual(name, channels, expansion, outputs, stride)), residual)
            channels, number = outputs, number + 1
    yield Block((Convolution("Conv_1", "Conv_1_bn", (1, 1, channels, embedding_channels(width))),))


def embedding_channels(width: float) -> int:
    """Channels of `out_relu`, and so of an embedding."""
    return _divisible(LAST * width) if width > 1 else LAST


def base_paths(width: float) -> Collection[str]:
    """The paths of the base's weights, layer by layer in their order."""
    return _base_shapes(width).keys()


def weight_shapes(architecture: Architecture) -> Mapping[str, tuple[int, ...]]:
    """All of the network's weights by their paths, as a bundle's file has them; float32."""
    shapes = _base_shapes(architecture.width_multiplier)
    hidden = architecture.head_units
    shapes |= _dense_shapes("dense", embedding_channels(architecture.width_multiplier), hidden)
    shapes |= _normalisation_shapes("normalisation", hidden)
    return shapes | _dense_shapes("probabilities", hidden, len(architecture.labels))


def _base_shapes(width: float) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for block in base(width):
        for convolution in block.convolutions:
            shapes[f"{convolution.name}/kernel"] = convolution.kernel_shape
            shapes |= _normalisation_shapes(convolution.normalisation, convolution.channels)
    return shapes


def _inverted_residual(name: str, inputs: int, expansion: int, outputs: int, stride: int) -> Iterator[Convolution]:
    inner = inputs * expansion
    if expansion > 1:
        yield Convolution(f"{name}expand", f"{name}expand_BN", (1, 1, inputs, inner))
    yield Convolution(f"{name}depthwise", f"{name}depthwise_BN", (3, 3, inner, 1), stride, depthwise=True)
    yield Convolution(f"{name}project", f"{name}project_BN", (1, 1, inner, outputs), clipped=False)


def _normalisation_shapes(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}/{part}": (channels,) for part in ("gamma", "beta", "moving_mean", "moving_variance")}


def _dense_shapes(name: str, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}/kernel": (inputs, outputs), f"{name}/bias": (outputs,)}


def _divisible(channels: float, by: int = 8) -> int:
    """The nearest multiple, at least one, and not below nine tenths of what was asked for."""
    nearest = max(by, int(channels + by / 2) // by * by)
    return nearest if nearest >= 0.9 * channels else nearest + by
