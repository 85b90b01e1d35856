"""What would go wrong is said before a run starts, each with what would be right."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from defectory.datasets.layouts.mask_file import MaskFile
from defectory.datasets.layouts.source import Source
from defectory.errors import FailedPrecondition, InvalidInput
from defectory.storage import open_store
from defectory.storage.memory import MemoryStore
from orchestrator.pipeline import checks
from orchestrator.pipeline.checks import Concern, concerns, stop_on
from orchestrator.pipeline.data_steps import recognised
from orchestrator.pipeline.durations import expected_counts
from orchestrator.pipeline.presets import preset
from orchestrator.pipeline.preview import preview
from orchestrator.pipeline.settings import PipelineSettings, resolve

LABELS = ["defect", "good"]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for label in LABELS:
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(6):
            pixels = np.full((80, 80), number, np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / label / f"{number}.png")
    return tmp_path / "photos"


def settings_of(photos: Path | str = "/photos", **sections: object) -> PipelineSettings:
    return resolve({"name": "x", "data": {"directory": str(photos)}, **sections}, preset("quick"))


def at(resolution_px: int, **generator: object) -> PipelineSettings:
    return settings_of(generator={"resolution_px": resolution_px, **generator})


def source_of(photos: Path) -> Source:
    return recognised(settings_of(photos).data)


def of_settings(**sections: object) -> list[Concern]:
    return list(checks.of_settings(MemoryStore(), settings_of(**sections), LABELS))


def test_a_run_that_can_end_well_gives_no_concern(
    photos: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(checks, "available_memory", lambda: 64 << 30)
    settings = settings_of(photos)
    store = open_store(f"file://{tmp_path}/store")
    counts = expected_counts({"good": 80, "defect": 80}, settings)
    assert concerns(store, settings, source_of(photos), counts, "starter") == []


def counted(good: int, defect: int) -> dict[str, dict[str, int]]:
    return {
        "train": {"good": good, "defect": defect},
        "validation": {"good": 10, "defect": 10},
        "test": {"good": 6, "defect": 6},
    }


def with_masks(source: Source) -> Source:
    return replace(source, files=tuple(replace(x, masks=(MaskFile("mask.png"),)) for x in source.files))


def test_labels_that_are_too_few_for_a_generator_are_said_with_the_arm_to_use(photos: Path) -> None:
    source, settings = source_of(photos), settings_of(photos)
    lacks, arm = checks.of_synthesis(settings, source, counted(20, 19))
    assert "defect has 19 and 10, of 35" in lacks.text
    assert lacks.text.endswith(
        "no share gives both; with 1 more photograph of defect, and --validation-share 0.28, there are both"
    )
    assert arm.text.startswith("of fewer than 20 training images generators repeat what they have seen, or collapse")
    assert arm.text.endswith("(of a run: --set 'arms=[baseline,augmented,expanded]')")
    assert not lacks.stops
    assert not arm.stops
    (in_folds, _) = checks.of_synthesis(settings, source, counted(20, 19), in_folds=True)
    assert "--validation-share" not in in_folds.text
    masked = with_masks(source)
    (_, arm) = checks.of_synthesis(settings, masked, counted(20, 19))
    assert "--set 'arms=[baseline,edited,expanded]' --set edits.count=200" in arm.text
    assert list(checks.of_synthesis(settings, source, counted(20, 20))) == []
    real_only = settings_of(photos, arms=["baseline", {"name": "even", "trains_on": "balanced"}])
    assert list(checks.of_synthesis(real_only, source, counted(1, 1))) == []


def test_an_arm_that_is_there_is_not_advised_but_named(photos: Path) -> None:
    def advice(source: Source, **sections: object) -> str:
        (concern,) = list(checks.of_synthesis(settings_of(photos, **sections), source, counted(20, 5), in_folds=True))[
            1:
        ]
        return concern.text.partition("do harm: ")[2]

    source = source_of(photos)
    believed = "believe the arm {}, which needs no generator, rather than those that take synthetic images"
    assert advice(source, arms=["baseline", "augmented", "expanded"]) == believed.format("augmented")
    assert advice(source, classifier={"augment": 0.3}) == believed.format("baseline")
    edits = {"arms": ["baseline", "edited", "expanded"], "edits": {"count": 9}}
    assert advice(with_masks(source), **edits) == believed.format("edited")
    typed = "--set 'arms=[baseline,augmented,balanced,expanded]'"
    compared = f"compare with the arm augmented, which needs no generator (of a run: {typed})"
    assert advice(source, arms=["baseline", "balanced", "expanded"]) == compared
    own = {"name": "own", "trains_on": "filtered"}
    assert advice(source, arms=["baseline", own]).endswith("(an entry of arms with trains_on augmented)")


def test_arms_of_the_advice_can_be_typed(photos: Path) -> None:
    for names, more in ((["baseline", "augmented", "expanded"], {}), (["baseline", "edited"], {"edits": {"count": 9}})):
        assert [arm.name for arm in settings_of(photos, arms=names, **more).arms] == names
    with pytest.raises(InvalidInput, match=r"did you mean 'augmented'\?"):
        settings_of(photos, arms=["baseline", "augmentd"])
    with pytest.raises(InvalidInput, match=r"`trains_on`: it belongs to an entry of `arms`"):
        settings_of(photos, trains_on="augmented")


def test_defects_without_masks_are_learned_whole_which_is_said(photos: Path) -> None:
    chosen = settings_of(photos, generator={"view": "defect"})
    (concern,) = checks.of_synthesis(chosen, source_of(photos), counted(5, 30))  # good parts are not made
    assert "no photograph comes with a mask" in concern.text
    masked = replace(source_of(photos), files=(replace(source_of(photos).files[0], masks=(MaskFile("mask.png"),)),))
    assert list(checks.of_synthesis(chosen, masked, counted(5, 30))) == []


def test_broken_photographs_are_found_among_those_looked_at(photos: Path) -> None:
    (photos / "good/3.png").write_bytes(b"\x89PNG\r\n")
    (concern,) = checks.of_photographs(source_of(photos), at(64))
    assert concern.text.startswith("1 of 12 photographs looked at cannot be read, e.g. good/3.png: ")
    assert not concern.stops
    for file in photos.rglob("*.png"):
        file.write_bytes(b"\x89PNG\r\n")
    (concern,) = checks.of_photographs(source_of(photos), at(64))
    assert concern.stops


def test_detail_that_photographs_have_not_is_said_with_the_setting(photos: Path) -> None:
    (concern,) = checks.of_photographs(source_of(photos), at(128))
    assert "is 80 px wide or high, and generators make 128 px: --set generator.resolution_px=64" in concern.text


def test_detail_that_is_lost_is_said_in_pixels_of_the_photographs(photos: Path) -> None:
    assert list(checks.of_photographs(source_of(photos), at(32))) == []  # 80 px: less than a quarter is lost
    (concern,) = checks.of_photographs(source_of(photos), at(16))
    # 80 / 16 = 5 times as small: 3 px of the 16 are 15 of the 80.
    assert concern.text.startswith(
        "photographs whose longer side is 80 px (the median of some) become 16 px for the generators (no defect was "
        "measured): one that is "
        "15 px wide in a photograph is 3 px wide there"
    )
    assert "generator.resolution_px=32" in concern.text
    assert "generator.view" not in concern.text  # nothing says where a defect lies
    masked = with_masks(source_of(photos))
    (concern,) = checks.of_photographs(masked, at(16))
    assert "--set generator.view=defect learns defects at their own size" in concern.text
    assert list(checks.of_photographs(masked, at(16, view="defect"))) == []
    (unmasked,) = checks.of_photographs(source_of(photos), at(16, view="defect"))  # whole parts are learned
    assert "generator.view" not in unmasked.text


def test_lengths_are_said_in_whole_pixels(photos: Path) -> None:
    for file in list(photos.rglob("*.png"))[:6]:
        Image.fromarray(np.full((81, 81), 9, np.uint8)).save(file)
    (concern,) = checks.of_photographs(source_of(photos), at(16))
    assert concern.text.startswith(
        "photographs whose longer side is 80 px (the median of some) become 16 px"
    )  # the median is 80.5


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"generator": {"labels": ["dent"]}}, "no training images of dent: the training images have defect, good"),
        ({"synthesis": {"quotas": {"dent": 3}}}, "there are no training images of dent"),
        ({"generator": {"start_label": "dent"}}, "start_label 'dent' gets no generator: use auto, nothing, or one of"),
        ({"generator": {"initial_model": "nobody"}}, "generator.initial_model: there is no generator"),
        ({"generator": {"augment_mode": "fixed"}}, "fixed needs a probability above 0"),
        ({"generator": {"augment_p": 0.3}}, "the others take none"),
        ({"filter": {"policy": "band", "lower_threshold": 0.9}}, "lower_threshold 0.9 is above filter.threshold 0.7"),
        ({"classifier": {"warmup_epochs": 61}}, "the arm baseline has warmup_epochs 61 of 60 epochs"),
    ],
)  # fmt: skip
def test_settings_that_do_not_go_together_stop_it(sections: dict, said: str) -> None:
    concern = of_settings(**sections)[0]
    assert said in concern.text
    assert concern.stops


def test_weights_are_looked_for_where_the_classifier_will(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = settings_of()
    first = settings.arms[0]
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("DEFECTORY_SHARED", raising=False)
    monkeypatch.delenv("DEFECTORY_CLASSIFIER_ADDRESS", raising=False)
    (concern,) = checks.of_weights(first, settings, "")
    assert "are not on this machine" in concern.text
    assert "on real photographs this usually costs more than anything else that is said here" in concern.text
    assert "leaves mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5 in ~/.keras" in concern.text
    assert "add --weights FILE to the command" in concern.text
    assert not concern.stops
    (named,) = checks.of_weights(first, settings, f"{tmp_path}/none.h5")
    assert (named.stops, "there is no such file" in named.text) == (True, True)
    assert list(checks.of_weights(first, settings, "starter")) == []
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights/mobilenet_v2_imagenet_no_top.weights.h5").touch()
    monkeypatch.setenv("DEFECTORY_SHARED", str(tmp_path))
    assert list(checks.of_weights(first, settings, "")) == []


def test_missing_weights_are_said_before_all_that_does_not_stop_a_run(
    photos: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("DEFECTORY_SHARED", raising=False)
    monkeypatch.delenv("DEFECTORY_CLASSIFIER_ADDRESS", raising=False)
    (photos / "good/3.png").write_bytes(b"\x89PNG\r\n")
    settings = settings_of(photos, generator={"initial_model": "nobody"})
    said = concerns(open_store(f"file://{tmp_path}/store"), settings, source_of(photos), counted(20, 5), "")
    assert [concern.stops for concern in said[:2]] == [True, False]
    assert "ImageNet weights" in said[1].text
    assert len(said) > 4
    heading, *lines = checks.in_lines(said)
    assert heading == f"{len(said)} things to know before the run; the first matters most"
    assert len(lines) == len(said)


def test_a_full_disk_stops_it(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 1 << 20})
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda _: usage)
    (concern,) = checks.of_disk(f"file://{photos}", source_of(photos), settings_of(photos))
    assert concern.stops
    assert "has 0.0 GiB left and the run needs about 0.3: make room, or name another place with --store" in concern.text
    assert list(checks.of_disk("s3://bucket/x", source_of(photos), settings_of(photos))) == []


def test_memory_names_what_needs_most_and_the_setting_that_helps() -> None:
    (concern,) = checks.of_memory(settings_of(), 3000, 1 << 20)
    assert "classifiers need about" in concern.text
    assert "--set classifier." in concern.text
    (concern,) = checks.of_memory(settings_of(generator={"resolution_px": 512, "channel_base": 32768}), 300, 1 << 30)
    assert "generators need about" in concern.text
    assert "--set generator.micro_batch=2" in concern.text
    assert list(checks.of_memory(settings_of(), 300, None)) == []
    needed = checks.memory_needed(settings_of(), 300)
    (concern,) = checks.of_memory(settings_of(), 300, max(needed["generators"], needed["classifiers"]))
    assert concern.text.startswith("a generator and a classifier beside each other need about")
    assert list(checks.of_memory(settings_of(), 300, max(needed.values()))) == []
    small = settings_of(classifier={"at_once": 1, "input_px": 96}, generator={"resolution_px": 8, "micro_batch": 2})
    (concern,) = checks.of_memory(small, 300, 1 << 20)
    assert concern.text.endswith("are free: free some, or use a machine with more")


def test_all_that_stops_it_is_said_at_once() -> None:
    stop_on([Concern("only a word")])
    with pytest.raises(FailedPrecondition, match="one; two"):
        stop_on([Concern("one", True), Concern("only a word"), Concern("two", True)])


def test_photographs_without_a_good_part_stop_before_anything_starts(tmp_path: Path) -> None:
    for label in ("crack", "blowhole"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(6):
            pixels = np.full((80, 80), number, np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / label / f"{number}.png")
    with pytest.raises(InvalidInput) as stopped:
        preview(MemoryStore(), settings_of(tmp_path / "photos"), first="", weights="", weights_content="")
    said = str(stopped.value)
    assert said.startswith("no photograph is of a good part (the labels are blowhole, crack)")
    assert said.endswith("add a folder `good` of them, or name the label that is good with --good LABEL")
    named = resolve({"name": "x", "data": {"directory": str(tmp_path / "photos"), "good": "crack"}}, preset("quick"))
    assert preview(MemoryStore(), named, first="", weights="", weights_content="").source["becomes"] == [
        "defect",
        "good",
    ]
