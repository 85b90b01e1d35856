"""What a spec may say, and what is refused before anything is run."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from defectory.errors import InvalidInput, NotFound
from orchestrator.proof.line import experiment_line
from orchestrator.proof.spec import ExperimentSpec, read_spec
from orchestrator.proof.verdict import Design, limits

ARMS = ["real", "augmented", "more-real"]
LEAST = {"name": "e", "data": {"directory": "photos"}, "arms": ARMS, "few_shot": {}}
EXAMPLES = sorted((Path(__file__).parents[3] / "examples/experiments").glob("*.yaml"))


def spec(**more: object) -> ExperimentSpec:
    return ExperimentSpec.model_validate({**LEAST, **more})


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_are_specs(example: Path) -> None:
    read = read_spec(example)
    assert read.reference == "augmented"
    assert read.instrument == ("real", "more-real")


def test_there_are_examples() -> None:
    assert [path.stem for path in EXAMPLES] == [
        "cables", "magnetic_tile", "magnetic_tile_10", "magnetic_tile_edits", "magnetic_tile_edits_10",
        "magnetic_tile_shift",
    ]  # fmt: skip


def test_paths_are_relative_to_the_file_and_the_name_is_the_files(tmp_path: Path) -> None:
    (tmp_path / "My Tiles.yaml").write_text(yaml.safe_dump({key: LEAST[key] for key in ("data", "arms", "few_shot")}))
    read = read_spec(tmp_path / "My Tiles.yaml")
    assert read.data.directory == str(tmp_path / "photos")
    assert read.name == "my-tiles"
    with pytest.raises(NotFound, match="there is no spec file"):
        read_spec(tmp_path / "other.yaml")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"arms": ["real", "unreal"], "reference": "real"}, "there is no arm 'unreal'"),
        ({"arms": ["real"], "reference": "real"}, "at least 2"),
        ({"arms": ["synthetic", "augmented"]}, "the first arm, synthetic"),
        ({"arms": ["augmented", "real", "real"]}, "two arms are called 'real'"),
        ({"reference": "balanced"}, "is none of the arms"),
        ({"few_shot": None}, "more-real needs few_shot"),
        ({"arms": [*ARMS, "more-real-5"]}, "more-real-5 has no more than few_shot.per_kind, 5"),
        ({"arms": [*ARMS, "augmented-75"]}, "there is no arm 'augmented-75'"),
        ({"arms": [*ARMS, "pretrained-75"]}, "there is no arm 'pretrained-75'"),
        ({"arms": ["memory", "augmented"]}, "memory trains nothing"),
        ({"arms": ["augmented", "memory"], "reference": "memory"}, "memory trains nothing"),
        ({"memory": {"patches": 3}}, "memory.patches"),
        ({"classifier": {"cycles": 5}}, "say `seeds`"),
        ({"data": {"directory": "x", "folds": 5}}, "no such setting `data.folds`"),
        ({"sedes": 3}, "did you mean `seeds`"),
        ({"name": "Über"}, "is not an experiment's name"),
    ],
)
def test_what_is_wrong_is_said_by_its_name(tmp_path: Path, wrong: dict[str, object], says: str) -> None:
    file = tmp_path / "e.yaml"
    file.write_text(yaml.safe_dump({**LEAST, **wrong}))
    with pytest.raises(InvalidInput, match=says):
        read_spec(file)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["folds", "seeds", "smallest_gain", "real_share", "costs.escape", "costs.defect_share",
                     "few_shot.per_kind", "few_shot.good", "seed"]),
    st.one_of(st.integers(-(10**9), -1), st.just(float("nan")), st.just(float("inf")), st.just("many"), st.just([])),
)  # fmt: skip
def test_values_out_of_range_are_refused(path: str, value: object) -> None:
    section, _, name = path.rpartition(".")
    wrong = {section: {name: value}} if section else {name: value}
    with pytest.raises(ValidationError) as refused:
        spec(**wrong)
    assert {".".join(map(str, error["loc"])) for error in refused.value.errors()} == {path}


def test_made_images_take_no_more_than_their_share_of_a_batch() -> None:
    own = {"name": "mine", "trains_on": "filtered", "classifier": {"real_share": 0.9}}
    read = spec(arms=[*ARMS, "filtered", own], real_share=0.75)
    shares = {arm.name: arm.classifier.get("real_share") for arm in read.pipeline.arms}
    assert shares == {"real": None, "augmented": None, "more-real": None, "filtered": 0.75, "mine": 0.9}


def test_a_named_arm_takes_its_share_from_its_name() -> None:
    read = spec(arms=[*ARMS, "filtered", "filtered-75", "filtered-100", "pretrained"], real_share=0.6)
    arms = {arm.name: arm.classifier for arm in read.pipeline.arms}
    assert {name: arms[name]["real_share"] for name in ("filtered", "filtered-75", "filtered-100")} == {
        "filtered": 0.6, "filtered-75": 0.75, "filtered-100": 1.0,
    }  # fmt: skip
    assert "real_share" not in arms["pretrained"], "it draws what was made first, and then photographs"


def test_the_learning_curve_goes_from_few_photographs_to_all() -> None:
    read = spec(arms=["real", "more-real", "augmented", "memory", "more-real-40", "more-real-9"])
    assert read.learning_curve == ("real", "more-real-9", "more-real-40", "more-real")
    assert read.instrument == ("real", "more-real")
    assert read.controls == {"real", "more-real", "more-real-40", "more-real-9"}
    assert spec(arms=["augmented", "memory"]).learning_curve == ()


def test_defects_are_learned_beside_whole_parts_by_generators_of_their_own() -> None:
    steps = {step.name: step for step in experiment_line(spec(arms=[*ARMS, "filtered", "defects"], folds=3))}
    own = [name for name in steps if name.startswith("fold2-") and not name.endswith(("-validate", "-evaluate"))]
    assert own == [
        "fold2-ingest", "fold2-real", "fold2-augmented-dataset", "fold2-augmented", "fold2-more-real-dataset",
        "fold2-more-real", "fold2-judge", "fold2-generators", "fold2-filter", "fold2-filtered-dataset",
        "fold2-filtered",
        "fold2-set-judge", "fold2-set-generators", "fold2-set-filter", "fold2-defects-dataset", "fold2-defects",
    ]  # fmt: skip
    assert set(steps["fold2-defects-dataset"].needs) == {"fold2-ingest", "fold2-set-filter"}
    assert set(steps["fold2-set-filter"].needs) == {
        "fold2-ingest", "fold2-real", "fold2-set-judge", "fold2-set-generators",
    }  # fmt: skip


def test_the_reference_and_arms_with_made_images_differ_in_nothing_else() -> None:
    read = spec(arms=[*ARMS, "filtered", "synthetic"])
    changed = {arm.name: arm.classifier_settings(read.pipeline.classifier).augment for arm in read.pipeline.arms}
    assert changed["augmented"] == changed["filtered"] == changed["synthetic"] == 0.5
    assert changed["real"] == changed["more-real"] is None


def test_an_arm_on_edited_photographs_makes_its_edits_in_every_fold_of_that_folds_own() -> None:
    edited = spec(arms=["augmented", "edited"], edits={"count": 9}, folds=3)
    steps = {step.name: step for step in experiment_line(edited)}
    assert [name for name in steps if name.endswith("-edits")] == ["fold1-edits", "fold2-edits", "fold3-edits"]
    assert steps["fold2-edits"].needs == ("fold2-ingest",)
    with pytest.raises(InvalidInput, match=r"edits\.count"):
        spec(arms=["augmented", "edited"]).pipeline  # noqa: B018 - what it raises


def test_what_the_design_can_never_show_is_said() -> None:
    few = " ".join(limits(spec(folds=5, seeds=1), Design(100, 90, 12, "PR-AUC")))
    assert "5 folds can never give p below 0.0625" in few
    assert "Only 12 parts are defective" in few
    assert "With one seed" in few
    assert "proves that this test can tell" not in few
    many = " ".join(limits(spec(arms=["real", "augmented"], folds=6), Design(400, 390, 90, "macro-F1")))
    assert "6 folds can never give p below 0.03125" in many
    assert "nobody proves that this test can tell" in many
    assert "defective" not in many
