"""Mapping, synthesis and discriminator as wholes."""

import pytest
import torch
from pydantic import ValidationError

from services.generator.stylegan2.networks import Architecture, build

SMALL = Architecture(resolution_px=16, channels=3, channel_base=256, channel_max=16, z_dim=16, w_dim=16)


@pytest.mark.parametrize(("resolution_px", "channels"), [(8, 1), (16, 3), (64, 1)])
def test_shapes_and_scale_of_untrained_networks(resolution_px: int, channels: int) -> None:
    architecture = Architecture(
        resolution_px=resolution_px, channels=channels, channel_base=512, channel_max=32, z_dim=16, w_dim=16
    )
    generator, discriminator = build(architecture, 0)
    images = generator(torch.randn(4, 16))
    assert images.shape == (4, channels, resolution_px, resolution_px)
    assert 0.2 < float(images.detach().std()) < 5
    assert discriminator(images).shape == (4,)


def test_widths_follow_base_and_maximum() -> None:
    architecture = Architecture(resolution_px=64, channel_base=2048, channel_max=256)
    assert [architecture.width(r) for r in architecture.resolutions] == [256, 256, 128, 64, 32]
    assert architecture.styles == 10


@pytest.mark.parametrize("resolution_px", [0, 4, 12, 2048])
def test_resolutions_out_of_range_are_refused(resolution_px: int) -> None:
    with pytest.raises(ValidationError):
        Architecture(resolution_px=resolution_px)


def test_the_seed_alone_decides_the_weights() -> None:
    torch.manual_seed(1)
    first, _ = build(SMALL, 7)
    torch.manual_seed(2)
    second, _ = build(SMALL, 7)
    other, _ = build(SMALL, 8)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first.synthesis.blocks["b4"].const, other.synthesis.blocks["b4"].const)


def test_the_mapping_ignores_the_length_of_z() -> None:
    generator, _ = build(SMALL, 0)
    z = torch.randn(3, 16)
    torch.testing.assert_close(generator.mapping(z), generator.mapping(z * 5), atol=1e-5, rtol=1e-4)


def test_truncation_moves_w_towards_its_mean() -> None:
    generator, _ = build(SMALL, 0)
    generator.mapping.w_average.normal_()
    z = torch.randn(3, 16)
    w, average = generator.mapping(z), generator.mapping.w_average
    torch.testing.assert_close(generator.mapping.truncated(w, 0.3), average + 0.3 * (w - average))
    torch.testing.assert_close(generator.mapping.truncated(w, 0.0), average.expand(3, -1))


def test_the_mean_of_w_is_an_exponential_average() -> None:
    generator, _ = build(SMALL, 0)
    batches = torch.randn(5, 4, 16)
    expected = torch.zeros(16)
    for batch in batches:
        generator.mapping.track(batch)
        expected = 0.995 * expected + 0.005 * batch.mean(dim=0)
    torch.testing.assert_close(generator.mapping.w_average, expected)


def test_noise_none_const_and_given() -> None:
    generator, _ = build(SMALL, 0)
    for layer in generator.synthesis._layers():
        torch.nn.init.constant_(layer.noise_strength, 0.5)
    z = torch.randn(2, 16)
    sizes = generator.synthesis.noise_sizes
    assert sizes == [4, 8, 8, 16, 16]
    zeros = [torch.zeros(1, 1, s, s) for s in sizes]
    torch.testing.assert_close(generator(z, noise="none"), generator(z, noise=zeros))
    constants = [layer.noise_const for layer in generator.synthesis._layers()]
    torch.testing.assert_close(generator(z, noise="const"), generator(z, noise=constants))
    assert not torch.allclose(generator(z, noise="const"), generator(z, noise="none"))


def test_freezing_leaves_out_the_highest_resolutions() -> None:
    _, discriminator = build(SMALL, 0)
    everything = len(list(discriminator.parameters()))
    trained = discriminator.trained(1)
    frozen = {id(p) for p in discriminator.from_image.parameters()}
    frozen |= {id(p) for p in discriminator.blocks["b16"].parameters()}
    assert len(trained) == everything - len(frozen)
    assert not frozen & {id(p) for p in trained}
    assert len(discriminator.trained(0)) == everything
