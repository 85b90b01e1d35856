"""Test images, and beside each what every arm's classifier looked at."""

from collections.abc import Iterator
from dataclasses import dataclass

from defectory.errors import DefectoryError
from defectory.imaging import FULL_DEPTH
from defectory.storage.store import ObjectStore
from orchestrator.report.charts import data_uri
from orchestrator.report.content import RunContent
from orchestrator.report.detail import FULL, JPEG, Detail
from orchestrator.report.documents import Explanation
from orchestrator.report.figures import jpeg, reduced


@dataclass(frozen=True)
class Shown:
    """What an arm looked at on an image. image: the overlay, as PNG."""

    title: str
    explanation: Explanation
    image: bytes


@dataclass(frozen=True)
class Panel:
    """A test image as PNG, and what every arm looked at. source: its file, where it is known."""

    label: str
    kind: str
    source: str
    original: bytes
    arms: list[Shown]


def read_panels(store: ObjectStore, content: RunContent) -> Iterator[Panel]:
    """The first explained images; one whose pictures cannot be read takes no other with it."""
    by_image: dict[str, list[Explanation]] = {}
    for row in content.explanations:
        by_image.setdefault(row.sha256, []).append(row)
    titles = {arm.trained.full_name: arm.title for arm in content.arms}
    lines = {line.file.sha256: line for line in content.real}
    for sha256, rows in list(by_image.items())[: FULL.panels]:
        line = lines.get(sha256)
        try:
            original = _small(store, rows[0].uri, line.file.bits if line else FULL_DEPTH)
            arms = [
                Shown(titles[row.model], row, _small(store, row.overlay_uri)) for row in rows if row.model in titles
            ]
        except DefectoryError:
            continue
        yield Panel(rows[0].label, rows[0].kind, line.origin.source if line else "", original, arms)


def as_shown(picture: bytes, detail: Detail) -> str:
    """A panel's picture as a data URI."""
    return data_uri(jpeg(picture, detail.panel_px), JPEG)


def _small(store: ObjectStore, uri: str, bits: int = FULL_DEPTH) -> bytes:
    return reduced(store.get(store.key(uri)), FULL.panel_px, bits)
