"""What an image says of where it comes from, by its manifest line alone."""

from dataclasses import replace

import pytest

from defectory.datasets.manifest_line import Edit, Judgement, ManifestLine, Origin, PictureFile, Synthesis
from orchestrator.report.documents import NoveltyLimits
from orchestrator.report.lineage import Deciders, facts_of, lineage_row, relatives_of

FILE = PictureFile(uri="file:///x", sha256="a" * 64, width=64, height=48)
NOBODY = Deciders("", {})


def line(**fields) -> ManifestLine:
    return ManifestLine(file=FILE, **{"label": "good", **fields})


def test_a_photograph_says_its_file_part_and_use() -> None:
    photograph = line(
        split="train", group="part 7", kind="crack", kinds=("crack", "hole"),
        origin=Origin(source="bent/001.png", tile=(8, 16, 32)),
    )  # fmt: skip
    assert list(facts_of(photograph, NOBODY)) == [
        ("image", "photograph, 64 × 48 px"), ("shows", "good, crack, hole"), ("used for", "train"),
        ("file", "bent/001.png"), ("of it", "the square of 32 px at 8, 16"), ("part", "part 7"), ("sha256", "a" * 64),
    ]  # fmt: skip
    assert list(relatives_of(photograph, {})) == []


def test_a_synthetic_image_says_generator_seed_judge_verdict_and_reviewer() -> None:
    judged = Judgement(
        scores={"defect": 0.25, "good": 0.75}, nearest_real="b" * 64, feature_distance=0.0625, duplicate_of="c" * 64,
        verdict="rejected", reasons=("confidence", "near_copy"),
    )  # fmt: skip
    synthetic = line(
        origin=Origin(kind="synthetic"), judgement=judged,
        synthesis=Synthesis(generator="run.good/3", seed=12, truncation_psi=0.7, noise_mode="const"),
    )  # fmt: skip
    decided = replace(synthetic, label="defect", judgement=Judgement(verdict="accepted", reviewer="Anna"))
    facts = dict(facts_of(synthetic, Deciders("run.judge/2", {"a" * 64: decided})))
    assert facts["made by"] == "run.good/3"
    assert facts["drawn with"] == "seed 12, truncation psi 0.7, noise const"
    assert facts["judge run.judge/2"] == "good 75.0%, defect 25.0%"
    assert facts["filter"] == ("rejected: the judge was not sure that it shows what it should; copies a training image")
    assert facts["reviewed by Anna"] == "accepted, as defect"
    assert list(relatives_of(synthetic, {"b" * 64: "defect"})) == [
        ("most alike in pixels of all photographs trained on, which shows defect", "b" * 64),
        ("shows the same as", "c" * 64),
    ]  # fmt: skip
    row = lineage_row(synthetic, Deciders("run.judge/2", {"a" * 64: decided}))
    assert (row["generator"], row["seed"], row["judge"], row["score"]) == ("run.good/3", 12, "run.judge/2", 0.75)
    assert (row["verdict"], row["reviewer"], row["reviewed"], row["reviewed_label"]) == (
        "rejected", "Anna", "accepted", "defect",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("edit", "fact"),
    [
        (Edit(recipe={"edit": "scratch", "depth": 3}), ("edited by recipe", '{"depth": 3, "edit": "scratch"}')),
        (Edit(editor="GIMP", person="Berta"), ("edited by hand", "Berta with GIMP")),
        (Edit(editor="GIMP"), ("edited by hand", "GIMP")),
    ],
)
def test_an_edited_photograph_says_how_by_whom_and_of_which(edit: Edit, fact: tuple[str, str]) -> None:
    edited = line(origin=Origin(kind="edited", parents=("d" * 64,), edit=edit))
    assert fact in list(facts_of(edited, NOBODY))
    assert ("image", "edited photograph, 64 × 48 px") in list(facts_of(edited, NOBODY))
    assert list(relatives_of(edited, {})) == [("made from", "d" * 64)]


LIMITS = NoveltyLimits(
    copy_correlation=0.55, copy_feature_distance=0.00176, outlier_feature_distance={"good": 0.02972, "defect": None}
)
LIKE = Judgement(nearest_real="b" * 64, nearest_real_distance=0.5, feature_distance=0.0088, verdict="accepted")
IN_PIXELS = "likeness in pixels to the photograph most alike, of any label"
IN_FEATURES = "distance in the judge's features to the nearest photograph of {}"


def test_both_distances_say_to_which_photographs_and_what_would_be_too_near_or_too_far() -> None:
    synthetic = line(origin=Origin(kind="synthetic"), judgement=LIKE)
    facts = dict(facts_of(synthetic, Deciders("", {}, {"good": LIMITS})))
    assert facts[IN_PIXELS] == "correlation 0.50; from 0.55 on it counts as a copy"
    assert facts[IN_FEATURES.format("good")] == (
        "0.0088 (0 the same, 2 opposite); below 0.0018 to one of any label it counts as a copy; beyond 0.0297 as an "
        "outlier"
    )
    of_a_defect = dict(facts_of(replace(synthetic, label="defect"), Deciders("", {}, {"defect": LIMITS})))
    assert "outlier" not in of_a_defect[IN_FEATURES.format("defect")], "nobody knows from where on"


def test_no_limit_is_named_that_did_not_count() -> None:
    synthetic = line(origin=Origin(kind="synthetic"), judgement=LIKE)
    assert dict(facts_of(synthetic, NOBODY))[IN_PIXELS] == "correlation 0.50"
    set_in = replace(synthetic, origin=Origin(kind="synthetic", edit=Edit(editor="generator")))
    facts = dict(facts_of(set_in, Deciders("", {}, {"good": LIMITS})))
    assert facts[IN_PIXELS] == "correlation 0.50"
    assert "copy" not in facts[IN_FEATURES.format("good")], "it is like its photograph because it is to be"
