"""What is decided about a dataset's pictures, apart from them: small documents, written once and never changed.

A document says of pictures, by their SHA-256, in which split they are used, what they are labelled, or whether they are
fit; who or what decided that, when, and which document it replaces. Its URI is a view: wherever a manifest's URI is
taken, a document's stands for the dataset's lines with its decisions, and with those of the documents it replaces.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from defectory.datasets.manifest_line import ManifestLine
from defectory.errors import AlreadyExists, Corrupted, InvalidInput
from defectory.storage.references import rooted, unrooted
from defectory.storage.store import ObjectStore

DecisionKind = Literal["split", "label", "verdict", "review"]
_KEY = re.compile(r"datasets/([^/]+)/decisions/(\d{6})\.json")
_VALUES: Mapping[DecisionKind, frozenset[str]] = {  # any label is one
    "split": frozenset({"train", "validation", "test", "none"}),
    "verdict": frozenset({"accepted", "rejected"}),
    "review": frozenset({"accepted", "rejected"}),
}
MOST_REPLACED = 1000  # documents in a row: each is read


class Decisions(BaseModel):
    """One document."""

    model_config = ConfigDict(frozen=True, extra="forbid", cache_strings="keys")

    format: Literal[1] = 1
    kind: DecisionKind
    dataset: str
    content_hash: str  # of the dataset when this was decided: of another one it says nothing
    values: Mapping[str, str]  # sha256 of a picture -> what was decided; of others nothing is
    by: str = Field(min_length=1)  # the person, or the tool with its version
    settings: Mapping[str, JsonValue] = {}  # of the tool, with which it would decide the same again
    created_utc: datetime
    replaces: str = ""  # URI of the document before this one
    title: str = ""


@dataclass(frozen=True)
class View:
    """A dataset's lines as documents have them.

    Attributes:
        documents: the oldest first.
    """

    documents: tuple[Decisions, ...]

    @property
    def dataset(self) -> str:
        """Whose pictures they are about."""
        return self.documents[-1].dataset

    @property
    def content_hash(self) -> str:
        """What its card has to say."""
        return self.documents[-1].content_hash

    def line(self, line: ManifestLine) -> ManifestLine:
        """The line with what was decided about its picture, last by the newest document."""
        for document in self.documents:
            value = document.values.get(line.file.sha256)
            if value is not None:
                line = _DECIDE[document.kind](line, value, document.by)
        return line


_DECIDE: Mapping[DecisionKind, Callable[[ManifestLine, Any, str], ManifestLine]] = {  # values were checked when read
    "split": lambda line, value, by: replace(line, split=value),
    "label": lambda line, value, by: replace(line, label=value),
    "verdict": lambda line, value, by: replace(line, judgement=replace(line.judgement, verdict=value)),
    "review": lambda line, value, by: replace(line, judgement=replace(line.judgement, verdict=value, reviewer=by)),
}


def is_view(key: str) -> bool:
    """Whether a key is that of a document."""
    return _KEY.fullmatch(key) is not None


def now() -> datetime:
    """The time that a document says."""
    return datetime.now(UTC).replace(microsecond=0)


def write_decisions(store: ObjectStore, decisions: Decisions) -> str:
    """Write a document under the next free number of its dataset and return its URI.

    Raises:
        InvalidInput: a value is none of its kind.
    """
    _check(decisions)
    number = max((int(key[-11:-5]) for key in _keys(store, decisions.dataset)), default=0)
    content = unrooted(decisions.model_dump_json(exclude_defaults=True, indent=1).encode(), store)
    while True:
        number += 1
        key = f"datasets/{decisions.dataset}/decisions/{number:06d}.json"
        try:
            store.put(key, content, if_absent=True)
        except AlreadyExists:  # somebody else decided something in the meantime
            continue
        return store.uri(key)


def write_once(store: ObjectStore, decisions: Decisions) -> str:
    """The URI of the document that says the same already, whenever it was written, else of a new one.

    Raises:
        InvalidInput: as `write_decisions` says.
    """
    said = decisions.model_dump(exclude={"created_utc"})
    for uri, known in list_decisions(store, decisions.dataset):
        if known.model_dump(exclude={"created_utc"}) == said:
            return uri
    return write_decisions(store, decisions)


def list_decisions(store: ObjectStore, dataset: str) -> list[tuple[str, Decisions]]:
    """(URI, document) of all of a dataset's documents, the oldest first."""
    return [(store.uri(key), _read(store, key)) for key in _keys(store, dataset)]


def read_view(store: ObjectStore, key: str) -> View:
    """The document at a key and those that it replaces.

    Raises:
        NotFound: one is not there. Corrupted: one is none, or is about another dataset than the first.
    """
    documents = [_read(store, key)]
    while documents[-1].replaces:
        if len(documents) > MOST_REPLACED:
            raise Corrupted(f"{store.uri(key)} replaces more than {MOST_REPLACED} documents")
        documents.append(_read(store, store.key(documents[-1].replaces)))
        if documents[-1].dataset != documents[0].dataset:
            raise Corrupted(f"{store.uri(key)} replaces decisions about another dataset, {documents[-1].dataset}")
    return View(tuple(reversed(documents)))


def _keys(store: ObjectStore, dataset: str) -> list[str]:
    return [info.key for info in store.list(f"datasets/{dataset}/decisions/") if is_view(info.key)]


def _read(store: ObjectStore, key: str) -> Decisions:
    match = _KEY.fullmatch(key)
    if not match:
        raise Corrupted(f"{store.uri(key)} is no document of decisions: those lie in datasets/NAME/decisions")
    try:
        decisions = Decisions.model_validate_json(rooted(store.get(key), store))
        _check(decisions)
    except (ValidationError, InvalidInput) as error:
        raise Corrupted(f"{store.uri(key)} is no document of decisions: {error}") from error
    if decisions.dataset != match[1]:
        raise Corrupted(f"{store.uri(key)} is about another dataset, {decisions.dataset}")
    return decisions


def _check(decisions: Decisions) -> None:
    known = _VALUES.get(decisions.kind)
    wrong = sorted(set(decisions.values.values()) - known if known else {v for v in decisions.values.values() if not v})
    if wrong:
        right = f"one of {', '.join(sorted(known))}" if known else "a label"
        raise InvalidInput(f"{wrong[0]!r} is no {decisions.kind}: give {right}", {"values": right})
