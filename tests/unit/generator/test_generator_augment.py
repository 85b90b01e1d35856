"""Every transformation against an independent computation, its frequency, and its second derivative."""

import math

import numpy as np
import pytest
import scipy.ndimage
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from defectory.errors import InvalidInput
from services.generator.stylegan2 import augment as module
from services.generator.stylegan2 import transforms
from services.generator.stylegan2.augment import PRESETS, Draw, augment

SIDE = 32
MANY = 4000


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def waves(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A smooth picture, known at every point."""
    return np.sin(0.35 * x + 0.2 * y) + 0.5 * np.cos(0.25 * y - 0.15 * x + 1)


@pytest.fixture
def smooth() -> Tensor:
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5 - SIDE / 2
    return torch.from_numpy(waves(x, y)).float()[None, None]


def centre(image: Tensor, margin: int = 8) -> np.ndarray:
    return image[0, 0, margin:-margin, margin:-margin].numpy()


def test_without_probability_the_images_are_the_same_object() -> None:
    images = torch.randn(2, 3, 8, 8)
    for preset in PRESETS:
        assert augment(images, 0.0, preset, rng()) is images


def test_an_identity_map_leaves_every_bit() -> None:
    images = torch.randn(3, 3, 8, 8)
    assert torch.equal(transforms.warp(images, torch.eye(3).expand(3, 3, 3)), images)
    assert torch.equal(transforms.equalise(images, torch.ones(3, 4)), images)


def test_only_moved_images_change() -> None:
    images = torch.randn(3, 1, 8, 8)
    maps = torch.eye(3).repeat(3, 1, 1)
    maps[1] = module.rotation(torch.tensor([0.4]))[0]
    moved = transforms.warp(images, maps)
    assert torch.equal(moved[[0, 2]], images[[0, 2]])
    assert not torch.allclose(moved[1], images[1], atol=0.1)


@pytest.mark.parametrize(("dx", "dy"), [(3, 0), (0, -2), (-9, 7)])
def test_whole_pixel_shifts_are_exact_and_mirror_the_border(dx: int, dy: int) -> None:
    image = np.random.default_rng(0).standard_normal((2, 3, 16, 20))
    padded = np.pad(image, ((0, 0), (0, 0), (10, 10), (10, 10)), mode="reflect")
    expected = padded[:, :, 10 - dy : 26 - dy, 10 - dx : 30 - dx]
    inverse = module.translation(torch.full((2,), -float(dx)), torch.full((2,), -float(dy)))
    warped = transforms.warp(torch.from_numpy(image).float(), inverse)
    np.testing.assert_allclose(warped.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        (module.scaling(torch.tensor([-1.0]), torch.tensor([1.0])), lambda x: np.fliplr(x)),
        (module.rotation(torch.tensor([math.pi / 2])), lambda x: np.rot90(x, 1)),
        (module.rotation(torch.tensor([math.pi])), lambda x: np.rot90(x, 2)),
    ],
)
def test_flips_and_quarter_turns(smooth: Tensor, matrix: Tensor, expected) -> None:
    np.testing.assert_allclose(
        centre(transforms.warp(smooth, matrix), 2), expected(smooth[0, 0].numpy())[2:-2, 2:-2], atol=0.02
    )


@pytest.mark.parametrize(
    "matrix",
    [
        module.rotation(torch.tensor([0.7])),
        module.scaling(torch.tensor([0.8]), torch.tensor([1.1])),
        module.translation(torch.tensor([1.3]), torch.tensor([-0.6])),
        module.rotation(torch.tensor([-0.3])) @ module.scaling(torch.tensor([1.2]), torch.tensor([0.9])),
    ],
)
def test_warping_reads_the_picture_where_the_map_says(smooth: Tensor, matrix: Tensor) -> None:
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5 - SIDE / 2
    m = matrix[0].numpy()
    expected = waves(m[0, 0] * x + m[0, 1] * y + m[0, 2], m[1, 0] * x + m[1, 1] * y + m[1, 2])
    np.testing.assert_allclose(centre(transforms.warp(smooth, matrix)), expected[8:-8, 8:-8], atol=0.03)


def test_a_picture_seen_from_afar_is_mirrored_as_often_as_needed() -> None:
    image = torch.full((1, 1, 8, 8), 0.5)
    far = module.scaling(torch.tensor([3.0]), torch.tensor([3.0]))
    torch.testing.assert_close(transforms.warp(image, far), image, atol=0.01, rtol=0)


@pytest.mark.parametrize("taps", [transforms.SYM2, transforms.SYM6])
def test_wavelets_are_orthogonal(taps: tuple[float, ...]) -> None:
    h = np.array(taps)
    assert h.sum() == pytest.approx(math.sqrt(2))
    for shift in range(len(h) // 2):
        assert (h[: len(h) - 2 * shift] * h[2 * shift :]).sum() == pytest.approx(float(shift == 0), abs=1e-10)
    high = h[::-1] * (-1.0) ** np.arange(len(h))
    moments = [(high * np.arange(len(h), dtype=float) ** k).sum() for k in range(len(h) // 2)]
    np.testing.assert_allclose(moments, 0, atol=1e-4)  # as many vanish as the wavelet's name says


def test_bands_are_filtered_as_scipy_does_and_add_up_to_the_image() -> None:
    images = np.random.default_rng(0).standard_normal((2, 3, 16, 24))
    gains = np.array([[1.5, 0.5, 2.0, 0.25], [1.0, 1.0, 0.0, 1.0]])
    bank = transforms.band_filters()
    np.testing.assert_allclose(bank.sum(axis=0), np.eye(1, bank.shape[1], bank.shape[1] // 2)[0], atol=1e-10)
    equalised = transforms.equalise(torch.from_numpy(images).float(), torch.from_numpy(gains).float())
    for n in range(2):
        taps = gains[n] @ bank
        rows = scipy.ndimage.correlate1d(images[n], taps, axis=1, mode="mirror")
        expected = scipy.ndimage.correlate1d(rows, taps, axis=2, mode="mirror")
        np.testing.assert_allclose(equalised[n].numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(("band", "frequency"), [(0, 0.02), (1, 0.19), (2, 0.375), (3, 0.75)])
def test_each_band_holds_its_octave(band: int, frequency: float) -> None:
    bank = transforms.band_filters()
    n = np.arange(bank.shape[1]) - bank.shape[1] // 2
    response = [abs((taps * np.exp(-1j * math.pi * frequency * n)).sum()) for taps in bank]
    assert int(np.argmax(response)) == band


def color_of(**drawn: float) -> Tensor:
    """The colour matrix when only one thing is drawn."""

    class Fixed(Draw):
        def __init__(self) -> None:
            super().__init__(1, 1.0, rng())
            neutral = {"brightness": 0.0, "contrast": 1.0, "flip": 0.0, "hue": 0.0, "saturation": 1.0}
            self._left = list((neutral | drawn).values())

        def gated(self, value: Tensor, neutral: float, p: float | None = None) -> Tensor:
            return torch.tensor([self._left.pop(0)])

    return module.draw_color(Fixed(), 3)


def colored(image: np.ndarray, matrix: Tensor) -> np.ndarray:
    return transforms.recolor(torch.from_numpy(image).float()[None], matrix)[0].numpy()


def test_colours_in_closed_form() -> None:
    image = np.random.default_rng(0).standard_normal((3, 5, 5))
    np.testing.assert_allclose(colored(image, color_of(brightness=0.3)), image + 0.3, atol=1e-5)
    np.testing.assert_allclose(colored(image, color_of(contrast=1.7)), image * 1.7, atol=1e-5)
    mean = image.mean(axis=0, keepdims=True)
    np.testing.assert_allclose(colored(image, color_of(flip=1.0)), image - 2 * mean, atol=1e-5)
    np.testing.assert_allclose(colored(image, color_of(saturation=0.4)), mean + 0.4 * (image - mean), atol=1e-5)
    axis = np.ones(3) / math.sqrt(3)
    turned = np.einsum("ij,jhw->ihw", Rotation.from_rotvec(0.9 * axis).as_matrix(), image)
    np.testing.assert_allclose(colored(image, color_of(hue=0.9)), turned, atol=1e-5)
    together = colored(image, color_of(brightness=0.3, contrast=1.7))
    np.testing.assert_allclose(together, (image + 0.3) * 1.7, atol=1e-5)  # in the paper's order


def test_colours_are_composed_in_the_papers_order() -> None:
    drawn = {"brightness": 0.3, "contrast": 1.7, "flip": 1.0, "hue": 0.9, "saturation": 0.4}
    grey = np.array([1, 1, 1, 0]) / math.sqrt(3)
    along, identity = np.outer(grey, grey), np.eye(4)
    brightness, contrast, hue = identity.copy(), np.diag([1.7, 1.7, 1.7, 1.0]), identity.copy()
    brightness[:3, 3] = 0.3
    hue[:3, :3] = Rotation.from_rotvec(0.9 * grey[:3]).as_matrix()
    flip, saturation = identity - 2 * along, along + (identity - along) * 0.4
    expected = saturation @ hue @ flip @ contrast @ brightness
    np.testing.assert_allclose(color_of(**drawn)[0, :3].numpy(), expected[:3], atol=1e-6)


def test_geometry_is_composed_in_the_papers_order() -> None:
    """The target point is G times the source point; each transformation multiplies G from the left, as in the paper."""
    width, height = 64, 48

    class Fixed(Draw):
        """Flipped, one quarter turn, scaled by 1.2, turned by 0.4, stretched by 1.5, turned by -0.9; and shifted."""

        def __init__(self) -> None:
            super().__init__(1, 1.0, rng())
            self._left = [1.0, 1.0, 1.0, 1.2, 0.4, 1.5, -0.9, 1.0]

        def gated(self, value: Tensor, neutral: float, p: float | None = None) -> Tensor:
            return torch.tensor([self._left.pop(0)])

        def uniform(self, low: float = 0.0, high: float = 1.0) -> Tensor:
            return torch.tensor([low + 0.7 * (high - low)])

        def normal(self) -> Tensor:
            return torch.tensor([0.3])

    def turn(angle: float) -> np.ndarray:
        return np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])

    def shift(x: float, y: float) -> np.ndarray:
        return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]])

    steps = [
        np.diag([-1.0, 1.0, 1.0]),  # x-flip
        turn(math.pi / 2),
        shift(round(0.05 * width), round(0.05 * height)),  # 0.7 of the way from -0.125 to 0.125
        np.diag([1.2, 1.2, 1.0]),
        turn(0.4),
        np.diag([1.5, 1 / 1.5, 1.0]),
        turn(-0.9),
        shift(0.3 * 0.125 * width, 0.3 * 0.125 * height),
    ]
    forward = np.eye(3)
    for step in steps:
        forward = step @ forward
    drawn = module.draw_geometry(Fixed(), ("blit", "geom"), width, height)[0].numpy()
    np.testing.assert_allclose(drawn, np.linalg.inv(forward), atol=1e-5)


def test_colours_leave_alpha_and_geometry_moves_it_along() -> None:
    rgb, alpha = torch.randn(4, 3, 16, 16), torch.rand(4, 1, 16, 16)
    rgba = torch.cat([rgb, alpha], dim=1)
    shape = tuple(rgba.shape)
    color = module.draw_augmentation(shape, 1.0, "color", rng(), rgba.device)
    coloured = color.apply(rgba)
    torch.testing.assert_close(coloured[:, :3], color.apply(rgb))
    assert torch.equal(coloured[:, 3:], alpha)
    moved = module.draw_augmentation(shape, 1.0, "bg", rng(), rgba.device)
    torch.testing.assert_close(moved.apply(rgba)[:, 3:], moved.apply(alpha), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(moved.apply(rgba)[:, :3], moved.apply(rgb), atol=1e-5, rtol=1e-5)


def test_parts_of_a_batch_are_transformed_as_in_the_batch() -> None:
    images = torch.randn(6, 3, 16, 16, generator=rng())
    drawn = module.draw_augmentation(tuple(images.shape), 0.8, "bgcfnc", rng(), images.device)
    whole = drawn.apply(images)
    for part in (slice(0, None, 2), slice(1, None, 2)):
        torch.testing.assert_close(drawn.rows(part).apply(images[part]), whole[part], atol=1e-4, rtol=1e-4)


def test_grey_images_change_as_grey_rgb_images_do() -> None:
    grey = torch.randn(6, 1, 4, 4)
    color = module.draw_color(Draw(6, 1.0, rng()), 3)
    as_rgb = transforms.recolor(grey.repeat(1, 3, 1, 1), color).mean(dim=1, keepdim=True)
    torch.testing.assert_close(transforms.recolor(grey, color), as_rgb, atol=1e-5, rtol=1e-5)


def test_cut_out_sets_the_square_to_zero() -> None:
    images = torch.ones(2, 3, 16, 16)
    centres, sides = torch.tensor([[0.5, 0.25], [0.1, 0.9]]), torch.tensor([0.5, 0.0])
    cut = transforms.cut_out(images, centres, sides).numpy()
    expected = np.ones((16, 16))
    for y in range(16):
        for x in range(16):
            if abs((x + 0.5) / 16 - 0.5) < 0.25 and abs((y + 0.5) / 16 - 0.25) < 0.25:
                expected[y, x] = 0
    np.testing.assert_array_equal(cut[0, 0], expected)
    np.testing.assert_array_equal(cut[1], 1)


def test_noise_has_a_half_normal_strength() -> None:
    noise = augment(torch.zeros(MANY, 1, 8, 8), 1.0, "noise", rng())
    strengths = noise.std(dim=(1, 2, 3))
    assert float(strengths.square().mean().sqrt()) == pytest.approx(0.1, rel=0.05)


@pytest.mark.parametrize("p", [0.2, 1.0])
def test_transformations_happen_as_often_as_p_says(p: float) -> None:
    maps = module.draw_geometry(Draw(MANY, p, rng()), ("blit",), 64, 64)
    linear, shifts = maps[:, :2, :2], maps[:, :2, 2]
    flipped = (torch.linalg.det(linear) < 0).float().mean()
    quarter = (linear[:, 0, 0].abs() < 0.5).float().mean()
    shifted = (shifts.abs().amax(dim=1) > 0).float().mean()
    assert float(flipped) == pytest.approx(p / 2, abs=0.03)
    assert float(quarter) == pytest.approx(p / 2, abs=0.03)
    assert float(shifted) == pytest.approx(p, abs=0.03)
    assert float(shifts.abs().max()) == pytest.approx(8)


def test_strengths_are_the_papers() -> None:
    maps = module.draw_geometry(Draw(MANY, 1.0, rng()), ("geom",), 64, 64)
    area = torch.linalg.det(maps[:, :2, :2]).log2() / 2  # the stretch keeps the area
    assert float(area.std()) == pytest.approx(0.2, rel=0.1)
    color = module.draw_color(Draw(MANY, 1.0, rng()), 3)
    determinant = torch.linalg.det(color[:, :3, :3]).abs().log2()  # contrast thrice, saturation twice
    assert float(determinant.std()) == pytest.approx(math.sqrt((3 * 0.5) ** 2 + (2 * 1.0) ** 2), rel=0.1)


def test_gains_of_bands_have_the_papers_distribution() -> None:
    """A gain t = 2ⁿ of band i divides all gains by √(1 + λᵢ(t² - 1)): mean and variance of log2, in closed form."""
    shares = np.array([10, 1, 1, 1]) / 13  # λ, of a picture's power
    n, weights = np.polynomial.hermite_e.hermegauss(100)
    weights = weights / weights.sum()  # n is standard normal
    divisor = np.log2(1 + shares[:, None] * (4.0**n - 1)) / 2  # (band, n)

    def moments(values: np.ndarray) -> np.ndarray:
        return np.stack([values @ weights, values**2 @ weights - (values @ weights) ** 2])

    own, others = moments(n - divisor), moments(-divisor)
    expected, variance = own + others.sum(axis=1, keepdims=True) - others
    deviation = np.sqrt(variance)
    gains = module.draw_bands(Draw(MANY, 1.0, rng())).double().log2()
    np.testing.assert_allclose(gains.mean(dim=0).numpy(), expected, atol=4 * deviation.max() / math.sqrt(MANY))
    np.testing.assert_allclose(gains.std(dim=0).numpy(), deviation, rtol=0.05)


@pytest.mark.parametrize("p", [0.3, 0.9])
def test_every_drawn_value_is_neutral_as_often_as_p_says(p: float) -> None:
    """Of the groups after blitting: what is neutral has p against it, and nothing else is drawn."""
    geometry = module.draw_geometry(Draw(MANY, p, rng()), ("geom",), 64, 64)
    still = (geometry - torch.eye(3)).abs().amax(dim=(1, 2)) < 1e-6
    # Scale, stretch and shift each with p; one of the two rotations with p in all.
    assert float(still.float().mean()) == pytest.approx((1 - p) ** 4, abs=0.03)
    shifted = geometry[:, :2, 2].abs().amax(dim=1) > 0
    assert float(shifted.float().mean()) == pytest.approx(p, abs=0.03)
    color = module.draw_color(Draw(MANY, p, rng()), 3)
    kept = (color - torch.eye(4)).abs().amax(dim=(1, 2)) < 1e-6
    assert float(kept.float().mean()) == pytest.approx((1 - p) ** 4 * (1 - p / 2), abs=0.03)  # half the flips are none
    bands = module.draw_bands(Draw(MANY, p, rng()))
    flat = (bands - 1).abs().amax(dim=1) < 1e-6
    assert float(flat.float().mean()) == pytest.approx((1 - p) ** 4, abs=0.03)
    drawn = module.draw_augmentation((MANY, 1, 8, 8), p, "bgcfnc", rng(), torch.device("cpu"))
    assert drawn.sigma is not None
    assert drawn.side is not None
    assert float((drawn.sigma > 0).float().mean()) == pytest.approx(p, abs=0.03)
    assert float((drawn.side > 0).float().mean()) == pytest.approx(p, abs=0.03)
    assert set(drawn.side.tolist()) <= {0.0, 0.5}


def test_single_strengths_are_the_papers() -> None:
    def only(wanted: int, group: str) -> Tensor:
        """Matrices when only the wanted one of a group's gated values is drawn."""

        class One(Draw):
            count = -1

            def gated(self, value: Tensor, neutral: float, p: float | None = None) -> Tensor:
                self.count += 1
                return value if self.count == wanted else torch.full_like(value, neutral)

        draw = One(MANY, 1.0, rng())
        return module.draw_color(draw, 3) if group == "color" else module.draw_geometry(draw, (group,), 64, 64)

    scale = only(0, "geom")
    assert float(scale[:, 0, 0].log2().std()) == pytest.approx(0.2, rel=0.05)
    torch.testing.assert_close(scale[:, 0, 0], scale[:, 1, 1])
    for number in (1, 3):  # before and after the stretch
        angle = torch.atan2(only(number, "geom")[:, 1, 0], only(number, "geom")[:, 0, 0])
        assert float(angle.abs().max()) == pytest.approx(math.pi, abs=0.05)
        assert float(angle.std()) == pytest.approx(math.pi / math.sqrt(3), rel=0.05)  # uniform
    stretch = only(2, "geom")
    assert float(stretch[:, 0, 0].log2().std()) == pytest.approx(0.2, rel=0.05)
    torch.testing.assert_close(stretch[:, 0, 0] * stretch[:, 1, 1], torch.ones(MANY))
    assert only(4, "geom")[:, :2, 2].std(dim=0).tolist() == pytest.approx([8, 8], rel=0.05)  # an eighth of 64
    assert float(only(0, "color")[:, 0, 3].std()) == pytest.approx(0.2, rel=0.05)
    assert float(only(1, "color")[:, 0, 0].log2().std()) == pytest.approx(0.5, rel=0.05)
    turned = only(3, "color")[:, :3, :3]
    cosine = (turned.diagonal(dim1=1, dim2=2).sum(dim=1) - 1) / 2
    assert float(cosine.mean()) == pytest.approx(0, abs=0.04)  # a uniform angle
    assert float(cosine.square().mean()) == pytest.approx(0.5, abs=0.04)
    saturated = torch.linalg.det(only(4, "color")[:, :3, :3]).log2() / 2
    assert float(saturated.std()) == pytest.approx(1.0, rel=0.05)


def finite_difference(function, x: Tensor, direction: Tensor, step: float = 1e-5) -> float:  # type: ignore[no-untyped-def]
    return float((function(x + step * direction) - function(x - step * direction)) / (2 * step))


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("group", module.GROUPS)
def test_the_penalty_on_gradients_has_the_slope_of_finite_differences(group: str, channels: int) -> None:
    """What R1 differentiates: the squared norm of a gradient that went through the transformation."""
    torch.set_default_dtype(torch.float64)
    try:
        images = torch.randn(2, channels, 8, 8)

        def penalty(x: Tensor) -> Tensor:
            x = x if x.requires_grad else x.clone().requires_grad_()
            logit = augment(x, 0.9, group, rng(4)).pow(3).sum()
            (gradient,) = torch.autograd.grad(logit, x, create_graph=True)
            return gradient.square().sum()

        x = images.clone().requires_grad_()
        (slope,) = torch.autograd.grad(penalty(x), x)
        direction = torch.randn_like(images)
        expected = finite_difference(lambda y: penalty(y).detach(), images, direction)
        assert float((slope * direction).sum()) == pytest.approx(expected, rel=1e-5)
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_differentiable_twice(preset: str) -> None:
    torch.set_default_dtype(torch.float64)
    try:
        images = torch.randn(1, 3, 5, 5, requires_grad=True)

        def transformed(x: Tensor) -> Tensor:
            return augment(x, 0.9, preset, rng(3))

        assert torch.autograd.gradcheck(transformed, (images,))
        assert torch.autograd.gradgradcheck(lambda x: transformed(x).pow(3), (images,))
    finally:
        torch.set_default_dtype(torch.float32)


def test_the_generator_of_random_numbers_decides_everything() -> None:
    images = torch.randn(4, 3, 16, 16)
    first, second = (augment(images, 0.8, "bgcfnc", rng(1)) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, augment(images, 0.8, "bgcfnc", rng(2)))


def test_an_unknown_preset_is_refused_by_name() -> None:
    with pytest.raises(InvalidInput, match="bgc"):
        augment(torch.zeros(1, 1, 8, 8), 0.5, "everything", rng())
