"""Decodes images, as the pipeline of a config will."""

import hashlib
import io
import warnings
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile

from cankd_mm.datasets.preparation.conversion import run_in_processes
from cankd_mm.datasets.preparation.own.faults import Faults, Kind

UNDECODABLE = Kind(
    'image',
    'that cannot be decoded',
    'get the file again, or remove it; save other formats as JPEG or PNG',
    left_out=True,
)
SIXTEEN_BITS = Kind(
    'image',
    'of more than 8 bits a channel; pipelines read the upper 8 bits',
    'scale dark 16-bit images to 8 bits yourself and prepare those',
)
SAME_CONTENT = Kind(
    'image',
    'with the same content as one of another split',
    'remove one of the two: results on images that were trained on are too '
    'good',
)


@dataclass(frozen=True)
class ImageFacts:
    """What decoding an image shows.

    Attributes:
        width: Width in pixels after the rotation that EXIF asks for, as the
            pipeline reads it.
        height: Height likewise.
        stored: Width and height before that rotation.
        digest: The same for files of the same content.
        bits: Bits of a channel.
        error: Why it cannot be decoded; '' where it can.
    """

    width: int = 0
    height: int = 0
    stored: tuple[int, int] = (0, 0)
    digest: str = ''
    bits: int = 8
    error: str = ''

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as the pipeline reads them."""
        return self.width, self.height


def examine_images(
    root: Path, names: Collection[str], workers: int, faults: Faults
) -> dict[str, ImageFacts]:
    """Decode images.

    Args:
        root: Folder of the data.
        names: The images, relative to it.
        workers: Processes to use.
        faults: Where images that cannot be decoded are added.

    Returns:
        Width, height and more of each image that can be decoded.
    """
    names = sorted(names)
    results = run_in_processes(
        partial(examine_image, root), names, 'images decoded', workers
    )
    facts = {}
    for name, result in zip(names, results, strict=True):
        if result.error:
            faults.add(UNDECODABLE, f'{name} ({result.error})')
            continue
        facts[name] = result
        if result.bits > 8:
            faults.add(SIXTEEN_BITS, name)
    return facts


def examine_image(root: Path, name: str) -> ImageFacts:
    """Decode an image with Pillow and with OpenCV.

    OpenCV is what mmcv reads with; it fills up truncated files silently, and
    Pillow does not.

    Args:
        root: Folder of the data.
        name: The image, relative to it.

    Returns:
        What it is like, or why it cannot be decoded.
    """
    try:
        content = (root / name).read_bytes()
    except OSError as error:
        return ImageFacts(error=error.strerror or str(error))
    if not content:
        return ImageFacts(error='the file is empty')
    try:
        image = decode_image(content)
    except ValueError as error:
        return ImageFacts(error=str(error))
    pixels = _as_the_pipeline(content)
    if pixels is None:
        return ImageFacts(
            error=f'{image.format}, which OpenCV does not decode'
        )
    height, width = pixels.shape[:2]
    return ImageFacts(
        width,
        height,
        image.size,
        hashlib.blake2b(content, digest_size=16).hexdigest(),
        _bits(image, content),
    )


def decode_image(content: bytes) -> Image.Image:
    """Decode an image with Pillow.

    Args:
        content: The file.

    Returns:
        The first image in it, decoded as far as its end.

    Raises:
        ValueError: It cannot be decoded.
    """
    # Something imported earlier may have set it.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        with warnings.catch_warnings():
            # Of large images, odd EXIF and palettes; none is an error here.
            warnings.simplefilter('ignore')
            image = Image.open(io.BytesIO(content))
            image.load()
    except Image.UnidentifiedImageError as error:
        raise ValueError(_no_image(content)) from error
    # Broken files raise many kinds, from OSError to struct.error.
    except Exception as error:
        raise ValueError(str(error) or repr(error)) from error
    return image


def _no_image(content: bytes) -> str:
    # Photos of phones; Pillow needs a plug-in for them, and OpenCV has none.
    if content[4:8] == b'ftyp':
        return 'HEIC or AVIF'
    if content.startswith(b'version https://git-lfs'):
        return 'a pointer of Git LFS: run git lfs pull'
    return 'no image format that Pillow knows'


def _as_the_pipeline(content: bytes) -> np.ndarray | None:
    # Heavy to import, and not needed by those who import the package.
    import cv2

    try:
        return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        return None


def _bits(image: Image.Image, content: bytes) -> int:
    if image.format == 'PNG':
        # Pillow makes 8 bits of 16-bit colors; the header has the number.
        return content[24]
    if image.mode.startswith(('I', 'F')):
        return 16
    if image.format == 'TIFF':
        bits = image.tag_v2.get(258)
        return max(bits) if isinstance(bits, tuple) and bits else 8
    return 8


def report_same_content(
    splits: dict[str, list[str]], facts: dict[str, ImageFacts], faults: Faults
) -> None:
    """Add images that are in two splits, under one name or two.

    Args:
        splits: The images of each split.
        facts: What decoding them showed.
        faults: Where they are added.
    """
    first: dict[str, tuple[str, str]] = {}
    previous = None
    for split, names in splits.items():
        # Two splits of one list are reported where they were assigned.
        is_same, previous = names == previous, names
        if is_same:
            continue
        for name in names:
            digest = facts[name].digest
            other, earlier = first.setdefault(digest, (split, name))
            if other != split:
                faults.add(SAME_CONTENT, f'{split} {name} = {other} {earlier}')
