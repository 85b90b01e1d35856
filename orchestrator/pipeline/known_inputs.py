"""What a step was made from, by name: kept in its record, so that a change says which, from what to what."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from orchestrator.pipeline.hashing import input_hash, relative

LONGEST = 60  # characters of a value that is kept as it is
MOST_NAMED = 3  # changes that a person is told of one by one
DIGEST = re.compile(r"[0-9a-f]{64}")
ABSENT = "nothing"
CONTENT = "content"  # what is shown of a value that is a digest
A_FILE = "a file"
UNSAID = {"null": "unset", '""': "none", ABSENT: "none", "starter": "the starter"}
# Inputs that no setting is called by -> what a person knows them as.
NAMES = {
    "start.file": "the weights to start from",
    "start.wanted": "classifier.initial_weights",
    "start.as": "where the first arm's base started",
    "real": "the photographs",
    "dataset": "the training images",
    "manifest": "the list of the images",
    "test": "the test images",
    "validation": "the validation images",
    "files": "the files of the photographs",
    "groups": "the file of groups",
    "judge": "the judge",
    "generators": "the generator of",
    "model": "the classifier",
    "models": "the classifiers",
    "edits": "the edited pictures",
    "filter": "what the filter let through",
    "judged": "the images that were judged",
    "decisions": "what people decided",
    "review": "what people decided",
    "heat": "the classifier whose heat is followed",
    "folds": "filter.judge_cycles",
    "steps_per_epoch": "steps an epoch",
    "labels": "the labels that get a generator",
}


@dataclass(frozen=True)
class KnownInputs:
    """A step's inputs.

    Attributes:
        hash: over all of them, the step's name and the contract's version.
        by_name: dotted name -> its value in words, or how many entries it has and their digest.
    """

    hash: str
    by_name: Mapping[str, str]

    @classmethod
    def of(cls, step: str, inputs: Mapping[str, object], store_url: str) -> "KnownInputs":
        """From what a step says that its outputs depend on; URIs count relative to the store."""
        return cls(input_hash(step, inputs, store_url), dict(_by_name(relative(inputs, store_url))))


def changes(before: Mapping[str, str], now: Mapping[str, str], section: str = "") -> str:
    """Which inputs are others than before, by the names that a person knows: "generator.kimg from 40 to 1, seed …".

    Args:
        section: of the pipeline, whose settings a step calls `settings`: they are named as a person types them.
    """
    names = [name for name in {**now, **before} if before.get(name) != now.get(name)]
    said = [
        _change(_known_as(name, section), before.get(name, ABSENT), now.get(name, ABSENT))
        for name in names[:MOST_NAMED]
    ]
    more = [f"{len(names) - MOST_NAMED} more"] if len(names) > MOST_NAMED else []
    return ", ".join(said + more)


def _change(name: str, before: str, now: str) -> str:
    before_count, before_digest = _parted(before)
    count, digest = _parted(now)
    if before_digest and digest and before_count == count:
        return f"{name} (other content)"
    if CONTENT in (before_count, count):
        was, is_ = (A_FILE if x == CONTENT else UNSAID.get(x, x) for x in (before_count, count))
        return f"{name}: {was} before, now {is_}"
    was, is_ = (x if x == ABSENT else UNSAID.get(x, x) for x in (before_count, count))
    return f"{name} from {was} to {is_}"


def _known_as(name: str, section: str) -> str:
    """An input's dotted name for a person: of a setting as it is typed, else what it is called, and of which part."""
    if name.startswith("settings."):
        typed = name.removeprefix("settings.")
        return f"{section}.{typed}" if section else typed
    first, _, rest = name.partition(".")
    if name in NAMES or first not in NAMES:
        return NAMES.get(name, name)
    return f"{NAMES[first]} {rest}"


def _parted(value: str) -> tuple[str, str]:
    """A value as it is shown, and the digest that stands for its content; "" where it is shown whole."""
    shown, _, digest = value.partition(" sha256:")
    return shown, digest


def _by_name(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and (value or not name):
        for key, part in value.items():
            yield from _by_name(part, f"{name}.{key}" if name else str(key))
        return
    text = value if isinstance(value, str) and value else json.dumps(value, sort_keys=True)
    text = text.removesuffix(".0") if isinstance(value, float) else text
    if DIGEST.fullmatch(text):
        yield name, f"{CONTENT} sha256:{text}"
    elif len(text) <= LONGEST:
        yield name, text
    else:
        shown = f"{len(value)} entries" if isinstance(value, list | tuple) else f"{text[:LONGEST]}…"
        yield name, f"{shown} sha256:{hashlib.sha256(text.encode()).hexdigest()}"
