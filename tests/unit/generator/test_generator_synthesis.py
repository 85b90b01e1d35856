"""Synthesis: the same picture for a seed, whatever is made beside it; datasets that are taken up where they were."""

import hashlib

import numpy as np
import pytest
import torch

from defectory.datasets.manifest import card_key, read_card, read_manifest
from defectory.errors import AlreadyExists, FailedPrecondition, InvalidInput
from defectory.imaging import decode
from defectory.storage import ObjectStore
from services.generator import bundle, synthesis
from services.generator.rendering import latents_of, render
from services.generator.stylegan2.networks import Architecture, Generator, build
from services.generator.stylegan2.precision import use_precision
from services.generator.synthesis import SynthesisSettings
from tests.unit.generator.generator_samples import write_generator


def ignore(done: int, total: int) -> None:
    """Progress that nobody reads."""


@pytest.fixture(scope="module")
def generator() -> Generator:
    network, _ = build(Architecture(resolution_px=32, channel_base=1024, channel_max=32, z_dim=16, w_dim=16), 0)
    for layer in network.synthesis._layers():
        torch.nn.init.constant_(layer.noise_strength, 0.5)
    network.mapping.w_average.normal_()
    return network


def test_latents_follow_the_fields_convention() -> None:
    wanted = [np.random.RandomState(seed).randn(1, 512)[0] for seed in (42, 0, 2**32 - 1)]
    np.testing.assert_array_equal(latents_of([42, 0, 2**32 - 1], 512), wanted)


@pytest.mark.parametrize("noise_mode", ["const", "random", "none"])
def test_a_seed_gives_the_same_bytes_in_every_batch(generator: Generator, noise_mode: str) -> None:
    settings = {"truncation_psi": 0.8, "noise_mode": noise_mode}
    many = render(generator, range(20), **settings)
    assert many.shape == (20, 32, 32, 3)
    assert many.dtype == np.uint8
    for seed in (0, 7, 15, 16, 19):
        np.testing.assert_array_equal(render(generator, [seed], **settings)[0], many[seed])
    np.testing.assert_array_equal(render(generator, [19, 3], **settings), many[[19, 3]])


def test_pixels_are_the_network_output_scaled_and_clipped(generator: Generator) -> None:
    z = torch.from_numpy(np.random.RandomState(5).randn(1, 16)).float()
    with torch.no_grad():
        plain = generator(z, truncation_psi=0.7, noise="const")[0].permute(1, 2, 0).numpy()
    rendered = render(generator, [5], truncation_psi=0.7, noise_mode="const")[0].astype(int)
    assert np.abs(rendered - np.clip(np.round(plain * 127.5 + 127.5), 0, 255)).max() <= 1


def test_random_noise_differs_between_seeds_of_one_latent(generator: Generator) -> None:
    first, second = render(generator, [1, 2], truncation_psi=0.0, noise_mode="random")  # psi 0: the same w
    assert not np.array_equal(first, second)
    first, second = render(generator, [1, 2], truncation_psi=0.0, noise_mode="const")
    np.testing.assert_array_equal(first, second)


def make(store: ObjectStore, count: int, dataset: str = "fake", stop_at: int | None = None, **given) -> str:
    network, card = bundle.load(store, "tiny")

    def progress(done: int, total: int) -> None:
        assert total == count
        if stop_at is not None and done >= stop_at:
            raise KeyboardInterrupt

    return synthesis.synthesize(store, network, card, SynthesisSettings(count, **given), dataset, progress)


def test_a_dataset_whose_lines_can_be_made_again(folder: ObjectStore) -> None:
    write_generator(folder)
    uri = make(folder, 5, first_seed=100, truncation_psi=0.6, noise_mode="random")
    lines = read_manifest(folder, uri)
    assert [line.synthesis.seed for line in lines] == [100, 101, 102, 103, 104]
    network, _ = bundle.load(folder, lines[2].synthesis.generator)
    again = render(
        network,
        [lines[2].synthesis.seed],
        truncation_psi=lines[2].synthesis.truncation_psi,
        noise_mode=lines[2].synthesis.noise_mode,
    )
    data = folder.get(folder.key(lines[2].file.uri))
    assert hashlib.sha256(data).hexdigest() == lines[2].file.sha256
    np.testing.assert_array_equal(np.asarray(decode(data)), again[0])
    assert {(x.label, x.origin.kind, x.synthesis.generator, x.split, x.origin.parents) for x in lines} == {
        ("defect", "synthetic", "tiny/1", "none", ())
    }
    assert read_card(folder, "fake")["counts"] == {"none": {"defect": 5}}


def test_an_interrupted_dataset_is_taken_up(folder: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthesis, "PART_IMAGES", 16)
    write_generator(folder)
    whole = read_manifest(folder, make(folder, 70, "whole"))
    with pytest.raises(KeyboardInterrupt):
        make(folder, 70, stop_at=50)
    assert not folder.exists(card_key("fake"))
    computed: list[int] = []
    monkeypatch.setattr(synthesis, "render", lambda g, seeds, **s: computed.extend(seeds) or render(g, seeds, **s))
    resumed = read_manifest(folder, make(folder, 70))
    assert [line.file.sha256 for line in resumed] == [line.file.sha256 for line in whole]
    assert len(computed) < 70
    assert not list(folder.list("datasets/fake/parts/"))


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_images_in_half_precision_are_near_those_of_fp32_and_say_so(folder: ObjectStore, precision: str) -> None:
    write_generator(folder)
    plain = read_manifest(folder, make(folder, 3, "plain"))
    lines = read_manifest(folder, make(folder, 3, "half", precision=precision, half_resolutions=1))
    assert {(line.synthesis.precision, line.synthesis.half_resolutions) for line in plain} == {("", 0)}
    assert {(line.synthesis.precision, line.synthesis.half_resolutions) for line in lines} == {(precision, 1)}
    assert "precision" not in read_card(folder, "plain")["synthesis"]
    made_by = read_card(folder, "half")["synthesis"]
    assert (made_by["precision"], made_by["half_resolutions"]) == (precision, 1)
    pixels = [
        np.stack([np.asarray(decode(folder.get(folder.key(x.file.uri)))).astype(int) for x in manifest])
        for manifest in (plain, lines)
    ]
    assert 0 < np.abs(pixels[1] - pixels[0]).max() <= 3  # grey levels
    network, _ = bundle.load(folder, "tiny")
    use_precision(network, precision, 1)  # type: ignore[arg-type]  # as the line says
    again = render(network, [2], truncation_psi=1.0, noise_mode="random")
    np.testing.assert_array_equal(again[0], pixels[1][2])
    with pytest.raises(AlreadyExists, match="made otherwise"):
        make(folder, 3, "half", precision=precision, half_resolutions=2)


def test_the_precision_of_the_call_before_does_not_stay(folder: ObjectStore) -> None:
    card = write_generator(folder)
    network = bundle.load(folder, card.full_name)[0]
    half = SynthesisSettings(3, precision="bf16")
    synthesis.synthesize(folder, network, card, half, "half", ignore)
    uri = synthesis.synthesize(folder, network, card, SynthesisSettings(3), "plain", ignore)
    alone = read_manifest(folder, make(folder, 3, "alone"))
    assert [line.file.sha256 for line in read_manifest(folder, uri)] == [line.file.sha256 for line in alone]


def test_activations_beyond_fp16_are_refused_not_written(folder: ObjectStore) -> None:
    card = write_generator(folder)
    network = bundle.load(folder, card.full_name)[0]
    network.synthesis.blocks["b8"].conv1.bias.fill_(1e5)  # fp16 ends at 65504
    synthesis.synthesize(folder, network, card, SynthesisSettings(1, precision="bf16"), "wide", ignore)
    with pytest.raises(FailedPrecondition, match="use bf16 or fp32"):
        synthesis.synthesize(folder, network, card, SynthesisSettings(1, precision="fp16"), "narrow", ignore)
    assert not folder.exists(card_key("narrow"))


def test_the_same_again_is_there_already_and_something_else_is_refused(folder: ObjectStore) -> None:
    write_generator(folder)
    uri = make(folder, 3)
    assert make(folder, 3) == uri
    with pytest.raises(AlreadyExists, match="another name"):
        make(folder, 4)
    with pytest.raises(AlreadyExists, match="another name"):
        make(folder, 3, truncation_cutoff=0)  # nothing is truncated: not the same as no cutoff
    assert "truncation_cutoff" not in SynthesisSettings(3).recipe()


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"count": 0}, "count"),
        ({"count": 1_000_001}, "count"),
        ({"count": 1, "first_seed": -1}, "first_seed"),
        ({"count": 2, "first_seed": 2**32 - 1}, "first_seed"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(given: dict, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        synthesis.check(SynthesisSettings(**given), "fake")
    assert field in refused.value.fields


def test_the_name_of_the_dataset_is_checked() -> None:
    with pytest.raises(InvalidInput) as refused:
        synthesis.check(SynthesisSettings(1), "../x")
    assert "dataset" in refused.value.fields


def test_the_stretch_is_undone_on_request(folder: ObjectStore) -> None:
    card = write_generator(folder)
    network = bundle.load(folder, card.full_name)[0]
    wide = card.model_copy(update={"stretched_from": (40, 10)})
    square = read_manifest(folder, synthesis.synthesize(folder, network, wide, SynthesisSettings(2), "square", ignore))
    restored = SynthesisSettings(2, restore_size=True)
    lines = read_manifest(folder, synthesis.synthesize(folder, network, wide, restored, "wide", ignore))
    assert {(line.file.width, line.file.height) for line in square} == {(16, 16)}
    assert {(line.file.width, line.file.height) for line in lines} == {(40, 10)}
    before, after = (decode(folder.get(folder.key(x[0].file.uri))) for x in (square, lines))
    assert np.asarray(after).mean() == pytest.approx(np.asarray(before).mean(), abs=3)
    with pytest.raises(InvalidInput, match="original size") as refused:
        synthesis.synthesize(folder, network, card, restored, "unknown", ignore)
    assert "restore_size" in refused.value.fields
