"""Finds the weights that a base of MobileNetV2 starts from: ImageNet's, wherever they lie, or the starter's."""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import keras
import structlog

from defectory.errors import InvalidInput, WeightsMissing
from defectory.weights import FILE, in_shared
from services.classifier import starter
from services.classifier.model import Network
from services.classifier.settings import STARTER_WIDTH

DOWNLOAD_TIMEOUT_S = 5.0

log = structlog.get_logger(__name__)


def load_base(
    network: Network, width_multiplier: float, wanted: str, settings: Mapping[str, str]
) -> Literal["imagenet", "starter"]:
    """Load the base's initial weights and say which: "imagenet", or "starter" where those are not to be had.

    Args:
        wanted: "imagenet" or "starter"; the setting `weights` may name the starter as well.

    Raises:
        InvalidInput: the file that was named is absent, or not these weights. WeightsMissing: there are no ImageNet
            weights to be had, and no starter of this width.
    """
    if wanted == starter.NAME or settings.get("weights") == starter.NAME:
        starter.load(network.base)
        return "starter"
    try:
        source = load_imagenet(network, width_multiplier, settings)
    except WeightsMissing:
        if width_multiplier != STARTER_WIDTH:
            raise
        log.warning("no ImageNet weights were found: the base starts from the starter classifier")
        starter.load(network.base)
        return "starter"
    log.info("ImageNet weights", source=source)
    return "imagenet"


def load_imagenet(network: Network, width_multiplier: float, settings: Mapping[str, str]) -> str:
    """Load ImageNet weights into the network's base and say where they came from.

    They are searched as `defectory.weights` has it, by the settings `weights` and `shared`; a folder of shared data has
    those of width multiplier 1 only.

    Raises:
        InvalidInput: the file that was named is absent, or not these weights.
        WeightsMissing: there are none to be had.
    """
    if named := settings.get("weights", ""):
        if not Path(named).is_file():
            raise InvalidInput(f"weights {named}: there is no such file", {"weights": "name an existing .weights.h5"})
        _load(network, width_multiplier, Path(named))
        return named
    if width_multiplier == 1 and (path := in_shared(settings.get("shared", ""))):
        _load(network, width_multiplier, path)
        return FILE
    if _from_keras(network, width_multiplier):
        return "keras"
    raise WeightsMissing(
        f"ImageNet weights of MobileNetV2 (width multiplier {width_multiplier:g}) were not found: give "
        "the file with --weights or DEFECTORY_WEIGHTS, or say that random weights are meant (initial_weights: random)"
    )


def _load(network: Network, width_multiplier: float, path: Path) -> None:
    try:
        network.base.load_weights(path)
    except (ValueError, OSError, KeyError) as error:
        right = f"use weights of MobileNetV2 (no top, width multiplier {width_multiplier:g})"
        raise InvalidInput(f"weights {path}: {error}; {right}", {"weights": right}) from error


def _from_keras(network: Network, width_multiplier: float) -> bool:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT_S)
    try:
        source = keras.applications.MobileNetV2(
            input_shape=network.base.input_shape[1:], alpha=width_multiplier, include_top=False, weights="imagenet"
        )
        network.base.set_weights(source.get_weights())
    except Exception as error:  # Keras raises a plain Exception when a download fails
        log.info("no weights from Keras", error=str(error)[:200])
        return False
    finally:
        socket.setdefaulttimeout(before)
    return True
