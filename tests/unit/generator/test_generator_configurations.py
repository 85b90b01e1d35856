"""Configurations: the published values, and that what is given wins."""

import pytest

from defectory.errors import InvalidInput
from services.generator.stylegan2.networks import Architecture, build
from services.generator.training.settings import TrainingSettings, resolve


def settings(config: str, size_px: int, **given: object) -> TrainingSettings:
    return resolve({"config": config, **given}, size_px=size_px, channels=3)


# channel base, batch, group, learning rate, R1 gamma, EMA kimg, mapping layers, ramp: Karras et al. 2020 (ADA), its
# table of hyperparameters, and the presets of the official implementation.
PUBLISHED = [
    ("stylegan2", 1024, 32768, 32, 4, 0.002, 10, 10, 8, 0),
    ("paper256", 256, 16384, 64, 8, 0.0025, 1, 20, 8, 0),
    ("paper512", 512, 32768, 64, 8, 0.0025, 0.5, 20, 8, 0),
    ("paper1024", 1024, 32768, 32, 4, 0.002, 2, 10, 8, 0),
    ("cifar", 32, 32768, 64, 32, 0.0025, 0.01, 500, 2, 0.05),
    ("auto", 64, 16384, 32, 4, 0.0025, 0.0002 * 64**2 / 32, 10, 2, 0.05),
    ("auto", 256, 16384, 16, 4, 0.0025, 0.0002 * 256**2 / 16, 5, 2, 0.05),
    ("auto", 512, 32768, 8, 4, 0.0025, 0.0002 * 512**2 / 8, 2.5, 2, 0.05),
    ("auto", 1024, 32768, 4, 4, 0.002, 0.0002 * 1024**2 / 4, 1.25, 2, 0.05),
]


@pytest.mark.parametrize("expected", PUBLISHED, ids=lambda x: f"{x[0]}-{x[1]}")
def test_published_configurations_have_the_published_values(expected: tuple) -> None:  # type: ignore[type-arg]
    config, size_px, base, batch, group, rate, gamma, ema, layers, ramp = expected
    resolved = settings(config, size_px)
    shape = resolved.architecture
    assert (shape.channel_base, shape.channel_max, shape.z_dim, shape.w_dim) == (base, 512, 512, 512)
    assert (resolved.batch, shape.deviation_group, shape.deviation_features) == (batch, group, 1)
    assert (resolved.learning_rate, resolved.ema_kimg, resolved.ema_ramp) == (rate, ema, ramp)
    assert shape.mapping_layers == layers
    assert resolved.r1_gamma == pytest.approx(gamma)
    regularised = config != "cifar"
    assert (resolved.path_length_weight, resolved.style_mixing) == ((2, 0.9) if regularised else (0, 0))
    assert shape.discriminator_skips is regularised
    assert resolved.kimg == (25_000 if regularised else 100_000)
    assert (resolved.mirror_x, resolved.augment_preset, resolved.augment_target) == (False, "bgc", 0.6)


def test_what_is_given_wins() -> None:
    resolved = settings("paper512", 64, batch=8, r1_gamma=0.0, channel_base=1024, deviation_group=2, kimg=1.0)
    assert (resolved.batch, resolved.r1_gamma, resolved.kimg) == (8, 0, 1)
    assert (resolved.architecture.channel_base, resolved.architecture.deviation_group) == (1024, 2)
    assert (resolved.learning_rate, resolved.architecture.mapping_layers, resolved.config) == (0.0025, 8, "paper512")
    assert settings("auto", 64, batch=8).r1_gamma == pytest.approx(0.0002 * 64**2 / 8)


def test_the_start_of_another_model_keeps_its_widths() -> None:
    initial = Architecture(resolution_px=64, channel_base=1024, mapping_layers=3, z_dim=64, w_dim=64)
    resolved = resolve({"config": "paper256"}, size_px=64, channels=3, initial=initial)
    assert (resolved.architecture.channel_base, resolved.architecture.mapping_layers) == (1024, 3)
    assert (resolved.batch, resolved.r1_gamma) == (64, 1)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"config": "paper2048"}, "settings.config"),
        ({"precision": "fp8"}, "settings.precision"),
        ({"device": "tpu"}, "settings.device"),
        ({"micro_batch": 1}, "settings.micro_batch"),
        ({"deviation_group": 0}, "settings.deviation_group"),
        ({"ema_ramp": 2.0}, "settings.ema_ramp"),
        ({"half_resolutions": 0}, "settings.half_resolutions"),
    ],
)
def test_what_is_not_possible_is_refused_by_name(given: dict, field: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(InvalidInput) as refused:
        resolve(given, size_px=64, channels=3)
    assert field in refused.value.fields


def test_features_that_do_not_divide_the_channels_are_refused() -> None:
    with pytest.raises(InvalidInput, match="deviation_features must divide the 512 channels"):
        resolve({"deviation_features": 3}, size_px=64, channels=3)


def test_a_discriminator_without_skips_has_none() -> None:
    shape = {"resolution_px": 16, "channel_base": 256, "channel_max": 8, "z_dim": 8, "w_dim": 8}
    _, plain = build(Architecture(**shape, discriminator_skips=False, deviation_features=4), 0)
    _, skips = build(Architecture(**shape), 0)
    assert not any("skip" in name for name in plain.state_dict())
    assert plain.conv.weight.shape[1] == 8 + 4
    assert any("skip" in name for name in skips.state_dict())
