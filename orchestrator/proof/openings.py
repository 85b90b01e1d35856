"""How often a test was opened: every experiment whose verdict was made on the same photographs leaves a document."""

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict

from defectory.datasets.manifest_line import ManifestLine
from defectory.errors import AlreadyExists
from defectory.storage.store import ObjectStore
from orchestrator.proof.spec import ExperimentSpec


class Opening(BaseModel):
    """An experiment that looked at the test."""

    model_config = ConfigDict(frozen=True)

    experiment: str
    spec_hash: str
    opened_utc: datetime


def spec_hash(spec: ExperimentSpec) -> str:
    """Of all that was fixed before; where the photographs lie does not matter."""
    said = spec.model_dump(mode="json", exclude={"name": True, "data": {"directory", "groups"}})
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def pictures_of(lines: Sequence[ManifestLine]) -> str:
    """What a set of photographs is called, whatever dataset they are of."""
    return hashlib.sha256("\n".join(sorted({line.file.sha256 for line in lines})).encode()).hexdigest()[:32]


def open_test(store: ObjectStore, spec: ExperimentSpec, lines: Sequence[ManifestLine]) -> list[Opening]:
    """Write down that this spec looks at the photographs, and say who did so far, the earliest first.

    The same spec again is no new look: it has chosen nothing by what it saw.
    """
    prefix = f"openings/{pictures_of(lines)}/"
    own = Opening(experiment=spec.name, spec_hash=spec_hash(spec), opened_utc=datetime.now(UTC).replace(microsecond=0))
    with suppress(AlreadyExists):
        store.put(f"{prefix}{own.spec_hash[:32]}.json", own.model_dump_json(indent=1).encode(), if_absent=True)
    return openings_of(store, lines)


def openings_of(store: ObjectStore, lines: Sequence[ManifestLine]) -> list[Opening]:
    """All specs that looked at these photographs, the earliest first."""
    infos = store.list(f"openings/{pictures_of(lines)}/")
    openings = [Opening.model_validate_json(store.get(info.key)) for info in infos]
    return sorted(openings, key=lambda opening: (opening.opened_utc, opening.spec_hash))
