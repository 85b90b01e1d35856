"""From a surface to a photograph: light and shadow, then lens and sensor."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.cables.scene import Array, Camera, Light, Scene, random_for
from orchestrator.cables.surface import COPPER, GROUND, HOLLOW, Surface, soft_noise

SHADOW_STEPS = 7


def take_photograph(scene: Scene, surface: Surface, size_px: int) -> NDArray[np.uint8]:
    """(size_px, size_px, 3) sRGB picture of a surface that is a whole number of times as large."""
    side = len(surface.content)
    rng = random_for(scene.seed, "photograph")
    copper = surface.content >= COPPER
    ground = surface.content == GROUND
    mottle, relief = _texture(scene, copper, ground, side, rng)

    height = cv2.GaussianBlur(surface.height, (0, 0), side * 0.0016)
    normal_x, normal_y, normal_z = _normals(height + relief, side)
    light = scene.light
    toward = _direction(light.azimuth, light.elevation)
    diffuse = np.maximum(normal_x * toward[0] + normal_y * toward[1] + normal_z * toward[2], 0)
    shadow, openness = _occlusion(surface.height, light, side)
    shade = (light.ambient * openness + light.key * diffuse * shadow) * surface.tone * mottle

    half = _direction(light.azimuth, (light.elevation + math.pi / 2) / 2)  # between the light and the camera above
    gleam = np.maximum(normal_x * half[0] + normal_y * half[1] + normal_z * half[2], 0) * shadow
    sheen = _power(gleam, 3)  # gleam ** 8
    glint = _power(sheen, 2)  # gleam ** 32
    dull = np.where(ground | (surface.content == HOLLOW), np.float32(0), np.float32(0.05)) * sheen
    shine = np.where(copper, 1.25 * surface.tone * mottle * glint, dull) * np.float32(light.key)

    shade = _falloff(shade.astype(np.float32), scene, side)
    picture = np.take(surface.palette, surface.content, axis=0)  # (S, S, 3)
    picture *= shade[..., None]
    picture += shine[..., None] * np.array([0.62, 0.47, 0.37], dtype=np.float32)  # copper reflects in its own colour
    return _develop(picture, scene.camera, light, size_px, rng)


def _texture(
    scene: Scene, copper: NDArray[np.bool_], ground: NDArray[np.bool_], side: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Mottle (a factor on the brightness) and relief (added to the height) of the ground and of the cut faces."""
    grain = rng.standard_normal((side, side), dtype=np.float32)
    fine = cv2.GaussianBlur(grain, (0, 0), max(side * 0.0016, 0.6)) * np.float32(side * 0.0055)
    clouds = soft_noise(rng, 9, side)
    grit = soft_noise(rng, 60, side)
    # The knife leaves parallel marks on all that it cuts: noise that is stretched, then turned.
    marks = soft_noise(rng, 6, side, cells_y=170)
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), math.degrees(rng.uniform(0, math.pi)), 1.45)
    marks = cv2.warpAffine(marks, turn, (side, side), borderMode=cv2.BORDER_REFLECT)
    on_ground = 1 + 0.07 * clouds + 0.09 * grit + 0.10 * fine
    on_cut = 1 + 0.035 * clouds + 0.030 * marks + 0.025 * fine
    mottle = np.where(ground, on_ground, on_cut)
    relief = np.where(ground, 0.0011 * grit + 0.0006 * fine, 0.00020 * marks + 0.00012 * fine)
    relief[copper] = 0.00008 * fine[copper]
    return np.maximum(mottle, 0.2).astype(np.float32), relief.astype(np.float32)


def _normals(height: Array, side: int) -> tuple[Array, Array, Array]:
    """Unit normals; slopes are limited: at an edge the height jumps."""
    slope_x = cv2.Sobel(height, cv2.CV_32F, 1, 0, scale=side / 8)
    slope_y = cv2.Sobel(height, cv2.CV_32F, 0, 1, scale=side / 8)
    np.clip(slope_x, -1.6, 1.6, out=slope_x)
    np.clip(slope_y, -1.6, 1.6, out=slope_y)
    norm = 1 / np.sqrt(slope_x * slope_x + slope_y * slope_y + 1)
    return -slope_x * norm, -slope_y * norm, norm


def _direction(azimuth: float, elevation: float) -> tuple[float, float, float]:
    flat = math.cos(elevation)
    return flat * math.cos(azimuth), flat * math.sin(azimuth), math.sin(elevation)


def _power(base: Array, doublings: int) -> Array:
    """base ** (2 ** doublings), by squaring: far cheaper than a power."""
    for _ in range(doublings):
        base = base * base
    return base


def _occlusion(height: Array, light: Light, side: int) -> tuple[Array, Array]:
    """(share of the key light that arrives, share of the sky that is seen), worked out at half the size."""
    small = cv2.resize(height, (side // 2, side // 2), interpolation=cv2.INTER_AREA)
    lit = np.ones_like(small)
    reach = 0.075  # how far a shadow is followed
    rise = math.tan(light.elevation)
    for step in range(1, SHADOW_STEPS + 1):
        distance = reach * step / SHADOW_STEPS
        shift_x = math.cos(light.azimuth) * distance * len(small)
        shift_y = math.sin(light.azimuth) * distance * len(small)
        matrix = np.array([[1, 0, -shift_x], [0, 1, -shift_y]], dtype=np.float32)
        blocker = cv2.warpAffine(small, matrix, small.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
        lit = np.minimum(lit, np.clip(1 - (blocker - small - distance * rise) / 0.012, 0, 1))
    around = cv2.GaussianBlur(np.maximum(small, -0.08), (0, 0), side * 0.5 * 0.011)
    wide = cv2.GaussianBlur(np.maximum(small, -0.08), (0, 0), side * 0.5 * 0.035)
    sunk = np.maximum(around - small, 0) * 14 + np.maximum(wide - small, 0) * 5
    openness = 1 / (1 + sunk)
    lit = 0.22 + 0.78 * cv2.GaussianBlur(lit, (0, 0), side * 0.5 * 0.004)
    grow = (side, side)
    return (
        np.asarray(cv2.resize(lit.astype(np.float32), grow, interpolation=cv2.INTER_LINEAR), dtype=np.float32),
        np.asarray(cv2.resize(openness.astype(np.float32), grow, interpolation=cv2.INTER_LINEAR), dtype=np.float32),
    )


def _falloff(shade: Array, scene: Scene, side: int) -> Array:
    """Uneven light over the field, and the lens's vignette."""
    axis = np.linspace(-1, 1, side, dtype=np.float32)
    slope_x, slope_y = scene.light.gradient
    even = (1 + slope_x * axis)[None, :] * (1 + slope_y * axis)[:, None]
    corner = (axis**2)[None, :] + (axis**2)[:, None]
    return np.asarray(shade * even * (1 - scene.camera.vignette * corner / 2), dtype=np.float32)


def _develop(picture: Array, camera: Camera, light: Light, size_px: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Lens blur, exposure, sensor noise, tone curve."""
    small = cv2.resize(picture, (size_px, size_px), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), max(camera.blur * size_px, 0.3))
    small *= np.array(light.tint, dtype=np.float32) * np.float32(camera.exposure)
    # A soft shoulder: what is very bright nears white and does not clip into flat patches.
    np.maximum(small, 0, out=small)
    bright = small > 0.6
    small[bright] = 0.6 + 0.4 * (1 - np.exp(-(small[bright] - 0.6) / 0.4))
    signal = np.power(small, np.float32(1 / 2.2))
    signal += rng.standard_normal(signal.shape, dtype=np.float32) * np.float32(camera.noise)
    pixels: NDArray[np.uint8] = np.clip(signal * 255 + 0.5, 0, 255).astype(np.uint8)
    return pixels
