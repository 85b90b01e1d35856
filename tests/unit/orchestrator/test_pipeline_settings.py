"""Pipeline files: what they may say, what presets add, what is refused with which words."""

from pathlib import Path

import pytest

from defectory.errors import InvalidInput, NotFound
from orchestrator.pipeline.assignments import assigned
from orchestrator.pipeline.classifier_steps import training_settings
from orchestrator.pipeline.presets import PRESETS, preset
from orchestrator.pipeline.settings import ClassifierSettings, read_pipeline_file, resolve, run_name

DATA = {"directory": "/photos"}


def test_a_file_overrides_its_preset_and_leaves_the_rest() -> None:
    settings = resolve({"name": "x", "data": DATA, "generator": {"kimg": 7}}, preset("quick"))
    assert settings.generator.kimg == 7
    assert settings.generator.channel_base == PRESETS["quick"]["generator"]["channel_base"]
    assert settings.preset == "quick"


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_valid(name: str) -> None:
    assert resolve({"name": "x", "data": DATA}, preset(name)).preset == name


def test_quick_trains_what_is_best_and_paper_what_the_paper_trained() -> None:
    """docs/classifier.md: `best` got 0.83 where 64 px and the paper's recipe got 0.59 (magnetic tiles)."""
    quick = resolve({"name": "x", "data": DATA}, preset("quick")).classifier
    assert quick.recipe == "best"
    asked = {name: value for name, value in training_message(quick).items() if name not in ("batch", "views")}
    assert asked == {"recipe": "best", "good_label": "good"}, "nothing that would replace the recipe's own settings"
    assert resolve({"name": "x", "data": DATA}, preset("paper")).classifier.recipe == "paper"


def training_message(settings: ClassifierSettings) -> dict:
    """What the classifier's service is asked for, without what is absent or zero."""
    message = training_settings(settings, 0, "")
    return {field.name: value for field, value in message.ListFields()}


def test_the_paper_preset_has_the_papers_figures() -> None:
    settings = resolve({"name": "x", "data": DATA}, preset("paper"))
    assert (settings.generator.resolution_px, settings.generator.kimg, settings.synthesis.quota) == (512, 300, 3584)
    assert (settings.classifier.learning_rate, settings.classifier.epochs, settings.classifier.cycles) == (1e-5, 40, 5)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"data": DATA, "generator": {"resolution_px": 48}}, "generator.resolution_px"),
        ({"data": {**DATA, "size_px": 64}}, "data"),
        ({"data": DATA, "generator": {"resolution_px": 4}}, "generator.resolution_px"),
        ({"data": DATA, "generator": {"kimg": -1}}, "generator.kimg"),
        ({"data": DATA, "generator": {"kimgs": 3}}, "generator.kimgs"),
        ({"data": DATA, "filter": {"policy": "bold"}}, "filter.policy"),
        ({"data": DATA, "classifier": {"epochs": "many"}}, "classifier.epochs"),
        ({"data": DATA, "name": "No Name"}, "name"),
        ({}, "data"),
    ],
)
def test_a_wrong_setting_is_named(values: dict, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        resolve({"name": "x", **values}, {})
    assert field in caught.value.fields


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("generator.kimgs=1", "no such setting `generator.kimgs`; did you mean `generator.kimg`?"),
        ("kimg=1", "no such setting `kimg`; did you mean `generator.kimg`?"),
        ("classifier.validation_share=0.4", "no such setting `classifier.validation_share`; did you mean "
         "`data.validation_share`?"),
        ("colour=red", "no such setting `colour`"),
        ("generator.kimg=much", "generator.kimg 'much': use a number from 0.001 to 100000 (thousands of real images"),
        ("data.test_share=0.7", "data.test_share 0.7: use a number above 0, below 0.5 (share of groups in the test"),
        ("generator.kimg", "--set generator.kimg: use PATH=VALUE"),
        ("generator..kimg=1", "use PATH=VALUE"),
        ("generator.labels=[good", "generator.labels '[good': its value is not YAML"),
    ],
)  # fmt: skip
def test_an_assignment_that_cannot_be_names_its_setting(assignment: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        resolve({"name": "x", "data": DATA, **assigned([assignment])}, {})
    assert message in str(caught.value)


def test_assignments_reach_any_setting_with_values_as_yaml_has_them() -> None:
    texts = ("generator.kimg=1", "generator.learning_rate=1e-3", "generator.labels=[good, defect]", "seed=7",
             "synthesis.quotas.defect=20", "synthesis.quotas={good: 5}", "generator.mirror_x=yes", "data.bits=null",
             "classifier.recipe=best", "data.good=a=b", "generator.kimg=2", "arms=[baseline, expanded]")  # fmt: skip
    values = assigned(texts)
    settings = resolve({"name": "x", **values, "data": {**DATA, **values["data"]}}, preset("quick"))
    assert (settings.generator.kimg, settings.generator.learning_rate, settings.seed) == (2, 0.001, 7)
    assert (settings.generator.labels, settings.generator.mirror_x) == (("good", "defect"), True)
    assert settings.synthesis.quotas == {"defect": 20, "good": 5}
    assert (settings.data.bits, settings.data.good, settings.classifier.recipe) == (None, "a=b", "best")


@pytest.mark.parametrize(
    ("own", "kimg", "transfer_kimg"),
    [
        ({}, 40, 15),
        ({"kimg": 1}, 1, 1),
        ({"kimg": 100}, 100, 15),
        ({"kimg": 1, "transfer_kimg": 3}, 1, 3),
        ({"transfer_kimg": 3}, 40, 3),
    ],
)
def test_kimg_bounds_the_transfer_kimg_of_a_preset(own: dict, kimg: float, transfer_kimg: float) -> None:
    generator = resolve({"name": "x", "data": DATA, "generator": own}, preset("quick")).generator
    assert (generator.kimg, generator.transfer_kimg) == (kimg, transfer_kimg)


def test_an_unknown_preset_lists_those_there_are() -> None:
    with pytest.raises(InvalidInput, match="paper, quick, demo"):
        preset("fast")


def test_paths_in_a_file_are_relative_to_it(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    file = tmp_path / "deep/my line.yaml"
    file.write_text("data: {directory: ../photos, groups: parts.csv}")
    values = read_pipeline_file(file)
    assert values["data"] == {
        "directory": str(tmp_path.resolve() / "photos"),
        "groups": str(tmp_path.resolve() / "deep/parts.csv"),
    }
    assert values["name"] == "my-line"


@pytest.mark.parametrize("text", ["- a list", "{not closed", "", "just words"])
def test_what_is_no_mapping_is_no_pipeline(tmp_path: Path, text: str) -> None:
    file = tmp_path / "line.yaml"
    file.write_text(text)
    with pytest.raises(InvalidInput, match="not a pipeline file"):
        read_pipeline_file(file)


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read_pipeline_file(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("text", "name"), [("Fotos 2024", "fotos-2024"), ("__", "run"), ("a" * 50, "a" * 32), ("Käse.v2", "k-se-v2")]
)
def test_run_names_from_folder_names(text: str, name: str) -> None:
    assert run_name(text) == name


def test_the_examples_are_valid() -> None:
    files = list((Path(__file__).parents[3] / "examples").glob("*.yaml"))
    assert files
    for file in files:
        values = read_pipeline_file(file)
        resolve(values, preset(values.get("preset", "")))
