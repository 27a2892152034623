"""Decides which images are trained on, and which are validated on."""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from cankd_mm.datasets.preparation.own.faults import Faults, Kind, counted
from cankd_mm.datasets.preparation.own.split_words import split_of
from cankd_mm.datasets.preparation.report import Report, some
from cankd_mm.datasets.prepared import SPLITS

IN_NO_SPLIT = Kind(
    'image',
    'in none of the splits',
    'put it into a split as the others are, if it belongs there',
    left_out=True,
)


def assign_splits(
    report: Report,
    usable: Collection[str],
    given: Sequence[tuple[str, Mapping[str, Sequence[str]]]],
    classes_of: Mapping[str, Collection],
    faults: Faults,
    val_fraction: float,
    seed: int,
) -> dict[str, list[str]]:
    """Keep the splits that are there, and make those that are missing.

    Args:
        report: Where it is noted.
        usable: Images that can be used.
        given: Splits, each with what names them; the first that has any
            usable image counts. Splits by folders come after them.
        classes_of: Classes of the objects of each image.
        faults: Where images that are in no split are added.
        val_fraction: Share of the images that go into a new val.
        seed: Other seeds make other splits.

    Returns:
        Images of train, val and, where there is one, test. Empty where there
        are too few.
    """
    splits, source = {'train': sorted(usable)}, ''
    for named_by, found in (*given, ('folders', _by_folders(usable))):
        kept = _usable(found, usable)
        # What is in no split is trained on, where nothing else is.
        named = set().union(*kept.values())
        if kept and 'train' not in kept and named < set(usable):
            kept['train'] = sorted(set(usable) - named)
        if 'train' in kept:
            splits, source = kept, named_by
            break
    if source:
        report.note(f'split: as given by {source}')
        chosen = set().union(*splits.values())
        faults.extend(IN_NO_SPLIT, sorted(set(usable) - chosen))
    if 'val' not in splits and 'test' in splits:
        report.note(f'split: no val in {source}; the images of test are val')
        splits['val'] = splits['test']
    if 'val' not in splits:
        names = splits['train']
        if len(names) < 2:
            return {}
        splits['train'], splits['val'] = make_split(
            names, classes_of, val_fraction, seed
        )
        report.note(
            f'split: made, {val_fraction:g} of {counted(len(names), "image")} '
            f'{"of train " if source else ""}for val, with seed {seed}'
        )
    if splits['val'] == splits['train']:
        report.remark(
            'train and val are the same images',
            'name other images for val: results on images that were trained '
            'on are too good',
        )
    return {split: splits[split] for split in SPLITS if split in splits}


def make_split(
    names: Collection[str],
    classes_of: Mapping[str, Collection],
    val_fraction: float,
    seed: int,
) -> tuple[list[str], list[str]]:
    """Split images into train and val.

    The order of the images is that of a hash of name and seed, so that it is
    the same on every computer, and stays the same for the others when images
    are added. Each class that has two images or more gets one in train and,
    while val has room, one in val; a class with one image has it in train.

    Args:
        names: The images; at least two.
        classes_of: Classes of the objects of each image.
        val_fraction: Share of the images that go into val; at least one
            image goes there, and at least one into train.
        seed: Other seeds make other splits.

    Returns:
        The names of train and of val, sorted.
    """
    order = sorted(names, key=lambda name: _hashed(name, seed))
    size = min(max(round(len(order) * val_fraction), 1), len(order) - 1)
    members = defaultdict(list)
    for name in order:
        for kind in classes_of.get(name, ()):
            members[kind].append(name)
    train, val = set(), set()
    # The rarest first: they have the fewest images to choose from.
    for kind in sorted(members, key=lambda kind: (len(members[kind]), kind)):
        found = members[kind]
        if not train.intersection(found):
            free = [name for name in found if name not in val]
            chosen = free[0] if free else found[0]
            val.discard(chosen)
            train.add(chosen)
        if len(val) < size and not val.intersection(found):
            val.update([n for n in found if n not in train][:1])
    for name in order:
        if len(val) < size and name not in train:
            val.add(name)
    # Every image may be the only one of a class.
    if not val:
        val.add(order[0])
    return sorted(set(order) - val), sorted(val)


def report_absent_classes(
    report: Report,
    classes: Sequence[str],
    splits: Mapping[str, Sequence[str]],
    classes_of: Mapping[str, Collection],
) -> None:
    """Add classes without an object in train or val.

    Args:
        report: Where they are added.
        classes: All classes.
        splits: The images of each split.
        classes_of: Classes of the objects of each image.
    """
    for split, effect in (
        ('train', 'the model cannot learn them'),
        ('val', 'nothing measures how well they are learned'),
    ):
        there = set().union(*(classes_of[name] for name in splits[split]))
        absent = [name for name in classes if name not in there]
        if absent:
            report.remark(
                f'{len(absent)} of {len(classes)} classes without an object '
                f'in {split}: {some(absent)}',
                f'{effect}: add images of them, or take them out of classes',
            )


def _by_folders(usable: Collection[str]) -> dict[str, list[str]]:
    splits = defaultdict(list)
    for name in sorted(usable):
        splits[split_of(name)].append(name)
    others = splits.pop('', [])
    # A folder `train` beside `bus` and `car` may hold locomotives.
    if others and not {'val', 'test'} & set(splits):
        return {}
    return splits


def _usable(
    splits: Mapping[str, Sequence[str]], usable: Collection[str]
) -> dict[str, list[str]]:
    kept = {
        split: list(dict.fromkeys(n for n in names if n in usable))
        for split, names in splits.items()
    }
    return {split: names for split, names in kept.items() if names}


def _hashed(name: str, seed: int) -> bytes:
    return hashlib.blake2b(f'{seed}/{name}'.encode()).digest()
