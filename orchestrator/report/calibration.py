"""How far every arm's probabilities can be believed, as a table."""

from collections.abc import Iterable, Iterator

from orchestrator.report.charts import Row
from orchestrator.report.content import ArmContent, RunContent
from orchestrator.report.documents import Calibration

SHOWN = 0.001  # of an error, in the page's digits
UNMOVED = 0.05  # of a temperature from 1, below which hardly an answer changes


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


def calibration_sentences(arms: Iterable[ArmContent]) -> Iterator[str]:
    """What every arm's temperature did, and whether it helped on images that it was not fitted on."""
    for arm in arms:
        if arm.calibration is None:
            continue
        yield temperature_sentence(arm.title, arm.calibration)


def temperature_sentence(title: str, calibration: Calibration) -> str:
    """What an arm's temperature did, as its figures have it."""
    temperature, test = calibration.temperature, calibration.test
    if abs(temperature - 1) < UNMOVED:
        return f"That of “{title}”, {temperature:.2f}, changes hardly anything."
    said = f"That of “{title}”, {temperature:.2f}, makes it {'less sure' if temperature > 1 else 'surer'}"
    if test is None:
        return f"{said}."
    better, alike = test.ece_after < test.ece_before, abs(test.ece_after - test.ece_before) < SHOWN / 2
    did = (
        "the error on the test images stays"
        if alike
        else f"the error on the test images {'falls' if better else 'rises'}"
    )
    return f"{said}: {did}."
