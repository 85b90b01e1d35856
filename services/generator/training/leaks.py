"""Finds augmentations that have leaked into what is generated: images that only a transformation makes real ones.

A synthetic image speaks for a transformation when a real image so transformed is clearly nearer to it than any real
one, and about as near as real images are to each other. Real images, each against the others, say how often that
happens without a leak: where they come turned, mirrored or in other colours themselves, often, and nothing is found.
Turned images are looked for a little moved as well, for augmentation mostly does both; so are real ones.

Augmentation changes levels both ways, a generator that is not done errs one way (mostly flat): of two opposite changes
only as much counts as is seen of both.

Reference: Karras et al. 2020 (arXiv:2006.06676), section 2.2 and figure 4, on when augmentations leak.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from services.generator.metrics.features import texture
from services.generator.metrics.neighbours import distances
from services.generator.stylegan2.augment import PRESETS

MIN_REAL = 10
MAX_REAL = 256  # of which the others are told: more cost time and say little more
SHIFT = 0.08  # of the side: turned images are often moved as well
SIDE_PX = 64  # images are compared at this size at most
LEVEL = 1.0  # grey levels: features that vary less among real images are not magnified
# How much nearer than to real images, as a share, and how near at all, in median distances among real images: what is
# far from everything is bad, not transformed.
NEARER_WITHIN = ((0.85, 1.5), (0.5, 3.0))
MIN_SHARE = 0.08  # of synthetic images beyond what real ones show
MIN_DEVIATIONS = 3.0  # of the difference of the two shares
MIN_P = 0.1  # an augmentation that rare cannot be what is seen in a tenth of the images

ORIENTATION, COLOUR = "orientation", "colour"
GROUPS: Mapping[str, frozenset[str]] = {  # which augmentations each comes from
    ORIENTATION: frozenset({"blit", "geom"}),
    COLOUR: frozenset({"color"}),
}
OPPOSITE = (
    ("darker", "brighter"),
    ("flatter", "harsher"),
    ("hue -60°", "hue +60°"),
    ("hue -120°", "hue +120°"),
    ("less saturated", "more saturated"),
)
LADDER = ("bgcfnc", "bgcfn", "bgcf", "bgc", "bg", "blit")  # each holds the ones to its right
Transform = Callable[[np.ndarray], np.ndarray]  # (N, R, R, C) uint8 to the same


@dataclass(frozen=True)
class Leak:
    """What speaks for a leak."""

    kind: str  # "orientation" or "colour"
    transformation: str  # that speaks loudest
    share: float  # of synthetic images that it explains better
    real_share: float  # of real images, each against the others

    def in_words(self) -> str:
        """For a log or a card."""
        return (
            f"{self.kind}: {self.share:.0%} of the synthetic images look transformed (mostly {self.transformation}), "
            f"{self.real_share:.0%} of the real ones"
        )


@dataclass(frozen=True)
class Views:
    """Features of images as they are and as each transformation makes them, each of V times: also a little shifted."""

    plain: np.ndarray  # (V, N, F), the first not shifted
    transformed: Mapping[str, Mapping[str, np.ndarray]]  # kind -> transformation -> (V, N, F)

    def rows(self, chosen: np.ndarray) -> "Views":
        """Of some of the images."""
        return Views(
            self.plain[:, chosen],
            {kind: {name: x[:, chosen] for name, x in sets.items()} for kind, sets in self.transformed.items()},
        )


def views(images: np.ndarray) -> Views:
    """Describe images (N, R, R, C) uint8 under every transformation."""
    small = _reduced(images)
    changed = transformations(images.shape[3])
    return Views(
        _shifted_too(small),
        {
            ORIENTATION: {name: _shifted_too(change(small)) for name, change in changed[ORIENTATION].items()},
            COLOUR: {name: texture(change(small))[None] for name, change in changed[COLOUR].items()},
        },
    )


def _shifted_too(images: np.ndarray) -> np.ndarray:
    """Features of images (N, R, R, C) as they are and moved to each side, mirrored at the border: (5, N, F)."""
    step = round(SHIFT * images.shape[1])
    padded = np.pad(images, ((0, 0), (step, step), (step, step), (0, 0)), mode="reflect")
    side = images.shape[1]
    corners = [(step, step), (0, step), (2 * step, step), (step, 0), (step, 2 * step)]
    return np.stack([texture(padded[:, y : y + side, x : x + side]) for y, x in corners])


class LeakDetector:
    """Knows the real images and what each transformation makes of them.

    Args:
        real: of N images that the generator learns from, N at least `MIN_REAL`, and of their copies if there are some.
        copies: how many there are of each image, all of them once before any comes again.
    """

    def __init__(self, real: Views, copies: int = 1) -> None:
        self._count = real.plain.shape[1] // copies
        self._mean, self._deviation = real.plain[0].mean(axis=0), np.maximum(real.plain[0].std(axis=0), LEVEL)
        self._real = self._scaled(real.plain)
        self._transformed = {
            kind: {name: self._scaled(x) for name, x in sets.items()} for kind, sets in real.transformed.items()
        }
        originals = self._real[0, : self._count]
        own = np.tile(np.eye(self._count, dtype=bool), copies)  # nothing made of an image itself speaks for it
        self._spacing = float(np.median(_nearest(originals, self._real[:1], own)))
        self._real_shares = {kind: self._share(originals, kind, own)[0] for kind in self._transformed}

    @classmethod
    def of(cls, real: np.ndarray, *, mirror_x: bool = False, mirror_y: bool = False) -> "LeakDetector":
        """Of images (N, R, R, C) uint8 that may also count mirrored."""
        shown = [real[np.linspace(0, len(real) - 1, min(len(real), MAX_REAL)).astype(int)]]
        shown += [x[:, :, ::-1] for x in shown if mirror_x]
        shown += [x[:, ::-1] for x in tuple(shown) if mirror_y]
        return cls(views(np.concatenate(shown)), len(shown))

    def find(self, fake: np.ndarray, preset: str, p: float) -> list[Leak]:
        """Leaks of a preset's augmentations in synthetic images (M, R, R, C) uint8; none where p is next to nothing."""
        return self.find_in(texture(_reduced(fake)), preset) if p >= MIN_P else []

    def find_in(self, fake: np.ndarray, preset: str) -> list[Leak]:
        """The same of synthetic images whose features (M, F) are known, those of `texture`."""
        features = self._scaled(fake)
        leaks = []
        for kind in self._transformed:
            if not GROUPS[kind].intersection(PRESETS[preset]):
                continue
            share, loudest = self._share(features, kind)
            if self._is_more(share, len(fake), self._real_shares[kind]):
                leaks.append(Leak(kind, loudest, share, self._real_shares[kind]))
        return leaks

    def _is_more(self, share: float, count: int, real_share: float) -> bool:
        """Whether a share of synthetic images is larger than that of real ones, in size and beyond chance."""
        pooled = (share * count + real_share * self._count + 1) / (count + self._count + 2)
        deviation = math.sqrt(pooled * (1 - pooled) * (1 / count + 1 / self._count))
        return share - real_share >= max(MIN_SHARE, MIN_DEVIATIONS * deviation)

    def _share(self, features: np.ndarray, kind: str, but: np.ndarray | None = None) -> tuple[float, str]:
        """`_explained` of images (M, F) by a kind's transformations of the real ones, but of those (M, K N)."""
        sets = self._transformed[kind]
        shifts = len(next(iter(sets.values())))  # real images count as often shifted as transformed ones do
        near = _nearest(features, self._real[:shifts], but)
        return self._explained(near, {name: _nearest(features, x, but) for name, x in sets.items()})

    def _explained(self, near: np.ndarray, by: Mapping[str, np.ndarray]) -> tuple[float, str]:
        """Share of images that the transformations explain better, and the one that explains the most.

        Args:
            near: (M,) distance of each image to the nearest real one.
            by: transformation -> (M,) distance to the nearest real one so transformed.
        """
        names = list(by)
        far = np.stack([by[name] for name in names])  # (T, M)
        nearest = far.min(axis=0)
        clear = [(nearest < share * near) & (nearest < reach * self._spacing) for share, reach in NEARER_WITHIN]
        speaks = np.logical_or.reduce(clear)
        counts = np.bincount(far.argmin(axis=0)[speaks], minlength=len(names))
        shares = dict(zip(names, counts / len(near), strict=True))
        for one, other in OPPOSITE:
            if one in shares:
                shares[one] = shares[other] = min(shares[one], shares[other])
        return float(sum(shares.values())), max(names, key=shares.__getitem__)

    def _scaled(self, features: np.ndarray) -> np.ndarray:
        scaled: np.ndarray = (features - self._mean) / self._deviation
        return scaled


def _nearest(features: np.ndarray, of: np.ndarray, but: np.ndarray | None = None) -> np.ndarray:
    """Distance of each image (M, F) to the nearest of sets (V, N, F), but of those (M, N) that do not count: (M,)."""
    nearest = np.full(len(features), np.inf)
    for one in of:
        to_one = distances(features, one)
        if but is not None:
            to_one[but] = np.inf
        nearest = np.minimum(nearest, to_one.min(axis=1))
    return nearest


def transformations(channels: int) -> dict[str, dict[str, Transform]]:
    """What is looked for in images of so many channels, by kind and name."""
    colours = {
        "darker": _levels(lambda x: x - 0.3),
        "brighter": _levels(lambda x: x + 0.3),
        "flatter": _levels(lambda x: x * 0.5),
        "harsher": _levels(lambda x: x * 2),
        "inverted": _levels(lambda x: x - 2 * x.mean(axis=3, keepdims=True)),
    }
    if channels >= 3:
        colours |= {f"hue {angle:+d}°": _hue(angle) for angle in (-120, -60, 60, 120, 180)}
        colours |= {"less saturated": _saturation(0.3), "more saturated": _saturation(2.5)}
    turns = {
        "mirrored": _turn(0, mirrored=True),
        **{f"turned {90 * k}°": _turn(k) for k in (1, 2, 3)},
        **{f"mirrored and turned {90 * k}°": _turn(k, mirrored=True) for k in (1, 2, 3)},
    }
    return {ORIENTATION: turns, COLOUR: colours}


def milder(preset: str, kinds: Sequence[str]) -> str:
    """The preset below one whose augmentations leaked: "bgc" -> "bg" -> "blit" -> "" (none).

    It is at least so much milder that colours, where they leaked, are no longer changed.
    """
    below = LADDER[LADDER.index(preset) + 1 :] if preset in LADDER else ()
    left = [name for name in below if COLOUR not in kinds or "color" not in PRESETS[name]]
    return left[0] if left else ""


def _turn(quarters: int, *, mirrored: bool = False) -> Transform:
    return lambda x: np.ascontiguousarray(np.rot90(x[:, :, ::-1] if mirrored else x, quarters, axes=(1, 2)))


def _levels(change: Callable[[np.ndarray], np.ndarray]) -> Transform:
    """A change of levels in [-1, 1], as augmentation counts them; an alpha channel stays."""

    def changed(x: np.ndarray) -> np.ndarray:
        levels = np.clip(change(x[..., :3].astype(np.float32) / 127.5 - 1) * 127.5 + 127.5, 0, 255).astype(np.uint8)
        return np.concatenate([levels, x[..., 3:]], axis=3)

    return changed


def _hue(degrees: float) -> Transform:
    """A turn about the axis of grey (Rodrigues' formula)."""
    angle, axis = math.radians(degrees), np.full(3, 1 / math.sqrt(3))
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    turn = math.cos(angle) * np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * np.outer(axis, axis)
    return _levels(lambda x: x @ turn.T.astype(np.float32))


def _saturation(factor: float) -> Transform:
    def change(x: np.ndarray) -> np.ndarray:
        grey: np.ndarray = x.mean(axis=3, keepdims=True)
        changed: np.ndarray = grey + (x - grey) * factor
        return changed

    return _levels(change)


def _reduced(images: np.ndarray) -> np.ndarray:
    """Images (N, R, R, C) of more than `SIDE_PX`, at that size."""
    if images.shape[1] <= SIDE_PX:
        return images
    small = [Image.fromarray(x.squeeze()).resize((SIDE_PX, SIDE_PX), Image.Resampling.BOX) for x in images]
    return np.stack([np.asarray(x) for x in small]).reshape(len(images), SIDE_PX, SIDE_PX, images.shape[3])
