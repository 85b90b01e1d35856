"""Checkpoints of a training in the store: tensors as safetensors, scalars as JSON; complete once the JSON is there."""

import json
from collections.abc import Mapping
from typing import Any

import structlog
from torch import Tensor

from defectory.errors import Corrupted
from defectory.storage import ObjectStore
from services.generator import tensors as tensor_files

KEEP = 2  # the newest checkpoints that stay: one may be found broken

log = structlog.get_logger(__name__)


class Checkpoints:
    """The checkpoints of one training.

    Args:
        prefix: where the model's version lies, ending in '/'.
        fingerprint: of data, settings and seed; a checkpoint of anything else is not taken up.
    """

    def __init__(self, store: ObjectStore, prefix: str, fingerprint: str) -> None:
        self._store = store
        self._prefix = f"{prefix}checkpoints/"
        self._fingerprint = fingerprint

    def save(self, images_seen: int, tensors: Mapping[str, Tensor], scalars: Mapping[str, Any]) -> None:
        """Write a checkpoint and remove the oldest beyond `KEEP`."""
        key = f"{self._prefix}{images_seen:012d}"
        data, sha256 = tensor_files.dump(tensors)
        card = {"fingerprint": self._fingerprint, "sha256": sha256, "scalars": scalars}
        self._store.put(f"{key}.safetensors", data)
        self._store.put(f"{key}.json", json.dumps(card, sort_keys=True).encode())
        for old in self._keys()[KEEP:]:
            self._remove(old)

    def latest(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """The newest whole checkpoint of this training, or None; a broken one is passed over and logged."""
        for key in self._keys():
            try:
                return self._read(key)
            except Corrupted as error:
                log.warning("checkpoint passed over", key=key, error=str(error))
        return None

    def keep_last(self) -> None:
        """Remove all but the newest, which other trainings may start from."""
        for old in self._keys()[1:]:
            self._remove(old)

    def _keys(self) -> list[str]:
        """Complete checkpoints without their suffix, newest first."""
        keys = [info.key for info in self._store.list(self._prefix)]
        return sorted((key.removesuffix(".json") for key in keys if key.endswith(".json")), reverse=True)

    def _read(self, key: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
        card = read_checkpoint_card(self._store, key)
        if card["fingerprint"] != self._fingerprint:
            raise Corrupted("it belongs to other data, settings or another seed")
        tensors = tensor_files.parse(self._store.get(f"{key}.safetensors"), card["sha256"], key)
        return tensors, card["scalars"]

    def _remove(self, key: str) -> None:
        self._store.delete(f"{key}.json")  # first: without it the rest is nothing
        self._store.delete(f"{key}.safetensors")


def read_checkpoint_card(store: ObjectStore, key: str) -> dict[str, Any]:
    """The JSON of a checkpoint; Corrupted when it is not one."""
    try:
        card: dict[str, Any] = json.loads(store.get(f"{key}.json"))
        if not isinstance(card["sha256"], str) or not isinstance(card["scalars"], dict):
            raise TypeError("sha256 or scalars have another type")
        return {"fingerprint": card["fingerprint"], "sha256": card["sha256"], "scalars": card["scalars"]}
    except (ValueError, KeyError, TypeError) as error:
        raise Corrupted(f"{key}.json is not a checkpoint's: {error}") from error


def newest_tensors(store: ObjectStore, prefix: str) -> dict[str, Tensor] | None:
    """Tensors of the newest checkpoint of a finished training, or None where none is left or it is broken."""
    keys = [info.key for info in store.list(f"{prefix}checkpoints/") if info.key.endswith(".json")]
    if not keys:
        return None
    key = max(keys).removesuffix(".json")
    try:
        return tensor_files.parse(store.get(f"{key}.safetensors"), read_checkpoint_card(store, key)["sha256"], key)
    except Corrupted as error:
        log.warning("checkpoint passed over", key=key, error=str(error))
        return None
