"""Settings: defaults that depend on the data, and refusals that name the field."""

import math

import pytest

from defectory.errors import InvalidInput
from defectory.job_settings.generator_training import GeneratorTraining
from services.generator.stylegan2.networks import Architecture
from services.generator.training.settings import resolve


def test_defaults_depend_on_size_batch_and_length() -> None:
    resolved = resolve({"batch": 32}, size_px=64, channels=1)
    assert resolved.architecture.model_dump() == {
        "resolution_px": 64, "channels": 1, "mask": False, "channel_base": 4096, "channel_max": 512, "z_dim": 64,
        "w_dim": 64, "mapping_layers": 2, "classes": 0, "conv_clamp": None, "deviation_group": 4,
        "deviation_features": 1, "discriminator_skips": True,
    }  # fmt: skip
    assert resolved.r1_gamma == pytest.approx(0.0002 * 64**2 / 32)
    assert (resolved.kimg, resolved.ema_kimg, resolved.snapshot_kimg, resolved.augment_kimg) == (300, 10, 30, 300)
    assert (resolved.augment_mode, resolved.augment_preset, resolved.style_mixing) == ("ada", "bgc", 0.9)
    assert resolve({"channel_base": 16384}, size_px=64, channels=3).architecture.w_dim == 512
    assert resolve({"kimg": 1000.0}, size_px=64, channels=3).augment_kimg == 500
    assert resolve({"kimg": 1000.0}, size_px=64, channels=3, initial=Architecture(resolution_px=64)).augment_kimg == 100


def test_a_value_that_is_given_wins_even_where_it_is_zero() -> None:
    resolved = resolve({"r1_gamma": 0.0, "path_length_weight": 0.0, "style_mixing": 0.0}, size_px=32, channels=3)
    assert (resolved.r1_gamma, resolved.path_length_weight, resolved.style_mixing) == (0, 0, 0)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"resolution_px": 48}, "settings.resolution_px"),
        ({"resolution_px": 2048}, "settings.resolution_px"),
        ({"channel_base": 100}, "settings.channel_base"),
        ({"batch": 1}, "settings.batch"),
        ({"batch": -3}, "settings.batch"),
        ({"kimg": -1.0}, "settings.kimg"),
        ({"kimg": math.nan}, "settings.kimg"),
        ({"learning_rate": math.inf}, "settings.learning_rate"),
        ({"augment_mode": "often"}, "settings.augment_mode"),
        ({"augment_preset": "everything"}, "settings.augment_preset"),
        ({"augment_p": 1.5}, "settings.augment_p"),
        ({"augment_mode": "fixed"}, "settings.augment_p"),
        ({"augment_mode": "fixed", "augment_p": 0.9}, "settings.augment_p"),
        ({"augment_mode": "ada", "augment_p": 0.3}, "settings.augment_p"),
        ({"augment_mode": "none", "augment_target": 0.6}, "settings.augment_target"),
        ({"augment_target": 1.0}, "settings.augment_target"),
        ({"r1_gamma": -1.0}, "settings.r1_gamma"),
        ({"freeze_d": 9}, "settings.freeze_d"),
        ({"unheard_of": 1}, "settings.unheard_of"),
    ],
)
def test_a_bad_value_is_refused_by_its_name(values: dict, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        resolve(values, size_px=64, channels=3)
    assert field in refused.value.fields


def test_a_size_that_is_no_power_of_two_needs_a_resolution() -> None:
    with pytest.raises(InvalidInput) as refused:
        resolve({}, size_px=100, channels=3)
    assert "settings.resolution_px" in refused.value.fields
    assert resolve({"resolution_px": 64}, size_px=100, channels=3).architecture.resolution_px == 64


def test_widths_are_those_of_the_initial_model_unless_given() -> None:
    initial = Architecture(resolution_px=64, channel_base=1024, channel_max=128, z_dim=32, w_dim=16)
    shape = resolve({}, size_px=128, channels=1, initial=initial).architecture
    assert (shape.channel_base, shape.channel_max, shape.z_dim, shape.w_dim) == (1024, 128, 32, 16)
    assert (shape.resolution_px, shape.channels) == (128, 1)
    assert resolve({"channel_base": 2048}, size_px=64, channels=3, initial=initial).architecture.channel_base == 2048


@pytest.mark.parametrize(
    ("values", "start"),
    [
        ({}, "starter"),
        ({"kimg": 5, "resolution_px": 128, "mirror_x": True}, "starter"),
        ({"channel_base": 4096}, ""),
        ({"z_dim": 512}, ""),
        ({"config": "paper256"}, ""),
    ],
)
def test_a_training_starts_from_the_starter_unless_it_is_of_another_network(values: dict, start: str) -> None:
    assert GeneratorTraining(**values).recommended_start == start


@pytest.mark.parametrize(("kimg", "between"), [(0.2, 0.2), (1, 0.5), (5, 0.5), (8, 0.8), (300, 30)])
def test_snapshots_are_not_looked_at_more_often_than_they_are_worth(kimg: float, between: float) -> None:
    assert resolve({"kimg": kimg}, size_px=64, channels=3).snapshot_kimg == pytest.approx(between)
    assert resolve({"kimg": kimg, "snapshot_kimg": 0.1}, size_px=64, channels=3).snapshot_kimg == 0.1
