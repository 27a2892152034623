"""Opens a few images and masks of a data set, evenly spread."""

import copy
import os
from collections.abc import Callable, Collection
from itertools import takewhile
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from cankd_mm.datasets.inspection.errors import brief, unusual_content
from cankd_mm.datasets.inspection.record import EXAMPLES
from cankd_mm.datasets.inspection.steps import is_own, own_steps
from cankd_mm.datasets.inspection.verdict import Verdict
from cankd_mm.utils.random_state import preserved_random_state

#: How many images are opened.
SIZE = 16


def inspect_sample(
    dataset: Any,
    key: str,
    size: int = SIZE,
    also_ignored: Collection[int] = (),
    untrained: Collection[int] | None = None,
) -> Verdict:
    """Open a few images and masks with the data set's own loading steps.

    Random streams are left as they are; nothing of the data set changes.

    Args:
        dataset: One data set, without those around it.
        key: Where the config has it.
        size: How many images to open.
        also_ignored: Labels of masks that the model ignores, which need not
            be the ``ignore_index`` of the data set.
        untrained: Labels from which nothing of the model learns; by default
            the data set's ``ignore_index``.
    """
    if not _has_items(dataset):
        return Verdict(report=[_not_looked_at(key, dataset, 'no items')])
    steps = _loading_steps(dataset)
    if not steps:
        return Verdict(
            report=[_not_looked_at(key, dataset, 'no step loads images first')]
        )
    sample = _Sample(dataset, key, steps)
    sample.ignored.update(also_ignored)
    if untrained is not None:
        sample.untrained = set(untrained)
    total = len(dataset)
    count = min(size, total)
    with preserved_random_state(devices=[]):
        for index in range(count):
            sample.open(index * total // count)
    return sample.verdict(count)


class _Sample:
    """What is found in the images that were opened."""

    def __init__(self, dataset: Any, key: str, steps: list[Callable]):
        self.dataset = dataset
        self.key = key
        self.steps = steps
        self.errors: dict[str, list[str]] = {}
        # Those that a later step of the pipeline may take away.
        self.doubts: dict[str, list[str]] = {}
        self.warnings: dict[str, list[str]] = {}
        self.labels = set()
        self.masks = 0
        self.ignored_masks = 0
        self.no_mask = 0
        meta = getattr(dataset, '_metainfo', None) or {}
        self.classes = meta.get('classes') or ()
        self.ignored = {getattr(dataset, 'ignore_index', 255)}
        self.untrained = set(self.ignored)
        self._reduces = getattr(dataset, 'reduce_zero_label', None)

    def open(self, index: int) -> None:
        """Load one image, and its mask where the data set has masks."""
        item = self.dataset.get_data_info(index)
        has_mask = 'instances' not in item and bool(item.get('seg_map_path'))
        expected = item.get('height'), item.get('width')
        steps = self.steps if has_mask else self.steps[:1]
        results = item
        for step in steps:
            loads_mask = step is not self.steps[0]
            path = item['seg_map_path' if loads_mask else 'img_path']
            try:
                results = step(results)
            except Exception as error:
                self._cannot_be_loaded(path, loads_mask, error)
                return
            if results is None:
                return
            if not loads_mask:
                self._require_whole(path)
        image = results.get('img')
        if not isinstance(image, np.ndarray) or image.ndim not in (2, 3):
            return
        if not has_mask:
            found = image.shape[:2]
            if None not in expected and tuple(expected) != found:
                self._warn(
                    'images of another size than the annotations have',
                    f'{item["img_path"]}: the image is {_size(found)}, the '
                    f'annotations have {_size(expected)}',
                )
            return
        mask = results.get('gt_seg_map')
        if mask is None:
            self.no_mask += 1
            return
        self._look_at_mask(item, image, np.asarray(mask))

    def verdict(self, count: int) -> Verdict:
        """Return what there is to report."""
        verdict = Verdict()
        custom = own_steps(_transforms(self.dataset))
        methods = _own_methods(self.dataset)
        for kind, examples in self.errors.items():
            text = self._text(kind, examples, count)
            if methods:
                verdict.warnings.append(
                    f'{text}. Not an error, because '
                    f'{type(self.dataset).__name__} has its own '
                    f'{", ".join(methods)}, which may load them otherwise'
                )
            else:
                verdict.errors.append(text)
        for kind, examples in self.doubts.items():
            text = self._text(kind, examples, count)
            if custom or methods:
                verdict.warnings.append(
                    f'{text}. Not an error, because pipeline has '
                    f'{", ".join(custom + methods)}, which may change masks'
                )
            else:
                verdict.errors.append(text)
        for kind, examples in self.warnings.items():
            verdict.warnings.append(self._text(kind, examples, count))
        if self.masks and self.masks == self.ignored_masks:
            text = (
                f'{self.key}.data_prefix.seg_map_path: all labels of all '
                f'{self.masks} masks that were opened are ignore_index='
                f'{_numbers(self.untrained)}. Expected labels 0 to '
                f'{len(self.classes) - 1}; look at the masks and at '
                f'reduce_zero_label={self._reduces}'
            )
            is_doubt = custom or methods
            (verdict.warnings if is_doubt else verdict.errors).append(text)
        line = f'{self.key}: opened {count} of {len(self.dataset):,} images'
        if self.masks:
            seen = self.labels & set(range(len(self.classes)))
            line += (
                f' and {self.masks} masks: labels of {len(seen)} of '
                f'{len(self.classes)} classes'
            )
            if self.ignored_masks:
                line += f', {self.ignored_masks} with ignored labels only'
            if len(seen) == 1 and len(self.classes) > 1:
                verdict.warnings.append(
                    f'{self.key}.data_prefix.seg_map_path: all {self.masks} '
                    f'masks that were opened have label {_numbers(seen)} '
                    'only, of '
                    f'{len(self.classes)} classes '
                    f'(ignored: {_numbers(self.untrained)}). Look at the '
                    'masks (0 and 255 of a binary mask are class 0 and '
                    f'ignored) and at reduce_zero_label={self._reduces}'
                )
        if self.no_mask:
            line += (
                f'. {self.no_mask} masks were not looked at: no loading step '
                'reads them'
            )
        verdict.report.append(line)
        return verdict

    def _text(self, kind: str, examples: list[str], count: int) -> str:
        shown = '; '.join(examples[:EXAMPLES])
        return (
            f'{self.key}: {kind} ({len(examples)} of {count} opened): {shown}'
        )

    def _fail(self, kind: str, example: str) -> None:
        self.errors.setdefault(kind, []).append(example)

    def _doubt(self, kind: str, example: str) -> None:
        self.doubts.setdefault(kind, []).append(example)

    def _warn(self, kind: str, example: str) -> None:
        self.warnings.setdefault(kind, []).append(example)

    def _cannot_be_loaded(
        self, path: str, loads_mask: bool, error: Exception
    ) -> None:
        what = 'masks' if loads_mask else 'images'
        if isinstance(error, FileNotFoundError):
            name = 'seg_map' if loads_mask else 'img'
            self._fail(
                f'{what} that are not there; look at data_prefix and '
                f'{name}_suffix',
                # A step may open other files, too.
                f'{path}: {error}' if os.path.isfile(path) else str(path),
            )
            return
        unusual = unusual_content(path)
        why = f'this is {unusual}' if unusual else _damage(path)
        if not why and _is_unidentified(path):
            why = brief(error)
        if why:
            self._fail(f'{what} that cannot be read', f'{path}: {why}')
            return
        # Steps may need what a data set or the training adds to its items.
        self._warn(
            f'{what} that could not be looked at', f'{path}: {brief(error)}'
        )

    def _require_whole(self, path: str) -> None:
        """Find truncated images, which OpenCV may fill with gray."""
        damage = _damage(path)
        if damage:
            self._warn(
                'images that are damaged, but that the pipeline can load',
                f'{path}: {damage}',
            )

    def _look_at_mask(
        self, item: dict, image: np.ndarray, mask: np.ndarray
    ) -> None:
        path = item['seg_map_path']
        form = _MaskFile(path)
        if mask.ndim != 2:
            self._doubt(
                'masks that are pictures; expected one channel with a label '
                'a pixel',
                f'{path}: shape {mask.shape}{form.words}',
            )
            return
        if mask.shape != image.shape[:2]:
            self._doubt(
                'masks of another size than the image',
                f'{path}: the mask is {_size(mask.shape)}, '
                f'{item["img_path"]} is {_size(image.shape)}',
            )
            return
        highest = form.highest()
        if highest > 255:
            self._doubt(
                'masks with labels above 255, of which the loading step '
                'keeps the low 8 bits',
                f'{path}: label {highest}{form.words}',
            )
            return
        found = _labels_of(mask)
        self.masks += 1
        self.labels |= found
        self.ignored_masks += found <= self.untrained
        outside = found - self.ignored - set(range(len(self.classes)))
        if self.classes and outside:
            labels = ', '.join(map(str, sorted(outside)[:8]))
            self._doubt(
                f'masks with labels outside of 0 to {len(self.classes) - 1} '
                f'(classes) and {_numbers(self.ignored)} (ignore_index), '
                f'after reduce_zero_label={self._reduces}',
                f'{path}: found {labels}{form.words}',
            )


class _MaskFile:
    """How a mask is stored."""

    def __init__(self, path: str):
        self.path = path
        self.mode = self.kind = None
        try:
            with Image.open(path) as image:
                self.mode, self.kind = image.mode, image.format
        except OSError:
            pass

    @property
    def words(self) -> str:
        """The format in words."""
        if self.mode is None:
            return ''
        lossy = ', which changes labels' if self.kind == 'JPEG' else ''
        return f' ({self.kind} of mode {self.mode}{lossy})'

    def highest(self) -> int:
        """The highest label of a file with more than 8 bits; 0 of others."""
        if self.mode is None or not self.mode.startswith(('I', 'F')):
            return 0
        with Image.open(self.path) as image:
            return int(np.asarray(image).max())


def _damage(path: str) -> str:
    """Return why Pillow cannot decode a local image; '' where it can."""
    if not os.path.isfile(path):
        return ''
    try:
        with Image.open(path) as image:
            image.load()
    except UnidentifiedImageError:
        # Other libraries know more formats.
        return ''
    except (OSError, SyntaxError, ValueError) as error:
        return brief(error)
    return ''


def _is_unidentified(path: str) -> bool:
    if not os.path.isfile(path):
        return False
    try:
        Image.open(path).close()
    except UnidentifiedImageError:
        return True
    return False


def _numbers(labels: set[int]) -> str:
    return ', '.join(map(str, sorted(labels)))


def _own_methods(dataset: Any) -> list[str]:
    """Return the user's own methods that load an item, if any."""
    found = []
    for name in ('prepare_data', '__getitem__'):
        method = getattr(type(dataset), name, None)
        if method is not None and is_own(method):
            found.append(name)
    pipeline = getattr(dataset, 'pipeline', None)
    if pipeline is not None and is_own(type(pipeline)):
        found.append('pipeline')
    return found


def _labels_of(mask: np.ndarray) -> set[int]:
    if mask.dtype == np.uint8:
        # Faster than sorting.
        return set(np.flatnonzero(np.bincount(mask.ravel())).tolist())
    return set(np.unique(mask).tolist())


def _has_items(dataset: Any) -> bool:
    return (
        callable(getattr(dataset, 'get_data_info', None))
        and hasattr(dataset, '__len__')
        and len(dataset) > 0
        and isinstance(dataset.get_data_info(0), dict)
        and 'img_path' in dataset.get_data_info(0)
    )


def _transforms(dataset: Any) -> list[Callable]:
    pipeline = getattr(dataset, 'pipeline', None)
    return list(getattr(pipeline, 'transforms', None) or [])


def _loading_steps(dataset: Any) -> list[Callable]:
    """Return copies of the steps that load, which come first.

    Copies, because a step may note what it sees.
    """
    steps = takewhile(
        lambda step: type(step).__name__.startswith('Load'),
        _transforms(dataset),
    )
    steps = [copy.copy(step) for step in steps]
    if not steps or 'Image' not in type(steps[0]).__name__:
        return []
    return steps


def _not_looked_at(key: str, dataset: Any, why: str) -> str:
    return (
        f'{key}: images of {type(dataset).__name__} were not looked at: {why}'
    )


def _size(shape: tuple) -> str:
    return f'{shape[1]}x{shape[0]} (width x height)'
