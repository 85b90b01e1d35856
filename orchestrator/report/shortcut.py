"""Whether synthetic images can be told from real ones, as the report tells it: a line a label, and a warning."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from orchestrator.report.documents import Probe

ALIKE = 0.7  # AUROC below which, whatever the parts drawn, a classifier hardly tells
CLEAR = 0.9  # AUROC from whose being exceeded, whatever the parts drawn, a classifier hardly misses what is synthetic


@dataclass(frozen=True)
class ProbeRow:
    """A label. accepted: of all rounds; area: AUROC with its interval; meaning: in a plain clause."""

    label: str
    real: int
    synthetic: int
    accepted: int
    area: str
    meaning: str


def probe_rows(probes: Mapping[str, Probe], accepted: Mapping[str, int]) -> Iterator[ProbeRow]:
    """Rows of a table, label by label.

    Args:
        accepted: label -> accepted images of all rounds; a probe looks at those of one round.
    """
    for label, probe in probes.items():
        yield ProbeRow(label, probe.real, probe.synthetic, accepted[label], area(probe), _meaning(probe))


def shortcut_warning(probes: Mapping[str, Probe]) -> str:
    """What is to be feared of the labels whose synthetic images show; empty where there is no such label."""
    clear = [f"{label} {area(probe)}" for label, probe in probes.items() if probe.low > CLEAR]
    if not clear:
        return ""
    return (
        f"Synthetic images can be told from real ones, by a small classifier (AUROC with its 95% interval: "
        f"{', '.join(clear)}). A classifier can learn what is synthetic in place of what is defective."
    )


def area(probe: Probe) -> str:
    """0.97 [0.95, 0.99]."""
    return f"{probe.auroc:.2f} [{probe.low:.2f}, {probe.high:.2f}]"


def _meaning(probe: Probe) -> str:
    if probe.low > CLEAR:
        return "a classifier can learn what is synthetic in place of what is defective"
    if probe.low > 0.5:
        return "some give themselves away"
    if probe.high < ALIKE:
        return "these features hardly tell them apart"
    return f"{probe.real} real and {probe.synthetic} synthetic images are too few to tell"
