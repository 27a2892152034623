"""Prepares photos with label maps: lists of names, and 8-bit label maps."""

import os
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from cankd_mm.datasets.preparation.own.class_names import report_similar_names
from cankd_mm.datasets.preparation.own.coco_output import path_from
from cankd_mm.datasets.preparation.own.faults import (
    CannotPrepareError,
    Faults,
    Kind,
    counted,
)
from cankd_mm.datasets.preparation.own.images import (
    ImageFacts,
    examine_images,
    report_same_content,
)
from cankd_mm.datasets.preparation.own.label_colors import (
    Color,
    assign_colors,
    find_name_file,
    read_names_and_colors,
)
from cankd_mm.datasets.preparation.own.label_maps import LabelMaps, in_place
from cankd_mm.datasets.preparation.own.label_values import (
    GRAY,
    IGNORED,
    Labels,
    MaskFacts,
    assign_labels,
    examine_masks,
)
from cankd_mm.datasets.preparation.own.mask_pairs import find_pairs
from cankd_mm.datasets.preparation.own.options import OwnOptions
from cankd_mm.datasets.preparation.own.output import (
    Output,
    data_root,
    write_output,
)
from cankd_mm.datasets.preparation.own.scan import Contents, scan
from cankd_mm.datasets.preparation.own.split_lists import read_split_lists
from cankd_mm.datasets.preparation.own.splits import (
    assign_splits,
    report_absent_classes,
)
from cankd_mm.datasets.preparation.report import Report
from cankd_mm.datasets.prepared import FOLDER, PreparedData

UNLABELED = Kind(
    'image',
    'without a label map',
    'add the label map, with the name of the image',
    left_out=True,
)
BROKEN_MASK = Kind(
    'label map',
    'that cannot be read',
    'export it again, as PNG',
    left_out=True,
)
LOSSY_MASK = Kind(
    'label map',
    'in JPEG format, which changes labels',
    'export it again, as PNG',
    left_out=True,
)
OTHER_KIND = Kind(
    'label map',
    'with colors, while most have numbers of classes',
    'export all label maps in one way',
    left_out=True,
)
OTHER_SIZE = Kind(
    'image',
    'of another size than its label map',
    'export the label map in the size of the image',
    left_out=True,
)
TURNED = Kind(
    'image',
    'that is read turned by its EXIF orientation, and its label map is not',
    'remove the orientation (exiftool -Orientation= FILE), or turn the label '
    'map',
    left_out=True,
)
ALL_IGNORED = Kind(
    'label map',
    'in which every pixel is ignored',
    'label it, or remove it with its image',
    left_out=True,
)
SPACED_NAME = Kind(
    'image',
    'whose name, or a folder of it, begins or ends with a space',
    'rename it together with its label map: lists of names lose spaces',
    left_out=True,
)


@dataclass(frozen=True)
class _Pair:
    mask: str
    image: ImageFacts
    facts: MaskFacts


def prepare_segmentation(report: Report, options: OwnOptions) -> None:
    """Check photos with label maps, and write lists of them.

    Args:
        report: Where it is noted; has the folder.
        options: What to do.
    """
    faults = Faults()
    contents = scan(report.root, faults)
    found = find_pairs(report, contents, options, faults)
    if found:
        report.notes += found.notes
        faults.extend(UNLABELED, found.unmatched)
        output = _prepare(report, contents, found.masks, options, faults)
        faults.write_to(report)
        if output:
            write_output(report, output, options)
    else:
        faults.write_to(report)


def _prepare(
    report: Report,
    contents: Contents,
    masks: dict[str, str],
    options: OwnOptions,
    faults: Faults,
) -> Output | None:
    pairs = _examine(report.root, masks, options.workers, faults)
    values = Counter()
    for pair in pairs.values():
        values.update(pair.facts.values)
    try:
        names, colors = _names(report, contents, options)
        if not pairs:
            raise CannotPrepareError(
                'no image with a label map can be used',
                'mend what is named above',
            )
        if next(iter(pairs.values())).facts.is_color:
            labels = assign_colors(values, colors)
        else:
            labels = assign_labels(values, options.ignore, names)
        if len(labels.classes) > IGNORED:
            raise CannotPrepareError(
                f'{len(labels.classes)} classes; label maps of 8 bits have '
                f'{IGNORED}, and {IGNORED} for what is ignored',
                'name fewer classes, or put some of them together',
            )
    except CannotPrepareError as error:
        report.problem(str(error), error.remedy)
        return None
    report.notes += labels.notes
    kinds = {}
    for name, pair in list(pairs.items()):
        there = {labels.table.get(v, IGNORED) for v in pair.facts.values}
        kinds[name] = {labels.classes[n] for n in there - {IGNORED}}
        if not kinds[name]:
            faults.add(ALL_IGNORED, pair.mask)
            del pairs[name]
    listed, folder = read_split_lists(contents, pairs, faults, 'Segmentation')
    splits = assign_splits(
        report,
        set(pairs),
        [(f'lists in {folder}', listed)],
        kinds,
        faults,
        options.val_fraction,
        options.seed,
    )
    for split, images in splits.items():
        report.count(f'{split}: images with a label map', len(images))
    if not splits:
        report.problem(
            f'{counted(len(pairs), "image")} with a label map, and train and '
            'val need one each',
            'add images with label maps',
        )
        return None
    there = Counter(kind for name in pairs for kind in kinds[name])
    report.classes = {name: there[name] for name in labels.classes}
    report.note('classes: with the number of images that show them')
    report_similar_names(report, labels.classes)
    report_same_content(
        splits, {name: pair.image for name, pair in pairs.items()}, faults
    )
    report_absent_classes(report, labels.classes, splits, kinds)
    return _output(report, options, pairs, labels, splits)


def _examine(
    root: Path, masks: dict[str, str], workers: int, faults: Faults
) -> dict[str, _Pair]:
    """Return the pairs that can be used."""
    images = examine_images(root, masks, workers, faults)
    facts = examine_masks(root, set(masks.values()), workers)
    readable = [
        item for item in facts.values() if not item.error and not item.is_jpeg
    ]
    colored = sum(item.is_color for item in readable)
    # Among color maps, a gray one may be all background.
    is_color = colored > len(readable) / 2
    pairs = {}
    for name, mask in sorted(masks.items()):
        item = facts[mask]
        fault, text = None, mask
        if item.error:
            fault, text = BROKEN_MASK, f'{mask} ({item.error})'
        elif item.is_jpeg:
            fault = LOSSY_MASK
        elif name not in images:
            continue
        elif _has_outer_space(name):
            fault, text = SPACED_NAME, repr(name)
        elif images[name].size != item.size:
            image = images[name]
            text = f'{name} ({_shown(image.size)}, {_shown(item.size)})'
            fault = TURNED if image.stored == item.size else OTHER_SIZE
        elif item.is_color and not is_color:
            fault = OTHER_KIND
        if fault:
            faults.add(fault, text)
        else:
            if is_color and not item.is_color:
                item = _as_color(item)
            pairs[name] = _Pair(mask, images[name], item)
    return pairs


def _has_outer_space(name: str) -> bool:
    path = PurePosixPath(name)
    parts = (*path.parts[:-1], path.stem)
    return any(part != part.strip() for part in parts)


def _as_color(item: MaskFacts) -> MaskFacts:
    values = {value * GRAY: count for value, count in item.values.items()}
    return replace(item, values=values, is_color=True)


def _shown(size: tuple[int, int]) -> str:
    return f'{size[0]}x{size[1]}'


def _names(
    report: Report, contents: Contents, options: OwnOptions
) -> tuple[tuple[str, ...], dict[str, Color]]:
    """Return names and colors of the classes, as far as they are known."""
    if options.classes:
        return options.classes, {}
    if options.colors:
        path, shown = options.colors, str(options.colors)
    else:
        shown = find_name_file(contents)
        if not shown:
            return (), {}
        path = contents.root / shown
    try:
        names, colors = read_names_and_colors(path)
    except OSError as error:
        raise CannotPrepareError(
            f'{shown} cannot be read ({error.strerror})', 'make it readable'
        ) from error
    except ValueError as error:
        raise CannotPrepareError(str(error), 'mend the file') from error
    report.note(f'names of the classes: {shown}')
    return names, colors


def _output(
    report: Report,
    options: OwnOptions,
    pairs: dict[str, _Pair],
    labels: Labels,
    splits: dict[str, list[str]],
) -> Output:
    root = data_root(report, options)
    used = sorted(set().union(*splits.values()))
    prefix = path_from(root, report.root)
    folder, suffix = _common(used)
    cut = len(folder) + 1 if folder else 0
    names = {name: name[cut:].removesuffix(suffix) for name in used}
    masks = [pairs[name].mask for name in used]
    is_plain = all(pairs[name].facts.is_plain for name in used)
    place = in_place([names[name] for name in used], masks)
    is_color = pairs[used[0]].facts.is_color
    others = LabelMaps(root, labels.table, is_color, options.workers)
    if place and is_plain and labels.is_identity:
        mask_folder, mask_suffix = prefix + place[0], place[1]
    else:
        mask_folder, mask_suffix = f'{FOLDER}/masks', '.png'
        for name in used:
            pair = pairs[name]
            others.add(
                report.root / pair.mask,
                root / mask_folder / f'{names[name]}{mask_suffix}',
                pair.facts.is_plain and labels.is_identity,
            )
        report.note(f'label maps are written to {mask_folder}/')
    files = {split: f'{FOLDER}/{split}.txt' for split in splits}
    data = PreparedData(
        'segmentation',
        labels.classes,
        files,
        image_folder=(prefix + folder).rstrip('/'),
        mask_folder=mask_folder.rstrip('/'),
        image_suffix=suffix,
        mask_suffix=mask_suffix,
    )
    texts = {
        files[split]: ''.join(f'{names[name]}\n' for name in found)
        for split, found in splits.items()
    }
    counts = {split: len(found) for split, found in splits.items()}
    return Output(data, texts, counts, others)


def _common(images: list[str]) -> tuple[str, str]:
    """Return the folder that all images are in, and their suffix.

    Where suffixes differ, '': the names in the lists have their suffix then.
    """
    folders = [os.path.dirname(name) for name in images]
    folder = os.path.commonpath(folders) if all(folders) else ''
    suffixes = {PurePosixPath(name).suffix for name in images}
    return folder, suffixes.pop() if len(suffixes) == 1 else ''
