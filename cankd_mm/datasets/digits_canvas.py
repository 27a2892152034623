"""Paints handwritten digits on a smooth dark background.

Legend: H, W canvas height and width; N digits on one canvas.
"""

from dataclasses import dataclass

import cv2
import numpy as np

INK = 0.3  # a pixel with more ink than this belongs to the digit
_GAP = 1  # background pixels kept between two digits' cells
_TRIES = 40  # positions tried for one digit before it is left out


@dataclass
class Canvas:
    """One painted image and what is on it.

    Attributes:
        image: Grey values.
        mask: 0 is background, ``digit + 1`` is ink of that digit.
        boxes: ``x1, y1, x2, y2``, the tight box of each digit's mask;
            ``x2`` and ``y2`` lie one past the last pixel.
        digits: What each box holds, 0 to 9.

    Shape:
        - image, mask: (H, W), uint8
        - boxes: (N, 4), integers
        - digits: (N,), integers
    """

    image: np.ndarray
    mask: np.ndarray
    boxes: np.ndarray
    digits: np.ndarray


def paint(
    rng: np.random.Generator,
    glyphs: np.ndarray,
    labels: np.ndarray,
    canvas: int,
    digits_per_image: tuple[int, int],
    digit_size: tuple[int, int],
) -> Canvas:
    """Paints one canvas; the same generator state gives the same canvas.

    Args:
        rng: Source of every random choice.
        glyphs: Handwriting to choose from, ink between 0 and 1.
        labels: The digit each glyph shows.
        canvas: Height and width in pixels.
        digits_per_image: Fewest and most digits. Where the canvas is too full
            for another one there are fewer, never less than the fewest.
        digit_size: Smallest and largest height of a digit's cell in pixels.

    Shape:
        - glyphs: (number of glyphs, 8, 8)
        - labels: (number of glyphs,)
    """
    image = _background(rng, canvas)
    wanted = int(rng.integers(digits_per_image[0], digits_per_image[1] + 1))
    cells = _place(rng, canvas, wanted, digits_per_image[0], digit_size)

    mask = np.zeros((canvas, canvas), np.uint8)
    boxes, digits = [], []
    for x, y, size in cells:
        index = int(rng.integers(len(glyphs)))
        ink = cv2.resize(
            glyphs[index], (size, size), interpolation=cv2.INTER_CUBIC
        )
        ink = ink.clip(0, 1)
        window = np.s_[y : y + size, x : x + size]
        image[window] += ink * (rng.uniform(140, 250) - image[window])
        mask[window][ink > INK] = labels[index] + 1
        rows, columns = np.nonzero(ink > INK)
        boxes.append(
            (
                x + columns.min(),
                y + rows.min(),
                x + columns.max() + 1,
                y + rows.max() + 1,
            )
        )
        digits.append(labels[index])
    image += rng.normal(0, 4, image.shape)
    return Canvas(
        image=image.round().clip(0, 255).astype(np.uint8),
        mask=mask,
        boxes=np.asarray(boxes),
        digits=np.asarray(digits),
    )


def _background(rng: np.random.Generator, canvas: int) -> np.ndarray:
    """A slow gradient between dark greys: (H, W), float64."""
    coarse = rng.uniform(10, 90, (4, 4))
    return cv2.resize(
        coarse, (canvas, canvas), interpolation=cv2.INTER_CUBIC
    ).clip(0, 110)


def _place(
    rng: np.random.Generator,
    canvas: int,
    wanted: int,
    fewest: int,
    digit_size: tuple[int, int],
) -> list[tuple[int, int, int]]:
    """Chooses cells ``x, y, size`` that do not touch each other."""
    for _ in range(1000):
        cells = []
        for _ in range(wanted):
            size = int(rng.integers(digit_size[0], digit_size[1] + 1))
            for _ in range(_TRIES):
                x, y = (
                    int(v) for v in rng.integers(canvas - size + 1, size=2)
                )
                if all(_apart(x, y, size, *cell) for cell in cells):
                    cells.append((x, y, size))
                    break
        if len(cells) >= fewest:
            return cells
    raise ValueError(
        f'digits_per_image starts at {fewest}, but that many digits of '
        f'digit_size {digit_size} hardly ever fit on a canvas of {canvas} '
        'pixels: take a larger canvas, or fewer or smaller digits'
    )


def _apart(x, y, size, other_x, other_y, other_size) -> bool:
    return (
        x >= other_x + other_size + _GAP
        or other_x >= x + size + _GAP
        or y >= other_y + other_size + _GAP
        or other_y >= y + size + _GAP
    )
