"""Checks of images and their label maps."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from cankd_mm.datasets.preparation.layout import names_in
from cankd_mm.datasets.preparation.report import Report

#: Label maps of a split that are opened, spread over it.
SAMPLED = 20


@dataclass(frozen=True)
class Pairs:
    """The images of a split and their label maps.

    Attributes:
        split: What the split is called.
        images: Folder of the images, relative to the data root.
        image_suffix: How their names end.
        masks: Folder of the label maps.
        mask_suffix: How their names end.
        num_labels: Labels are below it, or 255.
        official: Images of the official release.
    """

    split: str
    images: str
    image_suffix: str
    masks: str
    mask_suffix: str
    num_labels: int
    official: int


def check_pairs(
    report: Report,
    pairs: Pairs,
    names: Iterable[str],
    remedy: str,
    noted: Collection[Path] = (),
) -> None:
    """Checks that every named image is there with its label map; counts them.

    Args:
        report: Where it is noted.
        pairs: Where they belong.
        names: The images, without folder and suffix.
        remedy: What to do about missing files.
        noted: Missing files that the report names already.
    """
    names = sorted(names)
    for kind, folder, suffix in (
        ('images', pairs.images, pairs.image_suffix),
        ('label maps', pairs.masks, pairs.mask_suffix),
    ):
        there = names_in(report.root / folder, suffix)
        files = {f'{folder}/{name}{suffix}': name in there for name in names}
        present = [file for file in files if files[file]]
        report.count(f'{pairs.split}: {kind}', len(present), pairs.official)
        report.missing(
            f'{kind} of {pairs.split} are missing',
            (
                file
                for file in files
                if not files[file] and report.root / file not in noted
            ),
            remedy,
        )
    # What the last round found.
    _check_labels(report, pairs, present)


def _check_labels(report: Report, pairs: Pairs, paths: list[str]) -> None:
    step = max(1, len(paths) // SAMPLED)
    wrong = []
    for path in paths[::step][:SAMPLED]:
        fault = _fault(report.root / path, pairs.num_labels)
        if fault:
            wrong.append(f'{path} ({fault})')
    report.missing(
        f'of the label maps of {pairs.split} that were opened cannot be used',
        wrong,
        'delete them and run this command again, or get them anew',
    )


def _fault(path: Path, num_labels: int) -> str:
    try:
        labels = np.asarray(Image.open(path))
    except (OSError, SyntaxError) as error:
        return f'unreadable: {error}'
    if labels.ndim != 2:
        return 'colours instead of labels'
    found = np.unique(labels)
    odd = found[(found >= num_labels) & (found != 255)]
    if len(odd):
        return f'label {odd[0]}, expected 0 to {num_labels - 1} and 255'
    return ''
