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


def open_test(store: ObjectStore, spec: ExperimentSpec, lines: Sequence[ManifestLine]) -> list[Opening]:
    """Write down that this spec looks at the photographs, and say who did so far, the earliest first.

    The same spec again is no new look: it has chosen nothing by what it saw.
    """
    pictures = hashlib.sha256("\n".join(sorted({line.file.sha256 for line in lines})).encode()).hexdigest()
    prefix = f"openings/{pictures[:32]}/"
    own = Opening(experiment=spec.name, spec_hash=spec_hash(spec), opened_utc=datetime.now(UTC).replace(microsecond=0))
    with suppress(AlreadyExists):
        store.put(f"{prefix}{own.spec_hash[:32]}.json", own.model_dump_json(indent=1).encode(), if_absent=True)
    openings = [Opening.model_validate_json(store.get(info.key)) for info in store.list(prefix)]
    return sorted(openings, key=lambda opening: (opening.opened_utc, opening.spec_hash))
