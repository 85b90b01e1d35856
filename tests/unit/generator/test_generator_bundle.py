"""A generator in the store is read only when everything about it fits."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
import torch

from defectory.errors import Corrupted, NotFound
from defectory.storage import ObjectStore
from services.generator import bundle
from services.generator.tensors import dump, parse
from tests.unit.generator.generator_samples import write_generator


def rewrite(store: ObjectStore, card: bundle.GeneratorCard, **changes: Any) -> None:
    fields = {**json.loads(store.get(card.prefix + "model.json")), **changes}
    store.put(card.prefix + "model.json", json.dumps(fields).encode())


def rewrite_weights(store: ObjectStore, card: bundle.GeneratorCard, change: Callable[[dict], None]) -> None:
    """Other weights under a card that knows their hash."""
    tensors = parse(store.get(card.prefix + bundle.WEIGHTS), card.weights_sha256, "w")
    change(tensors)
    data, sha256 = dump(tensors)
    store.put(card.prefix + bundle.WEIGHTS, data)
    rewrite(store, card, weights_sha256=sha256)


def test_what_is_written_is_what_is_loaded(folder: ObjectStore) -> None:
    card = write_generator(folder)
    generator, loaded = bundle.load(folder, "tiny")
    assert loaded == card
    assert dump(generator.state_dict())[1] == card.weights_sha256
    assert not any(p.requires_grad for p in generator.parameters())


def test_changed_bytes_are_refused(folder: ObjectStore) -> None:
    card = write_generator(folder)
    data = bytearray(folder.get(card.prefix + bundle.WEIGHTS))
    data[-1] ^= 1
    folder.put(card.prefix + bundle.WEIGHTS, bytes(data))
    with pytest.raises(Corrupted, match="SHA-256"):
        bundle.load(folder, "tiny/1")


def drop(tensors: dict) -> None:
    del tensors["mapping.w_average"]


def add(tensors: dict) -> None:
    tensors["extra"] = torch.zeros(1)


def reshape(tensors: dict) -> None:
    tensors["mapping.w_average"] = torch.zeros(9)


def retype(tensors: dict) -> None:
    tensors["mapping.w_average"] = tensors["mapping.w_average"].half()


def poison(tensors: dict) -> None:
    tensors["mapping.w_average"][0] = float("nan")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop, "lacks 'mapping.w_average'"),
        (add, "unknown 'extra'"),
        (reshape, r"\(9,\)"),
        (retype, "float16"),
        (poison, "not finite"),
    ],
)
def test_weights_that_do_not_fit_are_refused(folder: ObjectStore, change: Callable[[dict], None], message: str) -> None:
    card = write_generator(folder)
    rewrite_weights(folder, card, change)
    with pytest.raises(Corrupted, match=message):
        bundle.load(folder, "tiny")


def test_a_file_that_is_not_safetensors_is_refused(folder: ObjectStore) -> None:
    card = write_generator(folder)
    data = b"\x80\x04pickle"
    folder.put(card.prefix + bundle.WEIGHTS, data)
    rewrite(folder, card, weights_sha256=hashlib.sha256(data).hexdigest())
    with pytest.raises(Corrupted, match="not a safetensors file"):
        bundle.load(folder, "tiny")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hook": "run me"}, "hook"),
        ({"format": 2}, "format"),
        ({"weights_sha256": "x"}, "weights_sha256"),
        ({"architecture": {"resolution_px": 24}}, "architecture.resolution_px"),
        ({"name": "other"}, "says that it is other/1"),
    ],
)
def test_a_card_with_anything_unknown_or_wrong_is_refused(folder: ObjectStore, changes: dict, message: str) -> None:
    rewrite(folder, write_generator(folder), **changes)
    with pytest.raises(Corrupted, match=message):
        bundle.load(folder, "tiny")


def test_a_model_that_is_not_there_is_not_found(folder: ObjectStore) -> None:
    write_generator(folder)
    with pytest.raises(NotFound):
        bundle.load(folder, "tiny/2")
    with pytest.raises(NotFound):
        bundle.load(folder, "huge")
