"""Defects in the line: crops, their generators and judge, and photographs into which defects are set."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from defectory.api.filter.v1 import filter_pb2
from defectory.api.generator.v1 import generator_pb2
from defectory.datasets.manifest import manifest_key, read_manifest, write_dataset
from defectory.datasets.manifest_line import Origin, Synthesis
from defectory.errors import InvalidInput
from defectory.imaging import decode
from defectory.storage.memory import MemoryStore
from orchestrator.defects.crops import GOOD
from orchestrator.edits.pictures import read_line_mask, read_picture
from orchestrator.pipeline import synthetic_steps
from orchestrator.pipeline.line import line_of
from orchestrator.pipeline.outputs import FILTER, GENERATORS, INGEST, dataset_of
from orchestrator.pipeline.runner import RunResult, run_line
from orchestrator.pipeline.settings import GeneratorSettings, PipelineSettings
from orchestrator.report.around import around_defect
from orchestrator.review.decided import REJECTED, Decided
from orchestrator.review.subject import subject_of
from tests.unit.edits.tiles import make_tiles
from tests.unit.orchestrator.test_pipeline_runner import Answers, Silent, settings_for

GENERATOR = {"view": "defect", "resolution_px": 32}


class Drawing(Answers):
    """Services whose generator of defects gives real crops of the wanted kind back; every fifth one has no mask."""

    def TrainGenerator(self, request: Any) -> Any:  # noqa: N802
        return generator_pb2.TrainGeneratorResponse(
            generator=generator_pb2.Generator(
                name=request.name, version="1", kimg=request.settings.kimg, weights_sha256="0" * 64
            )
        )

    def Synthesize(self, request: Any) -> Any:  # noqa: N802
        if not request.model.startswith("line.defects"):
            return super().Synthesize(request)
        trained = [r for method, r in self.asked if method == "TrainGenerator"]
        uri = trained[-1].manifest_uri if trained else self.crops_uri
        crops = [x for x in read_manifest(self._store, uri) if x.split == "train" and x.label != GOOD]
        wanted = [x for x in crops if request.class_label in ("", x.label)]
        lines = []
        for seed in range(request.first_seed, request.first_seed + request.count):
            of_seed = wanted[seed % len(wanted)]
            synthesis = Synthesis(generator=request.model, seed=seed, truncation_psi=1.0, noise_mode="random")
            mask = None if seed % 5 == 4 else of_seed.mask
            origin = Origin(kind="synthetic")
            lines.append(replace(of_seed, origin=origin, synthesis=synthesis, mask=mask, split="none", group=""))
        return generator_pb2.SynthesizeResponse(manifest_uri=write_dataset(self._store, request.dataset, lines, {}))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiles as a folder with masks: good ones, and ones with a hole."""
    store, folder = MemoryStore(), tmp_path_factory.mktemp("tiles")
    for number, line in enumerate(make_tiles(store, good=16, defects=22, seed=1)):
        place = folder / ("train/good" if line.label == "good" else "test/hole") / f"{number:03d}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(store.get(store.key(line.file.uri)))
        if line.mask:
            mask = folder / f"ground_truth/hole/{number:03d}_mask.png"
            mask.parent.mkdir(parents=True, exist_ok=True)
            mask.write_bytes(store.get(store.key(line.mask.uri)))
    return folder


def settings(photos: Path, **given: Any) -> PipelineSettings:
    own = {"generator": GENERATOR, "synthesis": {"quota": 8}, "arms": ["baseline", "defects"], **given}
    return settings_for(photos, **own)


def go(store: MemoryStore, chosen: PipelineSettings, services: Answers, watcher: Silent | None = None) -> RunResult:
    steps = [step for step in line_of(chosen.arms, chosen.edits) if step.name != "report"]
    return run_line(steps, store, chosen, services, watcher or Silent())


def test_the_generator_learns_crops_and_starts_from_the_surface(photos: Path) -> None:
    store = MemoryStore()
    services = Drawing(store)
    result = go(store, settings(photos), services)
    surface, defects = (r for method, r in services.asked if method == "TrainGenerator")
    assert (surface.label, surface.settings.with_mask, surface.initial_model) == (GOOD, False, "starter")
    assert (defects.label, defects.settings.with_mask) == ("hole", True)
    assert (surface.settings.ship, defects.settings.ship) == ("last", "best")
    assert defects.initial_model == f"{surface.name}/1"
    assert surface.manifest_uri == defects.manifest_uri
    (label, generator) = next(iter(result.outputs[GENERATORS].trained.items()))
    assert (label, generator.kinds) == ("defect", ["hole"])
    assert generator.crops.side_px == 32
    judges = [r for method, r in services.asked if method == "TrainClassifier" and "judge" in r.name]
    assert {r.manifest_uri for r in judges} == {result.outputs[INGEST].manifest_uri, generator.crops.manifest_uri}
    by_name = {r.name: r.settings for r in judges}
    assert by_name["line.judge"].square_px == 0, "it sees photographs as they are"
    assert by_name["line.crop-judge"].square_px == 32


def test_photographs_with_defects_are_what_the_arm_trains_on(photos: Path) -> None:
    store = MemoryStore()
    result = go(store, settings(photos), Drawing(store))
    real = {line.file.sha256: line for line in read_manifest(store, result.outputs[INGEST].manifest_uri)}
    lines = read_manifest(store, result.outputs[dataset_of("defects")].manifest_uri)
    synthetic = [line for line in lines if line.origin.kind == "synthetic"]
    assert len(synthetic) == 8
    for line in synthetic:
        parent = real[line.origin.parents[0]]
        assert (parent.label, parent.split) == ("good", "train")
        assert (line.label, line.kind, line.split) == ("defect", "hole", "train")
        assert (line.file.width, line.file.height) == (parent.file.width, parent.file.height)
        assert read_line_mask(store, line).sum() >= 12
        assert line.synthesis.generator == "line.defects/1"


def test_what_a_person_rejects_the_arm_of_defects_does_not_train_on(photos: Path) -> None:
    store = MemoryStore()
    first = go(store, settings(photos), Drawing(store))
    subject = subject_of(store, "line", first.outputs[INGEST], first.outputs[FILTER])
    before = read_manifest(store, first.outputs[dataset_of("defects")].manifest_uri)
    trained = {line.file.sha256 for line in before if line.origin.kind == "synthetic"}
    out = next(row for row, line in enumerate(subject.lines) if line.file.sha256 in trained)
    Decided(store, subject).decide("Anna", "a" * 32, [(out, REJECTED, 0)])

    again = go(store, settings(photos), Drawing(store))
    after = read_manifest(store, again.outputs[dataset_of("defects")].manifest_uri)
    trained_now = {line.file.sha256 for line in after if line.origin.kind == "synthetic"}
    assert subject.lines[out].file.sha256 not in trained_now
    assert trained - trained_now == {subject.lines[out].file.sha256}


def test_what_is_set_nowhere_is_counted_with_its_reason(photos: Path) -> None:
    store = MemoryStore()
    filtered = go(store, settings(photos), Drawing(store)).outputs[FILTER].root["defect"]
    first = filtered.rounds[0]
    lines = read_manifest(store, first.manifest_uri)
    assert len(lines) == sum(first.verdicts.values()) == 10, "8 and the surplus"
    reasons = Counter(reason for line in lines for reason in line.judgement.reasons)
    assert reasons["no_defect"] == first.reasons["no_defect"] == 2
    crops = [line for uri in first.crops_manifest_uris for line in read_manifest(store, uri)]
    assert Counter(x.judgement.verdict for x in crops)["accepted"] >= first.verdicts["accepted"]
    assert {(x.label, x.kind) for x in lines} == {("defect", "hole")}


def test_whether_a_defect_is_one_is_asked_where_it_is_large(photos: Path) -> None:
    store = MemoryStore()
    services = Drawing(store)
    rules = {"label_thresholds": {"defect": 0.7}, "label_lower_thresholds": {"defect": 0.4}}
    filtered = go(store, settings(photos, filter=rules), services).outputs[FILTER].root["defect"]
    crops, photographs, again = [r for method, r in services.asked if method == "FilterImages"][:3]
    assert [r.judge_model for r in (crops, photographs, again)] == [
        "line.crop-judge/1",
        "line.judge/1",
        "line.crop-judge/1",
    ]
    for asked in (crops, again):  # its labels are the kinds
        assert (asked.threshold, asked.lower_threshold, dict(asked.label_thresholds)) == (0.7, 0.4, {})
    assert photographs.policy == filter_pb2.POLICY_NONE, "it would hardly see a defect of a few pixels"
    assert (crops.novelty_gate, photographs.novelty_gate, again.novelty_gate) == (True, True, False)
    set_in = read_manifest(store, filtered.rounds[0].synthetic_manifest_uri)
    seen = read_manifest(store, again.manifest_uri)
    assert [line.origin.parents[0] for line in seen] == [line.file.sha256 for line in set_in]
    assert {line.label for line in seen} == {"hole"}


def test_a_photograph_is_rejected_where_its_defect_is_no_longer_taken_for_one(photos: Path) -> None:
    class Doubting(Drawing):
        """Rejects the first two defects where they are set, and the second photograph as well."""

        def FilterImages(self, request: Any) -> Any:  # noqa: N802
            lines = read_manifest(self._store, request.manifest_uri)
            if "looked-at" in request.dataset:
                no = {line.file.sha256: ("confidence",) for line in lines[:2]}
            else:
                no = {lines[1].file.sha256: ("outlier",)} if request.judge_model == "line.judge/1" else {}
            judged = [
                replace(
                    x,
                    judgement=replace(
                        x.judgement,
                        verdict="rejected" if x.file.sha256 in no else "accepted",
                        reasons=no.get(x.file.sha256, ()),
                    ),
                )
                for x in lines
            ]
            return filter_pb2.FilterImagesResponse(manifest_uri=write_dataset(self._store, request.dataset, judged, {}))

    store = MemoryStore()
    first = go(store, settings(photos), Doubting(store)).outputs[FILTER].root["defect"].rounds[0]
    lines = read_manifest(store, first.manifest_uri)
    assert [x.judgement.reasons for x in lines[:3]] == [("confidence",), ("outlier", "confidence"), ()]
    assert [x.judgement.verdict for x in lines[:3]] == ["rejected", "rejected", "accepted"]
    assert (first.reasons["confidence"], first.reasons["outlier"]) == (2, 1)
    assert first.verdicts["accepted"] == sum(x.judgement.verdict == "accepted" for x in lines) > 0


def test_labels_without_masks_are_learned_whole_and_it_is_said(tmp_path: Path, photos: Path) -> None:
    for label in ("good", "hole"):
        (tmp_path / label).mkdir()
    for number, path in enumerate(sorted(photos.glob("t*/*/*.png"))):
        (tmp_path / path.parent.name / f"{number}.png").write_bytes(path.read_bytes())
    store, watcher = MemoryStore(), Silent()
    services = Answers(store)
    result = go(store, settings(tmp_path), services, watcher)
    (asked,) = (r for method, r in services.asked if method == "TrainGenerator")
    assert (asked.label, asked.manifest_uri) == ("defect", result.outputs[INGEST].manifest_uri)
    assert result.outputs[GENERATORS].trained["defect"].crops is None
    assert any("defect: no mask says where" in text and "whole part" in text for text in watcher.warnings)


def test_few_images_of_a_kind_are_said(photos: Path) -> None:
    store, watcher = MemoryStore(), Silent()
    go(store, settings(photos), Drawing(store), watcher)
    assert any("fewer than 20 training images with a mask of hole" in text for text in watcher.warnings)


def test_a_second_run_makes_nothing_and_a_killed_one_the_same_bytes(photos: Path) -> None:
    store, killed = MemoryStore(), MemoryStore()
    whole = go(store, settings(photos), Drawing(store))
    assert go(store, settings(photos), Drawing(store)).ran == []
    put, puts = killed.put, 0

    def dying(key: str, data: bytes, **how: Any) -> Any:
        nonlocal puts
        puts += ".set" in key
        if puts == 5:
            raise KeyboardInterrupt
        return put(key, data, **how)

    killed.put = dying  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        go(killed, settings(photos), Drawing(killed))
    killed.put = put  # type: ignore[method-assign]
    again = Drawing(killed)
    again.crops_uri = killed.uri(manifest_key(whole.outputs[GENERATORS].trained["defect"].crops.dataset))
    resumed = go(killed, settings(photos), again)
    assert "generators" in resumed.skipped
    assert resumed.outputs[FILTER] == whole.outputs[FILTER]
    objects = [{info.key: s.get(info.key) for info in s.list("datasets/")} for s in (store, killed)]
    assert objects[0].keys() == objects[1].keys()
    assert objects[0] == objects[1]


def test_whole_parts_stay_what_they_were(photos: Path) -> None:
    store = MemoryStore()
    services = Answers(store)
    result = go(store, settings_for(photos), services)
    assert set(result.outputs[GENERATORS].trained) == {"good", "defect"}
    assert not [r for method, r in services.asked if method == "TrainClassifier" and "crop" in r.name]
    assert np.all([r.settings.with_mask is False for method, r in services.asked if method == "TrainGenerator"])


def test_crops_are_of_photographs_alone(photos: Path) -> None:
    with pytest.raises(InvalidInput, match="crops of defects are cut out of photographs alone"):
        settings(photos, edits={"count": 3, "for_generators": True})


def test_a_sheet_shows_the_defect_that_was_set_in_and_other_images_whole(photos: Path) -> None:
    store = MemoryStore()
    filtered = go(store, settings(photos), Drawing(store)).outputs[FILTER].root["defect"]
    (line, *_) = read_manifest(store, filtered.rounds[0].synthetic_manifest_uri)
    shown = np.asarray(decode(around_defect(store, line, 96) or b""))
    whole, mask = read_picture(store, line)[..., 0], read_line_mask(store, line)
    assert shown.shape[0] == shown.shape[1]
    assert mask is not None
    assert (shown < 60).mean() > 2 * (whole < 60).mean(), "the dark hole is larger than in the whole photograph"
    real = read_manifest(store, filtered.rounds[0].crops_manifest_uris[0])[0]
    assert around_defect(store, real, 96) is None


def test_finished_runs_do_not_train_anew_for_settings_that_nobody_asks_for() -> None:
    unasked = synthetic_steps._what_decides(GeneratorSettings())
    assert not {"with_mask", "lecam_weight"} & unasked.keys()
    asked = synthetic_steps._what_decides(GeneratorSettings(lecam_weight=0.1))
    assert asked["lecam_weight"] == 0.1
