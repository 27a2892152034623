"""Reads masks as COCO's format has them: polygons and run lengths."""

from typing import Any

import numpy as np

#: No image reaches as far; NaN and infinity do not pass either.
_FAR = 1e9
_Box = tuple[float, float, float, float]


def read_mask(mask: Any) -> tuple[list | dict[str, Any], _Box]:
    """Check a mask.

    Args:
        mask: A list of polygons, one polygon, or run lengths.

    Returns:
        The mask, and the box around it.

    Raises:
        ValueError: It is none.
    """
    if isinstance(mask, dict):
        return _run_lengths(mask)
    if not isinstance(mask, list):
        raise ValueError(f'{type(mask).__name__} instead of polygons')
    # Some programs leave out the list of polygons around a single one.
    polygons = mask if isinstance(mask[0], list) else [mask]
    kept = [part for part in polygons if _is_polygon(part)]
    if not kept:
        raise ValueError('no polygon of three corners or more')
    across = [x for part in kept for x in part[::2]]
    down = [y for part in kept for y in part[1::2]]
    return kept, (min(across), min(down), max(across), max(down))


def mask_area(mask: list | dict[str, Any], width: int, height: int) -> float:
    """Return how many pixels a mask covers.

    Args:
        mask: Polygons or run lengths.
        width: Width of the image.
        height: Height of the image.
    """
    from pycocotools import mask as coco

    if isinstance(mask, dict):
        return float(coco.area(_compressed(mask)))
    runs = coco.frPyObjects(mask, height, width)
    return float(coco.area(coco.merge(runs)))


def _is_polygon(part: Any) -> bool:
    if not isinstance(part, list) or len(part) < 6 or len(part) % 2:
        return False
    return all(isinstance(n, int | float) and abs(n) < _FAR for n in part)


def _run_lengths(mask: dict[str, Any]) -> tuple[dict[str, Any], _Box]:
    from pycocotools import mask as coco

    try:
        height, width = (int(size) for size in mask['size'])
        counts = mask['counts']
        runs = _runs(counts) if isinstance(counts, str) else counts
        if not all(isinstance(run, int) for run in runs):
            raise ValueError('runs that are no whole numbers')
        if min(runs, default=0) < 0 or sum(runs) != height * width:
            raise ValueError('runs that do not fill the image')
        kept = dict(size=[height, width], counts=counts)
        pixels = coco.decode(_compressed(kept))
    except (IndexError, KeyError, OverflowError, TypeError) as error:
        raise ValueError(f'run lengths: {error!r}') from error
    rows, columns = np.any(pixels, 1).nonzero()[0], np.any(pixels, 0)
    columns = columns.nonzero()[0]
    if not len(rows):
        raise ValueError('no pixel is in it')
    return kept, (
        float(columns[0]),
        float(rows[0]),
        float(columns[-1] + 1),
        float(rows[-1] + 1),
    )


def _runs(text: str) -> list[int]:
    """Return compressed run lengths as numbers.

    pycocotools does not check the text that it decodes.
    """
    runs: list[int] = []
    place = 0
    while place < len(text):
        run = shift = 0
        more = True
        while more:
            bits = ord(text[place]) - 48
            if not 0 <= bits < 64:
                raise ValueError(f'{text[place]!r} in run lengths')
            run |= (bits & 31) << shift
            place, shift, more = place + 1, shift + 5, bool(bits & 32)
            if not more and bits & 16:
                run |= -1 << shift
        # From the fourth on, a run is the difference from the last but one.
        runs.append(run + runs[-2] if len(runs) > 2 else run)
    return runs


def _compressed(mask: dict[str, Any]) -> dict[str, Any]:
    from pycocotools import mask as coco

    if isinstance(mask['counts'], list):
        return coco.frPyObjects(mask, *mask['size'])
    return mask
