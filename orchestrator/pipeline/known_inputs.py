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
    """Which inputs are others than before: "generator.kimg from 40 to 1, seed from 0 to 7".

    Args:
        section: of the pipeline, whose settings a step calls `settings`: they are named as a person types them.
    """
    typed = f"{section}." if section else ""
    names = [name for name in {**now, **before} if before.get(name) != now.get(name)]
    said = [
        _change(re.sub(r"^settings\.", typed, name), before.get(name, ABSENT), now.get(name, ABSENT))
        for name in names[:MOST_NAMED]
    ]
    more = [f"{len(names) - MOST_NAMED} more"] if len(names) > MOST_NAMED else []
    return ", ".join(said + more)


def _change(name: str, before: str, now: str) -> str:
    before_count, before_digest = _parted(before)
    count, digest = _parted(now)
    if before_digest and digest and before_count == count:
        return f"{name} (other content)"
    return f"{name} from {before_count} to {count}"


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
        yield name, f"content sha256:{text}"
    elif len(text) <= LONGEST:
        yield name, text
    else:
        shown = f"{len(value)} entries" if isinstance(value, list | tuple) else f"{text[:LONGEST]}…"
        yield name, f"{shown} sha256:{hashlib.sha256(text.encode()).hexdigest()}"
