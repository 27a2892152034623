"""What is an error of the training data, and what is a warning."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cankd_mm.datasets.inspection.errors import DataSetError
from cankd_mm.datasets.inspection.names import listed, matches_listed
from cankd_mm.datasets.inspection.record import MASKS, LoadingRecord

_RENAME = (
    'Give the names as the annotations have them, in their order: classes=... '
    'in a config of configs/, metainfo=dict(classes=...) of the data set in '
    'any other; or rename the categories in the annotations'
)


@dataclass
class Verdict:
    """What to report.

    Attributes:
        report: One line or more for each data set.
        warnings: What may be meant so.
        errors: What cannot be meant so.
    """

    report: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def judge(records: Sequence[LoadingRecord]) -> Verdict:
    """Judge the counts of all data sets that training uses together.

    Args:
        records: Of every data set, those without counts included.
    """
    verdict = Verdict(report=[summary(record) for record in records])
    counted = [record for record in records if not record.not_counted]
    for record in counted:
        if record.degenerate:
            text = _degenerate(record)
            if record.box_filters:
                verdict.warnings.append(
                    f'{text}. Not an error, because pipeline has '
                    f'{", ".join(record.box_filters)}, which may remove them'
                )
            else:
                verdict.errors.append(text)
    if not counted:
        return verdict
    if not any(record.boxes for record in counted):
        # What was not counted may have boxes.
        if len(counted) == len(records):
            verdict.errors += [no_box(record) for record in counted]
        return verdict
    verdict.warnings += _classes_without_box(counted)
    for record in counted:
        # Beside others its images count as background.
        if len(records) > 1 and not record.boxes and record.unmatched:
            verdict.warnings.append(no_box(record))
        if record.numbered is not None:
            verdict.warnings += _numbering(record)
    return verdict


def no_image(record: LoadingRecord, dataset: Any) -> DataSetError:
    """Return the error of a data set without an image.

    Args:
        record: What was seen before its images were gone.
        dataset: The data set.
    """
    if record.filtered:
        filter_cfg = dict(getattr(dataset, 'filter_cfg', None) or {})
        return DataSetError(
            f'{record.key}.filter_cfg={filter_cfg} leaves out all '
            f'{record.filtered:,} images of {record.file}; {_names(record)}'
        )
    if record.listed:
        return DataSetError(
            f'{record.key}.indices={dataset._indices!r}: none of the '
            f'{record.listed:,} images of {record.file} is left'
        )
    suffix = getattr(dataset, 'img_suffix', None)
    path = Path(record.file)
    if suffix is None or not path.is_dir():
        return DataSetError(
            f'{record.key}.ann_file: {record.file}: it lists no image'
        )
    found = Counter(f.suffix for f in path.rglob('*') if f.is_file())
    return DataSetError(
        f'{record.key}.img_suffix={suffix!r}: no file in {path} has it; found '
        f'files with {listed(dict(found.most_common()))}. Set img_suffix and '
        'seg_map_suffix of the data set'
    )


def no_box(record: LoadingRecord) -> str:
    """Return the error of a data set without a box."""
    return (
        f'{record.key}.ann_file: {record.file}: no box of any class to train '
        f'on; {_names(record)}'
    )


def _names(record: LoadingRecord) -> str:
    """Compare the annotations with ``classes``, with the remedy."""
    parts = []
    if record.source is not None:
        parts.append(f'names in the annotations: {listed(record.source)}')
    parts.append(f'classes: {listed(record.classes)}')
    matches = matches_listed(record.unmatched, record.classes)
    if matches:
        parts.append(f'closest classes: {matches}')
    if record.dropped:
        parts.append(f'boxes left out: {_dropped(record)}')
    if record.ignored:
        parts.append(f'to be ignored (crowd, difficult): {record.ignored:,}')
    if set(record.source or ()) & set(record.classes):
        remedy = 'There are names that fit: look at the boxes'
    else:
        remedy = _RENAME
    return '; '.join(parts) + f'. {remedy}'


def summary(record: LoadingRecord) -> str:
    """Return what was seen of a data set, in a few lines."""
    head = f'{record.key} ({record.kind}, {record.file}): '
    images = [f'{record.images:,} images']
    if record.filtered:
        images.append(f'{record.filtered:,} left out by filter_cfg')
    if record.is_subset and record.listed:
        rest = record.listed - record.filtered - record.images
        images.append(f'{max(rest, 0):,} by indices')
    if record.not_counted == MASKS:
        return head + ', '.join(images)
    if record.not_counted:
        return f'{head}boxes were not looked at, because {record.not_counted}'
    images.append(f'{record.empty:,} without a box')
    total = sum(record.boxes.values())
    boxes = f'{total:,} boxes in {len(record.boxes)} of '
    boxes += f'{len(record.classes)} classes'
    if record.ignored:
        boxes += f', {record.ignored:,} more to be ignored (crowd, difficult)'
    lines = [head + ', '.join(images) + '; ' + boxes]
    if record.boxes:
        lines.append(f'  boxes per class: {_per_class(record.boxes)}')
    if record.dropped:
        lines.append(f'  boxes left out: {_dropped(record)}')
    return '\n'.join(lines)


def _per_class(boxes: Counter) -> str:
    ordered = boxes.most_common()
    if len(ordered) <= 12:
        return listed(dict(ordered))
    first, last = dict(ordered[:5]), dict(ordered[-5:])
    return f'{listed(first)} ... {listed(last)}'


def _dropped(record: LoadingRecord) -> str:
    return ', '.join(
        f'{count:,} ({why})' for why, count in record.dropped.most_common()
    )


def _degenerate(record: LoadingRecord) -> str:
    return (
        f'{record.key}.ann_file: {record.file}: boxes without a finite, '
        f'positive size, which make losses NaN: {record.degenerate:,}; '
        + '; '.join(record.examples)
        + '. Expected xmin < xmax and ymin < ymax. Mend the annotations'
        + (
            ', or ignore such boxes with filter_cfg=dict(bbox_min_size=1)'
            if record.examples and '.xml' in record.examples[0]
            else ''
        )
    )


def _classes_without_box(records: Sequence[LoadingRecord]) -> list[str]:
    boxes, source, unmatched = Counter(), Counter(), Counter()
    classes, is_subset = {}, False
    for record in records:
        classes.update(dict.fromkeys(record.classes))
        boxes.update(record.boxes)
        source.update(record.source or {})
        unmatched.update(record.unmatched)
        is_subset |= record.is_subset
    without = [name for name in classes if not boxes[name]]
    if is_subset:
        # Some classes are not in the images that `indices` selects; that is
        # in the report.
        without = [name for name in without if not source[name]]
    if not without:
        return []
    text = (
        f'{records[0].key}: {len(without)} of {len(classes)} classes have no '
        f'box: {listed(without)}'
    )
    if unmatched:
        text += f'; in the annotations, but no class: {listed(unmatched)}'
    matches = matches_listed(unmatched, without)
    if matches:
        text += f'; closest classes: {matches}. {_RENAME}'
    return [text]


def _numbering(record: LoadingRecord) -> list[str]:
    """Compare the file's numbers with those of ``classes``.

    mmdet numbers the categories in the order of the file, and the names for
    the numbers come from ``classes``.
    """
    for label, (found, name) in enumerate(
        zip(record.numbered, record.classes, strict=False)
    ):
        if found != name:
            return [
                f'{record.key}: label {label} is {found!r} in {record.file} '
                f'and {name!r} in classes: mmdet numbers the categories in '
                'the order of the file, so that predictions and results get '
                'the names of other classes. Give all names of classes a '
                'category, in the same order'
            ]
    return []
