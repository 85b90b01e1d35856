"""Edits in the line: a step of its own, an arm that trains on them, generators that may, and the same bytes again."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from defectory.datasets.manifest import read_manifest, write_dataset
from defectory.datasets.manifest_line import Edit
from defectory.errors import FailedPrecondition, InvalidInput
from defectory.storage.memory import MemoryStore
from orchestrator.cables import write_cables
from orchestrator.edits.heat import heat_masks, without_masks
from orchestrator.edits.line import recipe_of
from orchestrator.edits.making import edit_by_recipe, made_again
from orchestrator.edits.recipe import EditRecipe
from orchestrator.pipeline.line import line_of
from orchestrator.pipeline.outputs import EDITS, INGEST
from orchestrator.pipeline.runner import RunResult, run_line
from orchestrator.pipeline.settings import PipelineSettings
from tests.unit.edits.tiles import make_tiles
from tests.unit.orchestrator.test_pipeline_runner import Answers, Silent, settings_for

ARMS = ["baseline", "expanded", {"name": "edited", "trains_on": "edited"}]


@pytest.fixture(scope="module")
def cables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cables") / "photos"
    write_cables(folder, 16, 24, 0, size_px=96)
    return folder


def settings(cables: Path, **edits: Any) -> PipelineSettings:
    return settings_for(cables, arms=ARMS, edits={"count": 6, "largest": 0.25, **edits})


def go(store: MemoryStore, chosen: PipelineSettings, services: Answers, watcher: Silent | None = None) -> RunResult:
    steps = [step for step in line_of(chosen.arms, chosen.edits) if step.name != "report"]
    return run_line(steps, store, chosen, services, watcher or Silent())


def test_an_arm_trains_on_real_and_edited_pictures(cables: Path) -> None:
    store = MemoryStore()
    services = Answers(store)
    result = go(store, settings(cables), services)
    assert result.ran.index("edits") < result.ran.index("edited-dataset") < result.ran.index("edited")
    asked = {r.name: r for method, r in services.asked if method == "TrainClassifier"}
    lines = read_manifest(store, asked["line.edited"].manifest_uri)
    real = read_manifest(store, result.outputs[INGEST].manifest_uri)
    assert [line for line in lines if line.origin.kind == "real"] == real
    edited = [line for line in lines if line.origin.kind == "edited"]
    assert {line.split for line in edited} == {"train"}
    assert len(edited) == 6 == sum(result.outputs[EDITS].by_edit.values())
    assert len({r.settings.steps_per_epoch for r in asked.values()}) == 1, "all arms and the judge"
    generators = [r.manifest_uri for method, r in services.asked if method == "TrainGenerator"]
    assert set(generators) == {result.outputs[INGEST].manifest_uri}


def test_generators_learn_from_edits_where_it_is_wanted(cables: Path) -> None:
    store = MemoryStore()
    services = Answers(store)
    go(store, settings(cables, for_generators=True), services)
    (uri,) = {r.manifest_uri for method, r in services.asked if method == "TrainGenerator"}
    origins = Counter(line.origin.kind for line in read_manifest(store, uri))
    assert origins["edited"] == 6
    assert origins["real"] > 6


def test_a_second_run_makes_nothing_and_another_recipe_only_what_depends_on_it(cables: Path) -> None:
    store = MemoryStore()
    first = go(store, settings(cables), Answers(store))
    assert go(store, settings(cables), Answers(store)).ran == []
    again = go(store, settings(cables, contrast=[1, 1]), Answers(store))
    assert again.ran[:3] == ["edits", "edited-dataset", "edited"]
    assert not {"ingest", "baseline", "generators", "filter", "expanded"} & set(again.ran)
    assert again.outputs[EDITS].content_hash != first.outputs[EDITS].content_hash


def test_a_step_that_was_killed_makes_the_same_bytes(cables: Path) -> None:
    store, killed = MemoryStore(), MemoryStore()
    whole = go(store, settings(cables), Answers(store)).outputs[EDITS]
    puts = 0
    put = killed.put

    def dying(key: str, data: bytes, **how: Any) -> Any:
        nonlocal puts
        puts += "line.edits" in key
        if puts == 4:
            raise KeyboardInterrupt
        return put(key, data, **how)

    killed.put = dying  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        go(killed, settings(cables), Answers(killed))
    killed.put = put  # type: ignore[method-assign]
    resumed = go(killed, settings(cables), Answers(killed))
    assert "baseline" in resumed.skipped
    assert resumed.outputs[EDITS].content_hash == whole.content_hash
    objects = [{info.key: s.get(info.key) for info in s.list("datasets/line.edits")} for s in (store, killed)]
    assert objects[0] == objects[1]


def test_edits_that_are_there_already_are_taken_in(cables: Path) -> None:
    store, watcher = MemoryStore(), Silent()
    edited = go(store, settings(cables), Answers(store)).outputs[EDITS]
    lines = read_manifest(store, edited.manifest_uri)
    by_hand = [
        replace(line, origin=replace(line.origin, edit=Edit(editor="GIMP 2.10", person="x"))) for line in lines[:2]
    ]
    stranger = replace(lines[2], origin=replace(lines[2].origin, parents=("0" * 64,)))
    write_dataset(store, "by-hand", [*by_hand, stranger], {})
    taken = go(store, settings(cables, count=0, datasets=["by-hand"]), Answers(store), watcher).outputs[EDITS]
    assert taken.by_edit == {"by hand": 2}
    assert any("1 edited pictures are left out" in text for text in watcher.warnings)


def test_edits_that_nothing_asks_for_make_no_step(cables: Path) -> None:
    chosen = settings_for(cables)
    assert "edits" not in [step.name for step in line_of(chosen.arms, chosen.edits)]
    with pytest.raises(InvalidInput, match="the generators trains on edited pictures, and there are none"):
        settings_for(cables, edits={"for_generators": True})


def test_heat_marks_what_has_no_mask_and_says_so() -> None:
    store = MemoryStore()
    masked = make_tiles(store)
    lines = [replace(line, mask=None) for line in masked]
    unmarked = without_masks(lines)
    assert {line.kind for line in unmarked} == {"hole"}
    assert {line.split for line in unmarked} == {"train"}
    rows = []
    for number, line in enumerate(unmarked):
        own = next(x for x in masked if x.file.sha256 == line.file.sha256)
        store.put(f"heat/{number}.png", store.get(store.key(own.mask.uri)))  # hot where the defect is
        rows.append(
            {"sha256": line.file.sha256, "heatmap_uri": store.uri(f"heat/{number}.png"), "on_background": number == 0,
             "unclear": "", "label": "defect"}
        )  # fmt: skip
    store.put("heat/explanations.jsonl", b"\n".join(json.dumps(row).encode() for row in rows))
    marked = heat_masks(store, lines, store.uri("heat/explanations.jsonl"), "edited")
    assert sum(bool(line.mask) for line in marked) == len(unmarked) - 1, "heat on the background marks nothing"
    edited = edit_by_recipe(
        store, marked, EditRecipe(around="heat"), "edited", source="s", count=6, seed=0,
        by_heat=frozenset(line.file.sha256 for line in unmarked),
    )  # fmt: skip
    written = read_manifest(store, edited.manifest_uri)
    assert {recipe_of(line).get("around") for line in written} == {"heat"}
    parents = {line.file.sha256: line for line in lines}
    assert made_again(store, written[0], parents).picture == store.get(store.key(written[0].file.uri))
    cold = [{**row, "unclear": "too few cells"} for row in rows]
    store.put("heat/cold.jsonl", b"\n".join(json.dumps(row).encode() for row in cold))
    with pytest.raises(FailedPrecondition, match="says of none"):
        heat_masks(store, lines, store.uri("heat/cold.jsonl"), "edited")
