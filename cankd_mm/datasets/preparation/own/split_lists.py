"""Split lists: text files such as `ImageSets/Main/train.txt`."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePosixPath

from cankd_mm.datasets.preparation.own.faults import Faults, Kind
from cankd_mm.datasets.preparation.own.match import ImageIndex
from cankd_mm.datasets.preparation.own.scan import Contents
from cankd_mm.datasets.preparation.own.split_words import split_word
from cankd_mm.datasets.preparation.own.text import read_lines

LISTED_WITHOUT_IMAGE = Kind(
    'line',
    'of split lists, without an image of that name',
    'add the image, or take the line out of the list',
    left_out=True,
)
TRAINVAL = 'trainval'


def read_split_lists(
    contents: Contents, usable: Iterable[str], faults: Faults, prefer: str
) -> tuple[dict[str, list[str]], str]:
    """Read the split lists of a folder, where it has any.

    Args:
        contents: The files of the folder.
        usable: Its images that can be used.
        faults: Where lines without an image are added.
        prefer: Folder whose lists are read where several have some, such as
            'Main'.

    Returns:
        The images of each split, and the folders of the lists. `trainval` is
        read as train where there is neither train nor val.
    """
    index, known = ImageIndex(usable), ImageIndex(contents.images)
    groups: dict[str, dict[str, list[str]]] = defaultdict(dict)
    lost: dict[str, list[str]] = defaultdict(list)
    for name in contents.of('.txt'):
        path = PurePosixPath(name)
        split = split_word(path.stem)
        if path.stem.casefold() == TRAINVAL:
            split = TRAINVAL
        if not split or split in groups[str(path.parent)]:
            continue
        images, missing = read_image_list(contents, name, index, split, known)
        if images:
            groups[str(path.parent)][split] = images
            lost[str(path.parent)] += missing
    # Parts of the data may have lists of their own: VOC2007/ImageSets/Main
    # and VOC2012/ImageSets/Main are read as one.
    kinds: dict[str, list[str]] = defaultdict(list)
    for folder in groups:
        if groups[folder]:
            kinds[PurePosixPath(folder).name].append(folder)
    if not kinds:
        return {}, ''
    sizes = {
        kind: sum(
            len(names)
            for folder in folders
            for names in groups[folder].values()
        )
        for kind, folders in kinds.items()
    }
    best = max(kinds, key=lambda kind: (kind == prefer, sizes[kind]))
    splits: dict[str, list[str]] = defaultdict(list)
    for folder in kinds[best]:
        faults.extend(LISTED_WITHOUT_IMAGE, lost[folder])
        lists = groups[folder]
        union = lists.pop(TRAINVAL, [])
        if union and 'train' not in lists:
            held_out = {n for names in lists.values() for n in names}
            lists['train'] = [n for n in union if n not in held_out]
        for split, names in lists.items():
            splits[split] += names
    return splits, ', '.join(kinds[best])


def read_image_list(
    contents: Contents,
    name: str,
    index: ImageIndex,
    split: str,
    known: ImageIndex,
) -> tuple[list[str], list[str]]:
    """Read a list of images.

    Args:
        contents: The files of the folder.
        name: The list. A line is the name of an image, with or without
            folders and suffix; a second name on it is not read.
        index: The images that can be used.
        split: The split that the list stands for, or another name.
        known: All images. Those that cannot be used are reported elsewhere.

    Returns:
        The images, and the lines without an image.
    """
    images, missing = {}, []
    wanted = split if split != TRAINVAL else ''
    try:
        lines = read_lines(contents.root / name)
    except OSError:
        return [], []
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        # A name may have spaces; two names or a number may follow each other.
        for text in dict.fromkeys((line, line.split()[0].rstrip(','))):
            found = index.find(text, name, wanted) or index.find(text, name)
            if found:
                images[found[0]] = None
                break
        else:
            if known.find(line) or known.find(line.split()[0]):
                continue
            missing.append(f'{name}:{number} ({line[:60]})')
    return list(images), missing
