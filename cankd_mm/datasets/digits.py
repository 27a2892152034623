"""A small real-handwriting data set for detection and segmentation.

scikit-learn ships 1,797 handwritten digits of 8x8 pixels (UCI Optical
Recognition of Handwritten Digits). Several of them, enlarged, are painted on
each canvas. Nothing is downloaded.

The digits come grouped by writer, although the file does not say where one
writer ends. The splits therefore share no digit and are cut once, in file
order: the first four fifths are for training. At most the writer at the cut
is on both sides.
"""

import json
import shutil
import tempfile
from dataclasses import asdict, dataclass
from hashlib import sha1
from pathlib import Path

import numpy as np

from cankd_mm.datasets.digits_annotations import write_split
from cankd_mm.datasets.digits_canvas import paint

DEFAULT_ROOT = 'work_dirs/digits'
_VERSION = 1  # raise it whenever the same spec gives other files
_TRAIN_PART = 0.8


@dataclass(frozen=True)
class DigitsSpec:
    """What decides the files; equal specs give equal files.

    Attributes:
        num_train: Number of training images.
        num_val: Number of validation images.
        canvas: Height and width of an image in pixels.
        digits_per_image: Fewest and most digits on an image.
        digit_size: Smallest and largest digit in pixels.
        seed: Seed of every random choice. Each image has its own stream, so
            a larger set starts with the images of the smaller one.

    Raises:
        ValueError: A number is out of range.
    """

    num_train: int = 1500
    num_val: int = 300
    canvas: int = 96
    digits_per_image: tuple[int, int] = (2, 5)
    digit_size: tuple[int, int] = (18, 40)
    seed: int = 0

    def __post_init__(self):
        """Refuses what cannot be drawn."""
        for name in ('digits_per_image', 'digit_size'):
            low, high = getattr(self, name)
            # Configs write lists; a tuple keeps the spec hashable.
            object.__setattr__(self, name, (low, high))
            if not 1 <= low <= high:
                raise ValueError(
                    f'{name} must be (fewest, most) with 1 <= fewest <= most,'
                    f' got {(low, high)}'
                )
        if self.digit_size[1] > self.canvas:
            raise ValueError(
                f'digit_size goes up to {self.digit_size[1]} pixels, which '
                f'does not fit on a canvas of {self.canvas}'
            )
        for name in ('num_train', 'num_val'):
            if getattr(self, name) < 1:
                raise ValueError(
                    f'{name} must be at least 1, got {getattr(self, name)}'
                )


def make_digits(
    root: str | Path = DEFAULT_ROOT, spec: DigitsSpec | None = None
) -> Path:
    """Makes the data set, unless it is there already.

    Each spec has a folder of its own below ``root``. It is written under a
    temporary name and renamed when complete, so a folder that exists is
    whole, and processes that start together do not disturb each other.

    Args:
        root: Folder of all digits data sets.
        spec: What to make. Defaults to ``DigitsSpec()``.

    Returns:
        The folder of this data set; its layout is described in
        :mod:`cankd_mm.datasets.digits_annotations`.

    Raises:
        ImportError: scikit-learn is missing and the data is not there yet.
    """
    spec = spec or DigitsSpec()
    stamp = json.dumps(dict(asdict(spec), version=_VERSION), sort_keys=True)
    folder = Path(root) / sha1(stamp.encode()).hexdigest()[:10]
    if folder.is_dir():
        return folder

    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix='.making-', dir=folder.parent))
    try:
        draft.chmod(0o755)  # mkdtemp gives a folder that only we can read
        for split, count in (('train', spec.num_train), ('val', spec.num_val)):
            write_split(draft, split, _paint_split(split, count, spec))
        (draft / 'spec.json').write_text(stamp + '\n')
        draft.rename(folder)
    except OSError:
        if not folder.is_dir():  # otherwise another process was faster
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def _paint_split(split: str, count: int, spec: DigitsSpec) -> list:
    glyphs, labels = load_handwriting(split)
    stream = ('train', 'val').index(split)
    return [
        paint(
            np.random.default_rng([spec.seed, stream, index]),
            glyphs,
            labels,
            spec.canvas,
            spec.digits_per_image,
            spec.digit_size,
        )
        for index in range(count)
    ]


def load_handwriting(split: str) -> tuple[np.ndarray, np.ndarray]:
    """The handwritten digits of one split.

    Args:
        split: ``'train'`` or ``'val'``.

    Returns:
        Ink between 0 and 1, and the digit each glyph shows.

    Shape:
        - ink: (number of glyphs, 8, 8), float64
        - digits: (number of glyphs,), integers
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError(
            "the digits data sets are made from scikit-learn's handwriting: "
            'pip install scikit-learn'
        ) from error

    glyphs, labels = load_digits(return_X_y=True)
    glyphs = glyphs.reshape(-1, 8, 8) / 16
    cut = int(_TRAIN_PART * len(glyphs))
    part = slice(None, cut) if split == 'train' else slice(cut, None)
    return glyphs[part], labels[part]
