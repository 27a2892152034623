"""Finds photos and label maps, and which belong together."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cankd_mm.datasets.preparation.own.faults import Faults
from cankd_mm.datasets.preparation.own.match import (
    ImageIndex,
    Label,
    folded,
    match_labels,
)
from cankd_mm.datasets.preparation.own.options import OwnOptions
from cankd_mm.datasets.preparation.own.scan import Contents
from cankd_mm.datasets.preparation.own.split_words import split_word
from cankd_mm.datasets.preparation.report import Report

# Words in the names of folders and files.
_MASKS = (
    'ann annotation annotations anns gt gtfine groundtruth label labelids '
    'labelmap labelmaps labels labeltrainids mask masks segmap segmaps '
    'segmask segmasks segmentation segmentationclass segmentationclassaug '
    'segmentationclasspng segmentations target targets truth'
)
_PHOTOS = (
    'frames image images imgs img input inputs jpegimages leftimg photo '
    'photos pictures rgb scans'
)
_OTHERS = (
    'color colored colors colour depth instance instanceids instances overlay '
    'overlays preview previews segmentationobject vis visualization '
    'visualizations'
)
_ROLES = (
    {word: 'masks' for word in _MASKS.split()}
    | {word: 'photos' for word in _PHOTOS.split()}
    | {word: 'others' for word in _OTHERS.split()}
)
#: Which of several label maps of an image counts, by words at the end of its
#: name.
_PREFERRED = ('labeltrainids', 'labelids', 'label', 'mask')


@dataclass(frozen=True)
class Pairs:
    """Photos and their label maps.

    Attributes:
        masks: The label map of each photo.
        unmatched: Photos without a label map.
        notes: What was recognized.
    """

    masks: dict[str, str]
    unmatched: list[str]
    notes: list[str]


def find_pairs(
    report: Report, contents: Contents, options: OwnOptions, faults: Faults
) -> Pairs | None:
    """Find photos and label maps.

    Args:
        report: Where it is noted if there are none.
        contents: The files of the data.
        options: May name the folders.
        faults: Where label maps without an image are added.

    Returns:
        The pairs; None where there are none.
    """
    if not contents.images:
        report.problem(
            f'no images in {report.root}',
            'give the folder that has the images and the label maps',
        )
        return None
    photos, groups = _by_roles(contents.images)
    for what, folder in (('images', options.images), ('masks', options.masks)):
        if folder is None:
            continue
        below = _below(report, contents, folder, what)
        if not below:
            return None
        if what == 'images':
            photos = below
        else:
            groups = {str(folder): below}
    masks = {name for names in groups.values() for name in names}
    photos = [name for name in photos if name not in masks]
    best = None
    for title, names in sorted(groups.items()):
        own = Faults()
        pairs = _match(photos, names, title, own)
        if best is None or len(pairs.masks) > len(best[0].masks):
            best = pairs, own, title
    if best is None or not best[0].masks:
        folders = sorted({_parent(name) or '.' for name in contents.images})
        report.problem(
            f'images without label maps of the same names; folders with '
            f'images: {", ".join(folders[:8])}',
            'name the two folders with --images FOLDER --masks FOLDER',
        )
        return None
    pairs, own, title = best
    faults.update(own)
    others = sorted(set(groups) - {title})
    if others:
        pairs.notes.append(
            f'not used: label maps in {", ".join(others)} (--masks FOLDER)'
        )
    return pairs


def _below(
    report: Report, contents: Contents, folder: Path, what: str
) -> list[str]:
    """Return the images below a folder that an option names."""
    for base in (contents.root, Path.cwd()):
        path = Path(os.path.abspath(base / folder))
        if path.is_dir() and path.is_relative_to(contents.root):
            prefix = path.relative_to(contents.root).as_posix() + '/'
            prefix = '' if prefix == './' else prefix
            found = [n for n in contents.images if n.startswith(prefix)]
            if found:
                return found
    report.problem(
        f'--{what} {folder}: no folder with images below {contents.root}',
        'name a folder below PATH; PATH has to hold images and label maps',
    )
    return []


def _by_roles(
    names: Collection[str],
) -> tuple[list[str], dict[str, list[str]]]:
    """Return photos, and label maps by the folder that makes them so."""
    roles = defaultdict(list)
    groups = defaultdict(list)
    for name in names:
        role, folder = _folder_role(name)
        roles[role].append(name)
        if role == 'masks':
            groups[folder].append(name)
    if not groups:
        # Beside the photos, and named as label maps.
        for name in list(roles['photos'] + roles['']):
            words = _words(PurePosixPath(name).stem)
            if len(words) > 1 and _ROLES.get(words[-1]) == 'masks':
                groups[f'*{words[-1]}'].append(name)
    return roles['photos'] or roles[''], dict(groups)


def _folder_role(name: str) -> tuple[str, str]:
    # The innermost folder counts: images/ may be in a folder `annotations`.
    for part in reversed(PurePosixPath(name).parts[:-1]):
        roles = {_ROLES.get(word, '') for word in _words(part)}
        for role in ('others', 'masks', 'photos'):
            if role in roles:
                # train_masks and val_masks belong together.
                words = [w for w in _words(part) if not split_word(w)]
                return role, '_'.join(words) if split_word(part) else part
    return '', ''


def _words(name: str) -> list[str]:
    return re.findall(r'[^\W\d_]+', folded(name))


def _parent(name: str) -> str:
    return name.rpartition('/')[0]


def _match(
    photos: list[str], masks: list[str], title: str, faults: Faults
) -> Pairs:
    """Pair photos with the label maps of one kind."""
    photo_stems = {name: PurePosixPath(name).stem for name in photos}
    mask_stems = {name: PurePosixPath(name).stem for name in masks}
    notes = [f'label maps: {title}/' if title[0] != '*' else 'label maps:']
    photo_ends = mask_ends = ('', '')
    tail, count = _common_tail(photo_stems.values(), mask_stems.values())
    if not count:
        # Both have parts of their own: img_1 and mask_1.
        photo_ends = _ends(photo_stems.values())
        mask_ends = _ends(mask_stems.values())[0], ''
        photo_stems = _without(photo_stems, photo_ends)
        mask_stems = _without(mask_stems, mask_ends)
        tail, count = _common_tail(photo_stems.values(), mask_stems.values())
    if not count:
        return Pairs({}, sorted(photos), [])
    if tail or any((*photo_ends, *mask_ends)):
        photo = '*'.join(photo_ends)
        notes[0] += f' {mask_ends[0]}*{tail} of photos {photo or "*"}'
    kept = {n: s for n, s in mask_stems.items() if s.endswith(tail)}
    labels = [
        Label(name, stem=stem.removesuffix(tail))
        for name, stem in kept.items()
    ]
    index = ImageIndex(photos, photo_stems)
    matched, doubles = match_labels(labels, index, faults)
    left = set(photos) - set(matched) - doubles
    return Pairs(matched, sorted(left), notes)


def _common_tail(
    photos: Iterable[str], masks: Iterable[str]
) -> tuple[str, int]:
    """Return what most label maps have after the stem of a photo.

    Args:
        photos: Stems of the photos.
        masks: Stems of the label maps.

    Returns:
        The tail, such as '_mask' or '', and how many have it.
    """
    known = {folded(stem) for stem in photos}
    tails = Counter()
    for stem in masks:
        for end in range(len(stem), 0, -1):
            if folded(stem[:end]) in known:
                tails[stem[end:]] += 1
                break
    if not tails:
        return '', 0
    return max(tails.items(), key=lambda item: (item[1], _rank(item[0])))


def _rank(tail: str) -> tuple:
    """Return how likely label maps have a tail, where several have."""
    words = _words(tail)
    last = words[-1] if words else ''
    preferred = [-_PREFERRED.index(last)] if last in _PREFERRED else [-9]
    is_other = _ROLES.get(last) == 'others'
    return not is_other, not tail, *preferred, -len(tail), tail


def _ends(stems: Collection[str]) -> tuple[str, str]:
    """Return what all stems begin with, and what all end with.

    Only letters at the beginning, with what separates them from the rest;
    only what follows a separator at the end. The rest tells them apart.
    """
    stems = list(stems)
    if len(stems) < 2:
        return '', ''
    head = re.match(r'\D*', os.path.commonprefix(stems))[0]
    tail = os.path.commonprefix([stem[::-1] for stem in stems])[::-1]
    found = re.search(r'[_\-. ]+[^\W\d_].*', tail)
    tail = found[0] if found else ''
    if any(len(stem) <= len(head) + len(tail) for stem in stems):
        return '', tail
    return head, tail


def _without(stems: dict[str, str], ends: tuple[str, str]) -> dict[str, str]:
    head, tail = ends
    return {
        name: stem.removeprefix(head).removesuffix(tail)
        for name, stem in stems.items()
    }
