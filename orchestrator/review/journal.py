"""A reviewer's journal over a dataset: every batch of decisions is an object of its own, put before it is answered for.

Stores cannot append; they can put an object all or nothing. So a batch that was answered for is there, whatever happens
to the server. A key is never used twice: it has the batch's time and id. At a start what has gathered is merged into a
new object; only when that is there do the others go. A batch that is in both counts once, by its id. So servers that
write, read and merge at the same time lose nothing.
"""

import hashlib
import re
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from defectory.datasets.manifest_line import Verdict
from defectory.errors import AlreadyExists, Corrupted, NotFound, Unavailable
from defectory.storage.store import ObjectStore

MERGED_FROM = 64  # objects of a journal
ATTEMPTS = 5  # to read a journal that others merge meanwhile
BATCH_ID = r"^[0-9a-f]{32}$"
_KEY = re.compile(r"datasets/[^/]+/reviews/[^/]+/\d{8}T\d{12}-[0-9a-f]{32}\.json")


class Change(BaseModel):
    """What was decided about one picture, and what its reviewer had decided before."""

    model_config = ConfigDict(frozen=True, extra="forbid", cache_strings="keys")

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    verdict: Verdict = ""  # empty: nothing is decided any more
    label: str = ""  # given in place of the picture's own; empty: its own
    was_verdict: Verdict = ""
    was_label: str = ""


class Batch(BaseModel):
    """What was decided at once."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=BATCH_ID)  # given by who asked, so that what is sent twice counts once
    by: str = Field(min_length=1)
    at: datetime  # UTC, of the server; of one journal no two are equal
    changes: tuple[Change, ...]
    undoes: str = ""  # id of the batch that this one takes back


BATCHES = TypeAdapter(tuple[Batch, ...])


@dataclass
class Journal:
    """Where one reviewer's batches over one dataset are written.

    Attributes:
        last: time of the newest one; None: there is none yet.
    """

    store: ObjectStore
    dataset: str
    reviewer: str
    last: datetime | None = None

    def append(self, batch_id: str, changes: Sequence[Change], undoes: str = "") -> Batch:
        """Write a batch: when this returns, it is kept.

        Raises:
            Unavailable, Exhausted, …: as the store says; nothing was decided then.
        """
        at = datetime.now(UTC)
        if self.last is not None:  # also where the clock was set back
            at = max(at, self.last + timedelta(microseconds=1))
        batch = Batch(id=batch_id, by=self.reviewer, at=at, changes=tuple(changes), undoes=undoes)
        with suppress(AlreadyExists):
            self.store.put(_key(self.dataset, self.reviewer, at, batch_id), _content([batch]), if_absent=True)
        self.last = at
        return batch


def read_journals(store: ObjectStore, dataset: str) -> dict[str, list[Batch]]:
    """reviewer -> batches, the oldest first, of a dataset; a journal that has gathered many objects is merged.

    Raises:
        Corrupted: an object is none of a journal. Unavailable: others merge without an end.
    """
    for _ in range(ATTEMPTS):
        with suppress(NotFound):  # merged by another server since it was listed
            return _read_all(store, dataset)
    raise Unavailable(f"the reviews of dataset {dataset!r} change while they are read; try again")


def journal_keys(store: ObjectStore, dataset: str) -> list[str]:
    """Keys of all objects of a dataset's journals: they never change, and others come and go with what is decided."""
    return [info.key for info in store.list(f"datasets/{dataset}/reviews/") if _KEY.fullmatch(info.key)]


def slug(reviewer: str) -> str:
    """A reviewer's name as a part of a key: what can be read of it, and a digest that tells two names apart."""
    plain = re.sub(r"[^a-z0-9]+", "-", reviewer.lower()).strip("-")[:32]
    return f"{plain or 'reviewer'}-{hashlib.sha256(reviewer.encode()).hexdigest()[:8]}"


def _read_all(store: ObjectStore, dataset: str) -> dict[str, list[Batch]]:
    keys: dict[str, list[str]] = {}
    for key in journal_keys(store, dataset):
        keys.setdefault(key.split("/")[3], []).append(key)
    journals = {}
    for own in keys.values():
        batches = _read(store, own)
        if len(own) >= MERGED_FROM:
            _merge(store, dataset, own, batches)
        if batches:
            journals[batches[0].by] = batches
    return journals


def _read(store: ObjectStore, keys: Sequence[str]) -> list[Batch]:
    known: dict[str, Batch] = {}
    for key in keys:
        content = store.get(key)
        try:
            known |= {batch.id: batch for batch in BATCHES.validate_json(content)}
        except ValidationError as error:
            raise Corrupted(f"{store.uri(key)} holds no decisions of a review: {error}") from error
    return sorted(known.values(), key=lambda batch: batch.at)


def _merge(store: ObjectStore, dataset: str, keys: Sequence[str], batches: Sequence[Batch]) -> None:
    """Put all that was read into a new object, then let the others go."""
    last = batches[-1]
    store.put(_key(dataset, last.by, last.at, secrets.token_hex(16)), _content(batches), if_absent=True)
    for key in keys:
        store.delete(key)


def _key(dataset: str, reviewer: str, at: datetime, batch_id: str) -> str:
    return f"datasets/{dataset}/reviews/{slug(reviewer)}/{at:%Y%m%dT%H%M%S%f}-{batch_id}.json"


def _content(batches: Sequence[Batch]) -> bytes:
    return BATCHES.dump_json(tuple(batches), exclude_defaults=True)
