"""What is confused with what, counted by hand; splits that show nothing of their own are refused by name."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from defectory.datasets.manifest import read_manifest, write_dataset
from defectory.datasets.manifest_line import ManifestLine, Origin, PictureFile
from defectory.errors import InvalidInput
from defectory.storage import open_store
from services.classifier.acceptance import Answers
from services.classifier.bundle import weights_bytes
from services.classifier.card import Preprocessing
from services.classifier.confusion import Confusion
from services.classifier.data import lines_to_calibrate_on, load_images, split_parts
from services.classifier.decision import DecisionRule
from services.classifier.evaluation import evaluate
from services.classifier.model import build
from services.classifier.outcome import decided
from tests.contract.datasets import make_dataset
from tests.unit.classifier.classifier_samples import ARCHITECTURE, bundle

LABELS = ("crack", "good", "stain")


def line(number: int, label: str, **fields: Any) -> ManifestLine:
    return ManifestLine(
        file=PictureFile(uri=f"u{number}", sha256=f"{number:064x}", width=1, height=1), label=label, **fields
    )


def test_the_figures_of_a_table_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    truth, guessed = rng.integers(0, 4, 200), rng.integers(0, 3, 200)  # the last class is never claimed
    confusion = Confusion.of(truth, guessed, 5)  # and one more is not there either
    labels = list(range(5))
    np.testing.assert_array_equal(confusion.counts, confusion_matrix(truth, guessed, labels=labels))
    expected = precision_recall_fscore_support(truth, guessed, labels=labels, zero_division=0)
    for ours, theirs in zip(
        (confusion.precision, confusion.recall, confusion.f1, confusion.shown), expected, strict=True
    ):
        np.testing.assert_allclose(ours, theirs)


def test_decisions_are_counted_by_label_and_by_kind() -> None:
    lines = [
        line(0, "crack", kind="hairline"), line(1, "crack", kind="open"), line(2, "crack", kind="open"),
        line(9, "crack", origin=Origin(augmentation="mirror-x")), line(3, "good"), line(4, "good"), line(5, "stain"),
    ]  # fmt: skip
    probabilities = np.array(
        [[0.2, 0.7, 0.1], [0.8, 0.1, 0.1], [0.1, 0.3, 0.6], [0.1, 0.8, 0.1], [0.5, 0.3, 0.2], [0.1, 0.2, 0.7]]
    )
    answers = Answers(np.array([0, 0, 0, 1, 1, 2]), probabilities)
    decisions = decided(DecisionRule(1.0, good=1, threshold=0.5), LABELS, lines, answers)
    assert decisions["confusion"] == [[1, 1, 1], [1, 1, 0], [0, 0, 1]]
    assert decisions["labels"]["crack"] == {
        "images": 3, "precision": pytest.approx(1 / 2), "recall": pytest.approx(1 / 3), "f1": pytest.approx(2 / 5),
    }  # fmt: skip
    assert decisions["labels"]["stain"]["precision"] == pytest.approx(1 / 2)
    counted = {kind: (rate["count"], rate["of"]) for kind, rate in decisions["escapes"].items()}
    assert counted == {"hairline": (1, 1), "open": (0, 2), "stain": (0, 1)}
    assert decisions["escapes"]["open"]["high"] == pytest.approx(1 - 0.025**0.5)  # Clopper-Pearson of 0 of 2


def test_without_good_parts_nothing_escapes_and_without_images_nothing_is_confused() -> None:
    empty = Answers(np.zeros(0, int), np.zeros((0, 3)))
    decisions = decided(DecisionRule(), LABELS, [], empty)
    assert decisions["escapes"] == {}
    assert decisions["confusion"] == [[0] * 3] * 3
    assert decisions["labels"]["good"] == {"images": 0, "precision": 0, "recall": 0, "f1": 0}


def test_a_split_of_augmented_copies_only_is_refused() -> None:
    store = open_store("memory://")
    lines = [
        replace(x, origin=replace(x.origin, augmentation="mirror-x")) if x.split != "train" else x
        for x in read_manifest(store, make_dataset(store, each=4))
    ]
    copies = write_dataset(store, "copies", lines, {})
    bundle(store, weights_bytes(build(ARCHITECTURE)))
    with pytest.raises(InvalidInput, match=r"has no test images: give .* that are no augmented copies"):
        evaluate(store, "e", "judge", copies, "test", lambda *_: None)
    images = load_images(store, lines, 32, Preprocessing())
    with pytest.raises(InvalidInput, match=r"there are no validation images: give .* that are no augmented copies"):
        split_parts(images, ("defect", "good"))


def test_calibration_takes_no_rejected_images_and_no_test_images() -> None:
    held = line(1, "good", split="test", group="a")
    lines = [held, line(2, "good", split="train"), line(3, "good", split="validation")]
    assert lines_to_calibrate_on(lines) == [held, lines[2]]
    shown_too = line(4, "good", split="validation", group="a")
    with pytest.raises(InvalidInput, match=r"u4 \(validation\) is in the test set too"):
        lines_to_calibrate_on([*lines, shown_too])
    assert lines_to_calibrate_on(
        [*lines, replace(shown_too, judgement=replace(shown_too.judgement, verdict="rejected"))]
    ) == [held, lines[2]]
