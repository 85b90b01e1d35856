"""The policies' rules hold for any probabilities."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from defectory.datasets.manifest_line import Judgement, ManifestLine, Origin, PictureFile
from defectory.errors import InvalidInput
from defectory.job_settings.filtering import Filtering
from defectory.validation import validated
from services.filter.novelty import Finding
from services.filter.policies import Policy
from services.filter.verdicts import Score, count_verdicts, decide, threshold_curve, too_strict

PROBABILITY = st.floats(0, 1)


def policy(name: str = "confident", **thresholds: object) -> Policy:
    return Policy(validated(Filtering, {"policy": name, **thresholds}))


@given(PROBABILITY, PROBABILITY)
def test_confident_and_informative_divide_everything(p: float, threshold: float) -> None:
    probabilities = {"defect": p, "good": 1 - p}
    confident = policy("confident", threshold=threshold).keeps("defect", probabilities)
    assert confident != policy("informative", threshold=threshold).keeps("defect", probabilities)
    assert confident == (p >= threshold and p >= 1 - p)
    assert policy("none", threshold=threshold).keeps("defect", probabilities)


@given(PROBABILITY, st.tuples(PROBABILITY, PROBABILITY).map(sorted))
def test_band(p: float, ends: list[float]) -> None:
    band = policy("band", threshold=ends[1], lower_threshold=ends[0])
    assert band.keeps("a", {"a": p, "b": 1 - p}) == (ends[0] <= p < ends[1])


def test_a_labels_own_threshold() -> None:
    own = policy("confident", label_thresholds={"a": 0.6})
    assert own.keeps("a", {"a": 0.7, "b": 0.3})
    assert not own.keeps("b", {"a": 0.3, "b": 0.7})


def test_a_labels_own_band() -> None:
    own = policy("band", label_thresholds={"a": 0.4}, label_lower_thresholds={"a": 0.2})
    assert [own.keeps("a", {"a": p, "b": 1 - p}) for p in (0.1, 0.2, 0.4, 0.6)] == [False, True, False, False]
    assert [own.keeps("b", {"a": 1 - p, "b": p}) for p in (0.2, 0.5, 0.9)] == [False, True, False]


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({"name": "band", "label_thresholds": {"a": 0.4}}, "label_lower_thresholds.a"),
        ({"name": "band", "label_lower_thresholds": {"a": 0.95}}, "label_lower_thresholds.a"),
        ({"label_lower_thresholds": {"a": 2}}, "label_lower_thresholds.a"),
        ({"threshold": 1.1}, "threshold"),
        ({"threshold": float("nan")}, "threshold"),
        ({"label_thresholds": {"a": -0.1}}, "label_thresholds.a"),
        ({"name": "band", "threshold": 0.4, "lower_threshold": 0.5}, "lower_threshold"),
    ],
)
def test_thresholds_out_of_range(rule: dict, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        policy(**rule)
    assert field in caught.value.fields


def test_an_image_that_was_scored_but_could_not_be_compared_is_not_accepted() -> None:
    line = ManifestLine(
        file=PictureFile(uri="u", sha256="0" * 64, width=1, height=1), origin=Origin(kind="synthetic"), label="a"
    )
    (judged,) = decide(
        [line], {line.file.sha256: Score({"a": 0.95, "b": 0.05}, {"a": 0, "b": 0})}, {}, [], [], Policy()
    )
    assert (judged.judgement.verdict, judged.judgement.reasons) == ("rejected", ("unreadable",))
    assert judged.judgement.scores == {"a": 0.95, "b": 0.05}


def test_every_reason_is_kept_and_counted() -> None:
    lines = [
        ManifestLine(
            file=PictureFile(uri=f"u{i}", sha256=f"{i}" * 64, width=1, height=1),
            origin=Origin(kind="synthetic"),
            label="a",
        )
        for i in range(4)
    ]
    scores = {
        lines[0].file.sha256: Score({"a": 0.95, "b": 0.05}, {"a": 0.01, "b": 0.01}),
        lines[1].file.sha256: Score({"a": 0.2, "b": 0.8}, {"a": 0.1, "b": 0.1}),
        lines[2].file.sha256: Score({"a": 0.99, "b": 0.01}, {"a": 0.0, "b": 0.0}),
    }
    findings = {line.file.sha256: Finding((), 1, 0.5, 0.2) for line in lines[:3]}
    findings[lines[1].file.sha256] = Finding(("near_copy", "outlier"), 0, 0.01, np.inf, 1)
    judged = decide(lines, scores, findings, ["r0", "r1"], ["s0", "s1"], Policy())
    assert [x.judgement.verdict for x in judged] == ["accepted", "rejected", "accepted", "rejected"]
    assert judged[1].judgement.reasons == ("confidence", "near_copy", "outlier")
    assert judged[3].judgement.reasons == ("unreadable",)
    assert (
        judged[1].judgement.nearest_real,
        judged[1].judgement.nearest_real_distance,
        judged[1].judgement.spread,
    ) == ("r0", 0.01, 0.1)
    assert (judged[1].judgement.duplicate_of, judged[1].judgement.feature_distance) == ("s1", None)
    assert (judged[0].judgement.duplicate_of, judged[0].judgement.feature_distance) == ("", 0.2)
    verdicts, reasons = count_verdicts(judged)
    assert verdicts == {"accepted": 2, "rejected": 2}
    assert reasons == {"confidence": 1, "near_copy": 1, "outlier": 1, "unreadable": 1}
    curve = threshold_curve(judged, judged[:1])
    assert curve["kept"]["a"][0] == 1
    assert curve["kept"]["a"][90] == pytest.approx(2 / 3, abs=1e-3)
    assert (curve["real"]["a"][90], curve["real"]["a"][96]) == (1, 0)
    assert threshold_curve(judged, [])["real"] == {"a": []}


def real(label: str, *confidences: float) -> list[ManifestLine]:
    """Real validation images of a label, and how sure the judge is of each."""
    other = {"good": "defect", "defect": "good"}[label]
    return [
        ManifestLine(
            file=PictureFile(uri="u", sha256=f"{number:064x}", width=8, height=8),
            judgement=Judgement(scores={label: p, other: 1 - p}),
            label=label,
            split="validation",
        )
        for number, p in enumerate(confidences)
    ]


def test_a_threshold_that_rejects_most_real_images_is_warned_of_by_label() -> None:
    reference = [*real("good", 0.95, 0.8, 0.7), *real("defect", 0.95, 0.92, 0.3)]
    (warning,) = too_strict(reference, policy("confident", threshold=0.9))
    assert warning.startswith(
        "good: the judge, which accepts and rejects synthetic images, would reject 2 of 3 real validation images"
    )
    assert "as it is less than 90% sure of them: what it accepts and rejects of synthetic ones says little" in warning
    # Of 0.95, 0.8 and 0.7 two are at least half: the second, 0.8, is kept from 0.80 down.
    assert "; filter.threshold 0.80 would keep half of the real ones, which does not make the judge" in warning
    (own,) = too_strict(reference, policy("confident", threshold=0.5, label_thresholds={"good": 0.9}))
    assert "; filter.label_thresholds.good 0.80 would keep half" in own
    (lost,) = too_strict(real("good", 0.95, 0.4, 0.3), policy("confident", threshold=0.9))
    assert lost.endswith("; no lower threshold would keep half of the real ones, as it takes most for another label")
    assert too_strict(reference, policy("confident", threshold=0.9, label_thresholds={"good": 0.75})) == []
    assert too_strict(real("good", 0.95, 0.8), policy("confident", threshold=0.9)) == []  # half is not most
    assert too_strict(reference, policy("none", threshold=0.9)) == []
