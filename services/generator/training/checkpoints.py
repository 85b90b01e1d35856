"""Checkpoints of a training in the store: tensors as safetensors, scalars as JSON; complete once the JSON is there."""

import json
from collections.abc import Mapping
from typing import Any

import structlog
from torch import Tensor

from defectory.errors import Corrupted, FailedPrecondition, NotFound
from defectory.storage import ObjectStore
from services.generator import tensors as tensor_files

log = structlog.get_logger(__name__)


class Checkpoints:
    """The checkpoints of one training.

    Args:
        prefix: where the model's version lies, ending in '/'.
        identity: what decides how the training goes, as JSON holds it; a checkpoint of anything else is not touched.
        keep: the newest checkpoints that stay, at least 1; with 2 or more, one may be found broken.
    """

    def __init__(self, store: ObjectStore, prefix: str, identity: Mapping[str, Any], keep: int = 2) -> None:
        self._store = store
        self._prefix = f"{prefix}checkpoints/"
        self._identity = identity
        self._keep = keep

    def save(self, images_seen: int, tensors: Mapping[str, Tensor], scalars: Mapping[str, Any]) -> None:
        """Write a checkpoint, in place of one of as many images, and remove the oldest ones beyond `keep`.

        The tensors bear their hash in their name, so that until the JSON is there the old ones are what they were.
        """
        data, sha256 = tensor_files.dump(tensors)
        card = {"identity": self._identity, "sha256": sha256, "scalars": scalars}
        key = f"{self._prefix}{images_seen:012d}"
        self._store.put(_tensors_key(key, sha256), data)
        self._store.put(f"{key}.json", json.dumps(card, sort_keys=True).encode())
        self._remove_all_but(self._keep)

    def latest(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """The newest whole checkpoint of this training, or None; a broken one is passed over and logged.

        Raises:
            FailedPrecondition: there are checkpoints, but of another training.
        """
        others = []
        for key in _keys(self._store, self._prefix):
            try:
                card = read_checkpoint_card(self._store, key)
                if card["identity"] == self._identity:
                    return _read_tensors(self._store, key, card["sha256"]), card["scalars"]
                others.append(card["identity"])
            except Corrupted as error:
                log.warning("checkpoint passed over", key=key, error=str(error))
        if others:
            folder = self._store.uri(self._prefix.rstrip("/"))
            raise FailedPrecondition(
                f"the checkpoints in {folder} are of another training: "
                f"{_differences(others[0], self._identity)}; undo that to go on from them, or delete them to start anew"
            )
        return None

    def keep_last(self) -> None:
        """Remove all but the newest, which other trainings may start from."""
        self._remove_all_but(1)

    def _remove_all_but(self, count: int) -> None:
        """Remove older checkpoints of this training, and tensors that no checkpoint names (any more)."""
        cards = {key: _card_if_whole(self._store, key) for key in _keys(self._store, self._prefix)}
        own = [key for key, card in cards.items() if card and card["identity"] == self._identity]
        for old in own[count:]:
            self._store.delete(f"{old}.json")  # first: without it the rest is nothing
            del cards[old]
        named = {_tensors_key(key, card["sha256"]) for key, card in cards.items() if card}
        for object_key in [info.key for info in self._store.list(self._prefix)]:
            if object_key.endswith(".safetensors") and object_key not in named:
                self._store.delete(object_key)


def read_checkpoint_card(store: ObjectStore, key: str) -> dict[str, Any]:
    """The JSON of a checkpoint; Corrupted when it is not one. Older versions wrote no identity: then it is None."""
    try:
        card: dict[str, Any] = json.loads(store.get(f"{key}.json"))
        if not isinstance(card["sha256"], str) or not isinstance(card["scalars"], dict):
            raise TypeError("sha256 or scalars have another type")
        return {"identity": card.get("identity"), "sha256": card["sha256"], "scalars": card["scalars"]}
    except (ValueError, KeyError, TypeError) as error:
        raise Corrupted(f"{key}.json is not a checkpoint's: {error}") from error


def newest_tensors(store: ObjectStore, prefix: str) -> dict[str, Tensor] | None:
    """Tensors of the newest checkpoint of a finished training, or None where none is left or it is broken."""
    keys = _keys(store, f"{prefix}checkpoints/")
    if not keys:
        return None
    try:
        return _read_tensors(store, keys[0], read_checkpoint_card(store, keys[0])["sha256"])
    except Corrupted as error:
        log.warning("checkpoint passed over", key=keys[0], error=str(error))
        return None


def _keys(store: ObjectStore, prefix: str) -> list[str]:
    """Complete checkpoints without their suffix, newest first."""
    keys = [info.key for info in store.list(prefix)]
    return sorted((key.removesuffix(".json") for key in keys if key.endswith(".json")), reverse=True)


def _differences(theirs: Mapping[str, Any] | None, ours: Mapping[str, Any]) -> str:
    """What sets another training apart, in words."""
    if theirs is None:
        return "an earlier version of this software wrote them"
    before, now = (_flat(x) for x in (theirs, ours))
    names = sorted(name for name in before | now if before.get(name) != now.get(name))
    return ", ".join(f"{name} was {_shown(before, name)} and is {_shown(now, name)}" for name in names)


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, with names like "settings.batch"."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return flat


def _shown(values: Mapping[str, Any], name: str) -> str:
    """A value for a person: hashes by their beginning, a setting that is not there is at its default."""
    return str(values[name])[:16] if name in values else "the default"


def _tensors_key(key: str, sha256: str) -> str:
    return f"{key}-{sha256[:16]}.safetensors"


def _card_if_whole(store: ObjectStore, key: str) -> dict[str, Any] | None:
    """The JSON of a checkpoint, or None where it is broken or gone by now."""
    try:
        return read_checkpoint_card(store, key)
    except (Corrupted, NotFound):  # the latter: of several processes that train together, another one removed it
        return None


def _read_tensors(store: ObjectStore, key: str, sha256: str) -> dict[str, Tensor]:
    try:
        data = store.get(_tensors_key(key, sha256))
    except NotFound as error:
        raise Corrupted(f"the tensors of {key} are gone") from error
    return tensor_files.parse(data, sha256, key)
