"""Projection: what a network made is found again, what it never could make is not; the terms of the search."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from services.generator.projection.distance import PictureDistance
from services.generator.projection.projector import learning_rate, project, psnr_db, whiteness
from services.generator.stylegan2.networks import Architecture, Discriminator, Generator, build

SHAPE = Architecture(resolution_px=16, channel_base=256, channel_max=16, z_dim=8, w_dim=8)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Steps of a network this small are over before a second thread has woken."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def networks() -> tuple[Generator, Discriminator]:
    generator, discriminator = build(SHAPE, 0)
    for block in generator.synthesis.blocks.values():
        block.to_image.weight.data.mul_(0.3)  # pictures within the range of pixels
    return generator.eval().requires_grad_(False), discriminator.eval().requires_grad_(False)


@pytest.mark.parametrize("with_discriminator", [False, True])
def test_a_generated_picture_is_found_and_a_foreign_one_is_not(
    networks: tuple[Generator, Discriminator], with_discriminator: bool
) -> None:
    generator, discriminator = networks
    with torch.no_grad():
        own = generator(torch.randn(2, 8, generator=torch.Generator().manual_seed(5)))
    board = (np.indices((16, 16)).sum(axis=0) // 3 % 2 * 2 - 1).astype(np.float32)
    foreign = torch.from_numpy(board)[None, None].expand(1, 3, -1, -1)
    targets = torch.cat([own, foreign])
    distance = PictureDistance(targets, discriminator if with_discriminator else None)
    seen: list[int] = []
    projected = project(generator, targets, distance, 100, 0, lambda done, total, distances: seen.append(done))
    ratios = psnr_db(projected.images, targets)
    assert ratios[:2].min() > 40
    assert ratios[2] < 15
    assert projected.distances[2] > 20 * projected.distances[:2].max()
    assert seen == list(range(1, 101))
    for layer in projected.noise:
        np.testing.assert_allclose(layer.mean(dim=(1, 2, 3)), 0, atol=1e-5)
        np.testing.assert_allclose(layer.square().mean(dim=(1, 2, 3)), 1, rtol=1e-4)


def test_the_same_search_finds_the_same(networks: tuple[Generator, Discriminator]) -> None:
    generator, _ = networks
    targets = torch.zeros(1, 3, 16, 16)
    first, second = (
        project(generator, targets, PictureDistance(targets, None), 10, 7, lambda *_: None) for _ in range(2)
    )
    assert torch.equal(first.w, second.w)


def test_the_learning_rate_ramps_up_and_down() -> None:
    assert learning_rate(0) == 0
    assert learning_rate(0.025) == pytest.approx(0.05)
    assert learning_rate(0.5) == pytest.approx(0.1)
    assert learning_rate(0.875) == pytest.approx(0.1 * (0.5 - 0.5 * math.cos(math.pi / 2)))
    assert learning_rate(1) == pytest.approx(0)


def test_white_noise_is_white_and_a_hidden_picture_is_not() -> None:
    white = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    waves = torch.sin(torch.arange(64) / 4).expand(1, 1, 64, 64) * math.sqrt(2)
    assert whiteness(white) < 0.1
    assert whiteness(waves) > 1
    expected = sum(
        float((x * np.roll(x, 1, axis)).mean()) ** 2 for x in [white.numpy()[0, 0, :8, :8]] for axis in (0, 1)
    )
    assert whiteness(white[..., :8, :8]) == pytest.approx(expected, rel=1e-4)


def test_the_distance_is_nothing_to_itself_and_grows() -> None:
    target = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    distance = PictureDistance(target, None)
    assert distance(target).item() == 0
    little, more = (distance(target + x * torch.ones_like(target)).item() for x in (0.1, 0.2))
    assert little == pytest.approx(0.01, rel=1e-4)  # a shift has no slopes: the mean square at every scale
    assert more == pytest.approx(0.04, rel=1e-4)


def test_decibels_are_those_of_pixels() -> None:
    a = torch.full((1, 1, 4, 4), -1.0)
    b = a + 2 / 255  # one grey level
    assert psnr_db(a, b).item() == pytest.approx(10 * math.log10(255**2), rel=1e-4)
