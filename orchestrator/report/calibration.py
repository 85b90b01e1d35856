"""How far every arm's probabilities can be believed, as a table."""

from collections.abc import Iterator

from orchestrator.report.charts import Row
from orchestrator.report.content import RunContent


def calibration_rows(content: RunContent) -> Iterator[Row]:
    """A row an arm and split: its calibration error before and after the temperature; none where it is not known."""
    for arm in content.arms:
        if arm.calibration is None:
            continue
        for split, error in (("validation", arm.calibration.validation), ("test", arm.calibration.test)):
            if error is not None:
                yield {
                    "arm": arm.title,
                    "split": split,
                    "images": error.images,
                    "ece as trained": error.ece_before,
                    "ece with temperature": error.ece_after,
                    "temperature": arm.calibration.temperature,
                }
