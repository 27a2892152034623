"""Which split a folder or file belongs to, by its name."""

import re
from pathlib import PurePosixPath

_SPLIT_OF_WORD = dict(
    train='train',
    training='train',
    trainset='train',
    val='val',
    valid='val',
    validation='val',
    valset='val',
    dev='val',
    eval='val',
    test='test',
    testing='test',
    testset='test',
)
#: Words beside it that do not make it the name of something else. A folder
#: `train_station` is no split.
_NAMES = (
    'ann annotation annotations annots anns bboxes boxes coco data dataset '
    'files frames gt image images img imgs instances jpegimages label labels '
    'list mask masks photos pictures seg set split txt voc xml xmls yolo'
)
_OTHER_WORDS = frozenset(_NAMES.split())


def split_word(name: str) -> str:
    """Return the split that a name stands for.

    Args:
        name: Name of a folder, or of a file without its suffix, such as
            'train', 'valid', 'instances_test2017' or 'val-images'.

    Returns:
        'train', 'val', 'test', or '' for other names.
    """
    words = re.findall('[^\\W\\d_]+', name.casefold())
    splits = [_SPLIT_OF_WORD[w] for w in words if w in _SPLIT_OF_WORD]
    others = [w for w in words if w not in _SPLIT_OF_WORD]
    if len(splits) == 1 and _OTHER_WORDS.issuperset(others):
        return splits[0]
    return ''


def split_of(path: str, with_file: bool = False) -> str:
    """Return the split that the folders of a path stand for.

    Args:
        path: A file, with '/' between folders.
        with_file: Whether the name of the file counts, where the folders
            stand for none.

    Returns:
        'train', 'val', 'test', or '' for none.
    """
    parts = PurePosixPath(path).parts
    for part in parts[:-1]:
        if split := split_word(part):
            return split
    return split_word(PurePosixPath(path).stem) if with_file else ''
