"""Ways through latent space, films and grids of mixtures."""

import numpy as np
import pytest
import torch

from defectory.errors import InvalidInput
from services.generator import interpolation, latents, mixing
from services.generator.interpolation import InterpolationSettings, along
from services.generator.mixing import MixSettings
from services.generator.rendering import render
from services.generator.stylegan2.networks import Architecture, Generator, build


def alike(pictures: np.ndarray, wanted: np.ndarray) -> None:
    """A picture alone, or in a batch, whose sums some processors take in another order: a value may round otherwise."""
    off = np.abs(pictures.astype(int) - wanted)
    assert off.max() <= 1
    assert (off > 0).mean() < 0.01


@pytest.fixture(scope="module")
def generator() -> Generator:
    network, _ = build(Architecture(resolution_px=16, channel_base=256, channel_max=16, z_dim=8, w_dim=8), 0)
    network.mapping.w_average.normal_()
    return network.eval().requires_grad_(False)


def test_pictures_of_seeds_are_those_of_the_rendering(generator: Generator) -> None:
    w = latents.w_of(generator, latents.z_of(generator, [3, 9]))
    for cutoff in (None, 2):
        pictures = latents.pictures(generator, generator.styles_of(w, 0.6, cutoff))
        look = {"truncation_psi": 0.6, "truncation_cutoff": cutoff, "noise_mode": "const"}
        alike(pictures, render(generator, [3, 9], **look))


def test_a_cutoff_leaves_the_finer_styles_as_they_are(generator: Generator) -> None:
    w, mean, styles = torch.randn(2, 8), generator.mapping.w_average, generator.architecture.styles
    pulled = mean + 0.5 * (w - mean)
    for cutoff, wanted in ((None, styles), (0, 0), (3, 3), (styles, styles), (99, styles)):
        truncated = generator.styles_of(w, 0.5, cutoff)
        assert truncated.shape == (2, styles, 8)
        for style in range(styles):
            torch.testing.assert_close(truncated[:, style], pulled if style < wanted else w)


def test_a_seed_has_its_class() -> None:
    shape = Architecture(resolution_px=8, channel_base=256, channel_max=16, z_dim=8, w_dim=8, classes=3)
    network = build(shape, 0)[0].eval().requires_grad_(False)
    w = latents.w_of_seeds(network, [4, 6])
    pictures = latents.pictures(network, network.styles_of(w))
    for seed, label, picture in ((4, 1, pictures[0]), (6, 0, pictures[1])):
        wanted = render(network, [seed], truncation_psi=1, noise_mode="const", label=label)
        alike(picture, wanted[0])
    film = interpolation.interpolate(network, InterpolationSettings((4, 6), 2, "z"), lambda *_: None)
    np.testing.assert_allclose(film[0].astype(int), pictures[0], atol=1)
    of_the_first = render(network, [6], truncation_psi=1, noise_mode="const", label=1)[0]
    np.testing.assert_allclose(film[1].astype(int), of_the_first, atol=1)


def test_a_film_goes_from_class_to_class_and_in_z_stays_in_one() -> None:
    shape = Architecture(resolution_px=8, channel_base=256, channel_max=16, z_dim=8, w_dim=8, classes=3)
    network = build(shape, 0)[0].eval().requires_grad_(False)

    def picture(seed: int, label: int) -> np.ndarray:
        return render(network, [seed], truncation_psi=1, noise_mode="const", label=label)[0].astype(int)

    ways = InterpolationSettings((4, 4), 2, "w", classes=(0, 2)), InterpolationSettings((4, 5), 2, "z", classes=(2, 2))
    for settings, ends in zip(ways, ([(4, 0), (4, 2)], [(4, 2), (5, 2)]), strict=True):
        interpolation.check(settings)
        film = interpolation.interpolate(network, settings, lambda *_: None)
        for frame, (seed, label) in zip(film, ends, strict=True):
            np.testing.assert_allclose(frame, picture(seed, label), atol=1)
    with pytest.raises(InvalidInput) as refused:
        interpolation.check(InterpolationSettings((4, 5), 2, "z", classes=(0, 2)))
    assert "class_labels" in refused.value.fields


def test_on_the_sphere_angle_grows_evenly_and_length_in_proportion() -> None:
    a, b = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 4.0]])
    third = torch.tensor([[1 / 3]])
    interpolated = latents.slerp(a, b, third)[0]
    wanted = (2 + 2 / 3) * np.array([np.cos(np.pi / 6), np.sin(np.pi / 6)])
    np.testing.assert_allclose(interpolated, wanted, rtol=1e-6)


def test_the_way_between_equal_directions_is_straight() -> None:
    a = torch.tensor([[1.0, 2.0]])
    torch.testing.assert_close(latents.slerp(a, 3 * a, torch.tensor([[0.5]])), 2 * a)


@pytest.mark.parametrize("space", ["w", "z"])
def test_a_film_passes_every_stop(space: str) -> None:
    stops = torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
    way = along(stops, 9, False, space)
    torch.testing.assert_close(way[[0, 4, 8]], stops)
    looped = along(stops, 9, True, space)
    torch.testing.assert_close(looped[[0, 3, 6]], stops)
    once_more = along(torch.cat([stops, stops[:1]]), 10, False, space)
    torch.testing.assert_close(looped, once_more[:9])  # the frame after the last is the first again


def test_a_film_shows_the_seeds_and_the_middle_of_w_between_them(generator: Generator) -> None:
    reports: list[tuple[int, int]] = []
    settings = InterpolationSettings((1, 2), 3, truncation_psi=0.8)
    frames = interpolation.interpolate(generator, settings, lambda *report: reports.append(report))
    alike(frames[[0, 2]], render(generator, [1, 2], truncation_psi=0.8, noise_mode="const"))
    w = latents.w_of(generator, latents.z_of(generator, [1, 2])).mean(dim=0, keepdim=True)
    middle = latents.pictures(generator, generator.styles_of(w, 0.8))[0]
    assert np.abs(frames[1].astype(int) - middle).max() <= 1
    assert reports[-1] == (3, 3)


def test_a_film_through_z_shows_the_seeds_too(generator: Generator) -> None:
    frames = interpolation.interpolate(generator, InterpolationSettings((1, 2), 5, "z"), lambda *_: None)
    ends = render(generator, [1, 2], truncation_psi=1.0, noise_mode="const").astype(int)
    assert np.abs(frames[[0, 4]] - ends).max() <= 1
    assert np.abs(frames[2] - ends).max() > 1


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"seeds": (1,)}, "seeds"),
        ({"seeds": (1, -1)}, "seeds"),
        ({"frames": 1}, "frames"),
        ({"frames": 3601}, "frames"),
        ({"space": "y"}, "space"),
    ],
)
def test_films_that_cannot_be_are_refused(given: dict, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        interpolation.check(InterpolationSettings(**{"seeds": (1, 2), "frames": 10, **given}))
    assert field in refused.value.fields


def test_a_film_too_large_for_memory_is_refused_with_what_would_fit() -> None:
    with pytest.raises(InvalidInput, match="at most 341 of 1024 px"):
        interpolation.check_size(InterpolationSettings((1, 2), 342), 1024, 3)


def test_a_grid_has_rows_styles_in_columns_pictures(generator: Generator) -> None:
    settings = MixSettings(rows=(1, 2), columns=(10, 11, 12), styles=(0, 1))
    grid = mixing.mix(generator, settings, lambda *_: None)
    assert grid.shape == (3 * 16, 4 * 16, 3)
    tiles = grid.reshape(3, 16, 4, 16, 3).swapaxes(1, 2)
    assert not tiles[0, 0].any()
    alike(tiles[0, 1:], render(generator, [10, 11, 12], truncation_psi=1, noise_mode="const"))
    alike(tiles[1:, 0], render(generator, [1, 2], truncation_psi=1, noise_mode="const"))
    row, column = (latents.w_of(generator, latents.z_of(generator, [seed])) for seed in (2, 12))
    ws = torch.stack([row, row, *[column] * (generator.architecture.styles - 2)], dim=1)
    alike(tiles[2, 3], latents.pictures(generator, ws)[0])


def test_films_and_grids_are_truncated_up_to_the_cutoff(generator: Generator) -> None:
    look = {"truncation_psi": 0.3, "truncation_cutoff": 2}
    shown = render(generator, [1, 2], **look, noise_mode="const")
    for space in ("w", "z"):
        frames = interpolation.interpolate(generator, InterpolationSettings((1, 2), 2, space, **look), lambda *_: None)
        assert np.abs(frames.astype(int) - shown).max() <= 1
    grid = mixing.mix(generator, MixSettings((1,), (2,), (0,), **look), lambda *_: None)
    alike(grid[16:, :16], shown[0])
    alike(grid[:16, 16:], shown[1])


def test_all_styles_are_the_rows_picture_everywhere(generator: Generator) -> None:
    every = tuple(range(generator.architecture.styles))
    grid = mixing.mix(generator, MixSettings((4,), (5, 6), every), lambda *_: None)
    tiles = grid.reshape(2, 16, 3, 16, 3).swapaxes(1, 2)[1]
    alike(tiles[1], tiles[0])
    alike(tiles[2], tiles[0])


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"rows": ()}, "rows"),
        ({"columns": tuple(range(33))}, "columns"),
        ({"styles": ()}, "styles"),
        ({"styles": (1, 1)}, "styles"),
        ({"styles": (-1,)}, "styles"),
    ],
)
def test_grids_that_cannot_be_are_refused(given: dict, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        mixing.check(MixSettings(**{"rows": (1,), "columns": (2,), "styles": (0,), **given}))
    assert field in refused.value.fields


def test_a_style_that_the_network_has_not_is_refused() -> None:
    with pytest.raises(InvalidInput, match="0 to 5"):
        mixing.check_styles(MixSettings((1,), (2,), (6,)), 6)
