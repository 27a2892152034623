"""Prepares photos with boxes: labels of any known format become COCO json."""

from collections import Counter
from typing import Any

from cankd_mm.datasets.preparation.own.boxes import to_annotation
from cankd_mm.datasets.preparation.own.class_names import report_similar_names
from cankd_mm.datasets.preparation.own.coco_json import read_coco
from cankd_mm.datasets.preparation.own.coco_output import (
    LabeledImages,
    coco_output,
)
from cankd_mm.datasets.preparation.own.faults import Faults, Kind, counted
from cankd_mm.datasets.preparation.own.images import (
    ImageFacts,
    examine_images,
    report_same_content,
)
from cankd_mm.datasets.preparation.own.labels import ImageLabels, LabelFiles
from cankd_mm.datasets.preparation.own.match import ImageIndex
from cankd_mm.datasets.preparation.own.options import OwnOptions
from cankd_mm.datasets.preparation.own.output import (
    data_root,
    write_output,
)
from cankd_mm.datasets.preparation.own.scan import Contents, scan
from cankd_mm.datasets.preparation.own.split_lists import read_split_lists
from cankd_mm.datasets.preparation.own.splits import (
    assign_splits,
    report_absent_classes,
)
from cankd_mm.datasets.preparation.own.unsupported import other_format
from cankd_mm.datasets.preparation.own.voc_xml import read_voc
from cankd_mm.datasets.preparation.own.yolo_txt import read_yolo
from cankd_mm.datasets.preparation.report import Report

#: What --format takes. Where images have labels in two of them to the same
#: extent, the first one counts: it may have masks.
READERS = dict(coco=read_coco, voc=read_voc, yolo=read_yolo)

UNLABELED = Kind(
    'image',
    'without a label',
    'label it; if such images show none of the objects, use them as '
    'background with --background',
    left_out=True,
)
TURNED_SIZE = Kind(
    'image',
    'whose label has width and height as stored, and which is read turned '
    'by its EXIF orientation',
    'see whether the boxes fit the turned image; if they fit the stored one, '
    'remove the orientation (exiftool -Orientation= FILE) and run again',
)
OTHER_SIZE = Kind(
    'image',
    'of another size than its label has; the boxes are kept',
    'if images were scaled after labeling, scale the labels in the same way',
)


def prepare_detection(report: Report, options: OwnOptions) -> None:
    """Check photos with boxes, and write them in COCO's format.

    Args:
        report: Where it is noted; has the folder.
        options: What to do.
    """
    faults = Faults()
    contents = scan(report.root, faults)
    found = _read_labels(report, contents, options, faults)
    if found is None:
        faults.write_to(report)
        return
    facts = examine_images(report.root, found.labels, options.workers, faults)
    _compare_sizes(found.labels, facts, faults)
    annotations = {
        name: _annotations(found.labels[name], facts[name], faults)
        for name in sorted(facts)
    }
    classes = _classes(report, found, annotations)
    kinds = {
        name: {item['category'] for item in items}
        for name, items in annotations.items()
    }
    listed, folder = read_split_lists(contents, annotations, faults, 'Main')
    splits = assign_splits(
        report,
        set(annotations),
        [(found.splits_from, found.splits), (f'lists in {folder}', listed)],
        kinds,
        faults,
        options.val_fraction,
        options.seed,
    )
    _count(report, splits, annotations)
    if _is_complete(report, splits, annotations):
        report_same_content(splits, facts, faults)
        report_absent_classes(report, classes, splits, kinds)
        output = coco_output(
            data_root(report, options),
            LabeledImages(report.root, facts, annotations),
            classes,
            splits,
            faults,
        )
        faults.write_to(report)
        write_output(report, output, options)
    else:
        faults.write_to(report)


def _read_labels(
    report: Report, contents: Contents, options: OwnOptions, faults: Faults
) -> LabelFiles | None:
    """Return the labels of the format that most images have."""
    if not contents.images:
        report.problem(
            f'no images in {report.root}',
            'give the folder that has the images and the labels',
        )
        return None
    index = ImageIndex(contents.images)
    names = [options.format] if options.format else list(READERS)
    results = {}
    for name in names:
        own = Faults()
        results[name] = READERS[name](contents, index, own), own
    best = max(results, key=lambda name: _extent(results[name][0]))
    found, own = results[best]
    faults.update(own)
    if not any(item.objects for item in found.labels.values()):
        what, remedy = other_format(contents)
        titles = ', '.join(item.title for item, _ in results.values())
        report.problem(
            f'{counted(len(contents.images), "image")}, and no objects in '
            f'{titles}; {what}',
            remedy,
        )
        return None
    report.note(f'labels: {found.title} ({found.found_by})')
    for name, (other, _) in results.items():
        if name != best and other.labels:
            report.note(
                f'not used: {other.title} of '
                f'{counted(len(other.labels), "image")} (--format {name})'
            )
    report.notes += found.notes
    for text, remedy in found.problems:
        report.problem(text, remedy)
    _add_unlabeled(contents, found, options.background, faults)
    return found


def _extent(found: LabelFiles) -> tuple[int, int]:
    with_objects = sum(bool(item.objects) for item in found.labels.values())
    return with_objects, len(found.labels)


def _add_unlabeled(
    contents: Contents, found: LabelFiles, background: bool, faults: Faults
) -> None:
    for name in contents.images:
        if name in found.labels or name in found.reported:
            continue
        if background:
            found.labels[name] = ImageLabels(name)
        else:
            faults.add(UNLABELED, name)


def _compare_sizes(
    labels: dict[str, ImageLabels],
    facts: dict[str, ImageFacts],
    faults: Faults,
) -> None:
    for name, image in facts.items():
        size = labels[name].size
        if size in (None, image.size):
            continue
        shown = 'x'.join(map(str, size))
        text = f'{name} (label {shown}, image {image.width}x{image.height})'
        turned = size == image.stored
        faults.add(TURNED_SIZE if turned else OTHER_SIZE, text)


def _annotations(
    labels: ImageLabels, image: ImageFacts, faults: Faults
) -> list[dict[str, Any]]:
    annotations = []
    for item in labels.objects:
        made = to_annotation(item, image.width, image.height, faults)
        if made:
            annotations.append(dict(category=item.kind, **made))
    return annotations


def _classes(
    report: Report,
    found: LabelFiles,
    annotations: dict[str, list[dict[str, Any]]],
) -> list[str]:
    counts = Counter(
        item['category'] for items in annotations.values() for item in items
    )
    # Two numbers of one name are one class.
    classes = list(dict.fromkeys(found.classes))
    report.classes = {name: counts[name] for name in classes}
    report_similar_names(report, classes)
    return classes


def _is_complete(
    report: Report,
    splits: dict[str, list[str]],
    annotations: dict[str, list[dict[str, Any]]],
) -> bool:
    """Return whether train and val have objects; add a problem if not."""
    for split in ('train', 'val'):
        if not any(annotations[name] for name in splits.get(split, ())):
            report.problem(
                f'{split} has no image with an object, of '
                f'{counted(len(annotations), "image")} with labels',
                'mend what is named above, or add labeled images',
            )
    return not report.problems


def _count(
    report: Report,
    splits: dict[str, list[str]],
    annotations: dict[str, list[dict[str, Any]]],
) -> None:
    for split, names in splits.items():
        report.count(f'{split}: images', len(names))
        empty = sum(not annotations[name] for name in names)
        if empty:
            report.count(f'{split}: images without objects', empty)
        report.count(
            f'{split}: objects', sum(len(annotations[n]) for n in names)
        )
