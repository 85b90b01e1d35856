"""What a square canvas costs pictures that are not square: stretched and undone, beside a rectangle of as many pixels.

python -m bench.stretch
"""

import numpy as np
from PIL import Image

from bench.record import record

COMMAND = "python -m bench.stretch"
COLUMNS = ("picture, px", "square canvas, px", "PSNR, dB", "rectangle, px", "PSNR, dB")
SIZES = ((256, 192), (256, 128), (512, 128), (1024, 128))
SQUARE_PX = 64
PICTURES = 50


def main() -> None:
    """Measure and record."""
    rows = []
    for width, height in SIZES:
        scale = SQUARE_PX / (width * height) ** 0.5
        rectangle = round(width * scale), round(height * scale)
        psnrs_db = [
            [_psnr(picture, canvas) for canvas in ((SQUARE_PX, SQUARE_PX), rectangle)]
            for picture in (_picture(seed, width, height) for seed in range(PICTURES))
        ]
        square, upright = np.mean(psnrs_db, axis=0)
        rows.append(
            [
                f"{width}×{height}",
                f"{SQUARE_PX}×{SQUARE_PX}",
                f"{square:.1f}",
                "{}×{}".format(*rectangle),
                f"{upright:.1f}",
            ]
        )
    notes = (
        f"Mean over {PICTURES} random pictures of a 1/f spectrum, the same in every direction, reduced with Lanczos' "
        "filter and brought back."
    )
    record("Pictures that are not square", COMMAND, COLUMNS, rows, notes, packages=("numpy", "pillow"))


def _picture(seed: int, width: int, height: int) -> np.ndarray:
    """(height, width) float32 in about [0, 1], whose amplitudes fall with frequency as those of photographs do."""
    noise = np.fft.rfft2(np.random.default_rng(seed).standard_normal((height, width)))
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    picture = np.fft.irfft2(noise / np.maximum(frequency, 1 / max(width, height)), s=(height, width))
    return (0.5 + 0.15 * (picture - picture.mean()) / picture.std()).astype(np.float32)


def _psnr(picture: np.ndarray, canvas: tuple[int, int]) -> float:
    image = Image.fromarray(picture)
    back = image.resize(canvas, Image.Resampling.LANCZOS).resize(image.size, Image.Resampling.LANCZOS)
    return float(-10 * np.log10(np.square(np.asarray(back) - picture).mean()))


if __name__ == "__main__":
    main()
