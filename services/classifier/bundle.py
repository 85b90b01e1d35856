"""A trained classifier in the store: weights as safetensors and the card `model.json`; read only when both fit.

Nothing in a bundle is executed: the network is built from the card's architecture, and weights are numbers.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from defectory.errors import Corrupted, NotFound
from defectory.storage.store import ObjectStore
from services.classifier.architecture import Architecture
from services.classifier.card import ClassifierCard, WeightsFile
from services.classifier.cards import read_card
from services.classifier.layers import weight_shapes

if TYPE_CHECKING:  # a server of classifiers reads bundles and never builds a network of TensorFlow's
    from services.classifier.model import Network


def weights_bytes(network: "Network") -> bytes:
    """The network's weights in safetensors format; the same weights give the same bytes."""
    return safetensors.numpy.save({weight.path: weight.numpy() for weight in network.model.weights})


def put_weights(store: ObjectStore, prefix: str, file: str, data: bytes) -> WeightsFile:
    """Write a weights file below a version's prefix."""
    store.put(prefix + file, data)
    return WeightsFile(file=file, sha256=hashlib.sha256(data).hexdigest(), size=len(data))


def read_cycle(store: ObjectStore, card: ClassifierCard, cycle: int) -> dict[str, np.ndarray]:
    """One cycle's weights by their paths.

    Raises:
        Corrupted: size, hash, names, shapes, types or values are not what they should be; says which.
    """
    data = _read_weights(store, card, cycle)
    return _tensors(data, weight_shapes(card.architecture), _weights_name(card, cycle))


def _read_weights(store: ObjectStore, card: ClassifierCard, cycle: int) -> bytes:
    """One cycle's file; Corrupted where it is not the card's, or missing; one of another size is not even read."""
    entry, name = card.cycles[cycle].weights, _weights_name(card, cycle)
    try:
        _check_size(store.head(card.prefix + entry.file).size_bytes, entry, name)
        data = store.get(card.prefix + entry.file)
    except NotFound as error:
        raise Corrupted(f"{name} are not in the store, though its card names them") from error
    _check_content(data, entry, name)
    return data


def _weights_name(card: ClassifierCard, cycle: int) -> str:
    return f"the weights {card.cycles[cycle].weights.file} of classifier {card.full_name}"


def _check_size(size: int, entry: WeightsFile, name: str) -> None:
    if size != entry.size:
        raise Corrupted(f"{name} has {size} bytes, its card says {entry.size}: it was changed or cut off")


def _check_content(data: bytes, entry: WeightsFile, name: str) -> None:
    _check_size(len(data), entry, name)
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 != entry.sha256:
        raise Corrupted(f"{name} has SHA-256 {sha256[:12]}…, its card says {entry.sha256[:12]}…: it was changed")


def load_weights(network: "Network", data: bytes, entry: WeightsFile, name: str) -> None:
    """Load weights into a network after everything about them was checked; Corrupted names the first difference."""
    _check_content(data, entry, name)
    _fill(network, data, name)


def _fill(network: "Network", data: bytes, name: str) -> None:
    wanted = {weight.path: weight for weight in network.model.weights}
    tensors = _tensors(data, {path: tuple(weight.shape) for path, weight in wanted.items()}, name)
    for path, weight in wanted.items():
        weight.assign(tensors[path])


def _tensors(data: bytes, shapes: Mapping[str, tuple[int, ...]], name: str) -> dict[str, np.ndarray]:
    """What the file holds, where that is finite float32 numbers of these shapes and nothing else."""
    try:
        tensors = safetensors.numpy.load(data)
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise Corrupted(f"{name} is not a safetensors file: {error}") from error
    for odd, what in ((shapes.keys() - tensors.keys(), "lacks"), (tensors.keys() - shapes.keys(), "has a foreign")):
        if odd:
            raise Corrupted(f"{name} does not fit its architecture: it {what} {min(odd)!r} ({len(odd)} in all)")
    for path, shape in shapes.items():
        given = tensors[path]
        if given.shape != shape or given.dtype != np.float32:
            raise Corrupted(f"{name}: {path!r} is {given.dtype}{given.shape}, the architecture wants float32{shape}")
        if not np.isfinite(given).all():
            raise Corrupted(f"{name}: {path!r} holds values that are not finite")
    return tensors


def read_bundle(store: ObjectStore, model: str) -> tuple[ClassifierCard, dict[str, np.ndarray]]:
    """The card and its main weights by their paths, without TensorFlow.

    Raises:
        NotFound: no such model. Corrupted: card or weights are not what they should be.
    """
    card = read_card(store, model)
    return card, read_cycle(store, card, card.main_cycle)


def load(
    store: ObjectStore, model: str, network_of: "Callable[[Architecture], Network] | None" = None
) -> "tuple[ClassifierCard, Network]":
    """The card and the network with its main weights; raises what `read_bundle` does.

    Args:
        network_of: gives a network of an architecture, whose weights are needed no longer; None: a new one.
    """
    card = read_card(store, model)
    data = _read_weights(store, card, card.main_cycle)  # before a network is built for them
    if network_of is None:
        from services.classifier.model import build

        network_of = build
    network = network_of(card.architecture)
    _fill(network, data, _weights_name(card, card.main_cycle))
    return card, network
