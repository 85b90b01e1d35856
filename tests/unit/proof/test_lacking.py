"""Folds in which an arm's images cannot be made: they are told apart, and the experiment goes on."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from defectory.datasets.manifest import read_manifest
from defectory.errors import InvalidInput, NotMade
from defectory.storage.memory import MemoryStore
from orchestrator.pipeline.arms import ArmSettings
from orchestrator.pipeline.data_steps import arm_dataset_inputs
from orchestrator.pipeline.outputs import Edited, Filtered, FilteredLabel, Ingested, Outputs, dataset_of
from orchestrator.pipeline.step import StepInputs
from orchestrator.proof.proven import PROOF
from tests.unit.edits.tiles import make_tiles
from tests.unit.proof.test_experiment import (
    FOLDS,
    SKILL,
    Classifiers,
    Training,
    carried_out,
    page_of,
    photographs,
    request_of,
    spec_of,
)

__all__ = ["photographs"]
DIVERGED = "training diverged twice, at 64 images: lower learning_rate or raise r1_gamma"


@pytest.fixture(scope="module")
def one_mask(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiles with holes of which one is marked: of three folds, each with a third in training, it is in one."""
    store, folder = MemoryStore(), tmp_path_factory.mktemp("tiles")
    marked = False
    for number, line in enumerate(make_tiles(store, good=18, defects=18, seed=1)):
        place = folder / ("train/good" if line.label == "good" else "test/hole") / f"{number:03d}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(store.get(store.key(line.file.uri)))
        if line.mask and not marked:
            mask = folder / f"ground_truth/hole/{number:03d}_mask.png"
            mask.parent.mkdir(parents=True)
            mask.write_bytes(store.get(store.key(line.mask.uri)))
            marked = True
    return folder


def test_a_fold_without_a_mask_has_no_edits_says_why_and_is_trained_without(
    one_mask: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("edited", "anomalies"):
        monkeypatch.setitem(SKILL, name, 0.9)
    services = Classifiers(MemoryStore())
    shares = {"patch": 1, "scar": 1, "texture": 2}
    anomalies = {"name": "anomalies", "trains_on": "edited", "edits": {"count": 4, "shares": shares}}
    spec = spec_of(one_mask, "real", "augmented", "edited", anomalies, few_shot=None, edits={"count": 4})
    result = carried_out(spec, services)
    proven = result.outputs[PROOF]
    edited = {}
    for fold in range(1, FOLDS + 1):
        (training,) = [x for x in request_of(services, Training, fold) if x.name.endswith(".edited")]
        lines = [x for x in read_manifest(services.store, training.manifest_uri) if x.split == "train"]
        edited[fold] = sum(x.origin.kind == "edited" for x in lines)
        assert training.settings.real_share == 0.5
        if not edited[fold]:
            assert len(set(Counter(x.label for x in lines).values())) == 1, "labels are drawn equally, as beside edits"
    without = [fold for fold, count in edited.items() if not count]
    assert len(without) == 2
    (said,) = [x for x in proven.verdict if x.startswith("edited: no edit could be made")]
    assert said.startswith(
        f"edited: no edit could be made in folds {without[0]}, {without[1]} of 3 (no training picture has a mask or a "
        "box that says where its defect lies"
    )
    assert "where it was trained without, under the same settings" in said
    page = page_of(services, proven)
    assert page.count("(without made images in 2 of 3 folds)") == 1, "anomalies are made out of good parts"
    assert carried_out(spec, services).ran == []


def test_of_an_arm_whose_edits_could_never_be_made_nothing_is_told(
    photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SKILL, "edited", 1.2)
    monkeypatch.setitem(SKILL, "memory", 1.2)
    arms = ("real", "augmented", "more-real", "edited", "memory")
    proven = carried_out(spec_of(photographs, *arms, edits={"count": 4}), Classifiers(MemoryStore())).outputs[PROOF]
    assert proven.outcomes["edited"] == "cannot tell", "these photographs have no masks"
    assert any(x.startswith("edited: cannot tell: no edit could be made –") for x in proven.verdict)
    (said,) = [x for x in proven.verdict if x.startswith("edited: no edit could be made in any fold (")]
    assert said.endswith("), so it was not tried.")
    assert proven.outcomes["memory"] == "helped", "the others are told of"


class Diverging(Classifiers):
    """Services whose generators of some labels and folds cannot be trained."""

    def __init__(self, *names: str, error: Exception | None = None) -> None:
        super().__init__(MemoryStore())
        self._names = names
        self._error = error or NotMade(DIVERGED)

    def TrainGenerator(self, request: Any) -> Any:  # noqa: N802
        if request.name in self._names:
            raise self._error
        return super().TrainGenerator(request)


def test_a_generator_that_diverges_in_a_fold_stops_no_other_fold_and_no_other_label(photographs: Path) -> None:
    services = Diverging("proof-f1.good", "proof-f1.defect", "proof-f2.good", "proof-f1-set.defect")
    arms = ("real", "augmented", "more-real", "filtered", "reviewed", "synthetic", "defects")
    result = carried_out(spec_of(photographs, *arms, synthesis={"quota": 10}), services)
    proven = result.outputs[PROOF]
    for arm in ("filtered", "reviewed", "synthetic"):
        by_fold = [result.outputs.below(f"fold{fold}-")[dataset_of(arm)].synthetic for fold in range(1, FOLDS + 1)]
        assert by_fold == [{}, {"defect": 10}, {"good": 10, "defect": 10}], arm
        (said,) = [x for x in proven.verdict if x.startswith(f"{arm}: no generator")]
        assert said.startswith(f"{arm}: no generator could be trained in fold 1 of 3 (good, defect: {DIVERGED}), where")
    assert any(
        x.startswith(f"defects: no generator could be trained in fold 1 of 3 (defect: {DIVERGED})")
        for x in proven.verdict
    )
    assert proven.outcomes.keys() == set(arms) - {"augmented"}


def test_a_setting_that_a_generator_refuses_ends_the_experiment(photographs: Path) -> None:
    refused = InvalidInput("batch is 7: use 1, 2, 4", {"settings.batch": "use 1, 2, 4"})
    services = Diverging("proof-f1.good", error=refused)
    spec = spec_of(photographs, "real", "augmented", "more-real", "filtered", synthesis={"quota": 10})
    with pytest.raises(InvalidInput, match="batch is 7"):
        carried_out(spec, services)


def test_a_level_without_which_training_lacks_a_label_is_refused_before_anything_is_trained(
    photographs: Path, tmp_path: Path
) -> None:
    names = sorted(str(path.relative_to(photographs)) for path in photographs.rglob("*.png"))
    weeks = {name: "A" if not name.startswith("good") or number % 2 else "B" for number, name in enumerate(names)}
    table = tmp_path / "groups.csv"
    table.write_text("image,group,week\n" + "\n".join(f"{name},{name},{week}" for name, week in weeks.items()))
    services = Classifiers(MemoryStore())
    data = {"directory": str(photographs), "groups": str(table)}
    with pytest.raises(InvalidInput, match="without the level 'A' a fold's train split has photographs of good alone"):
        carried_out(spec_of(photographs, data=data, shift="week", few_shot={"per_kind": 4, "good": 10}), services)
    assert services.asked == []


def test_what_an_arm_trains_on_is_known_by_what_it_was_before_where_nothing_lacks(photographs: Path) -> None:
    def known(filtered: FilteredLabel, edited: Edited) -> Mapping[str, Any]:
        ingested = Ingested.model_construct(content_hash="h", manifest_uri="m")
        outputs = Outputs({"ingest": ingested, "filter": Filtered({"defect": filtered}), "edits": edited})
        arm = ArmSettings(name="mine", trains_on="edited+filtered")
        settings = spec_of(photographs).pipeline
        return arm_dataset_inputs(arm)(StepInputs(settings, "", outputs, MemoryStore()))

    of_label, edited = (
        FilteredLabel(rounds=[], quota=9, accepted=3),
        Edited(manifest_uri="e", content_hash="c", counts={}),
    )
    before = known(of_label, edited)
    assert before["filter"] == {"defect": {"rounds": [], "quota": 9, "accepted": 3}}, "as finished runs have it"
    assert before["edits"].keys() == {"manifest_uri", "content_hash", "counts", "by_edit", "seam"}
    other = known(of_label.model_copy(update={"lacks": DIVERGED}), edited.model_copy(update={"lacks": "no mask"}))
    assert (other["filter"]["defect"]["lacks"], other["edits"]["lacks"]) == (DIVERGED, "no mask")
