"""Names label formats that are not read, and how to export another one."""

import json
from itertools import islice
from pathlib import PurePosixPath

from cankd_mm.datasets.preparation.own.scan import Contents
from cankd_mm.datasets.preparation.own.text import read_lines

_EXPORT = 'export the labels as COCO json, Pascal VOC xml or YOLO txt'
#: Files of a kind that are looked at; one format is enough.
_SAMPLED = 20


def other_format(contents: Contents) -> tuple[str, str]:
    """Find out in which other format labels are.

    Args:
        contents: The files of the data.

    Returns:
        What was found, and how to get on.
    """
    for name in islice(contents.of('.json'), _SAMPLED):
        found = _of_json(contents, name)
        if found:
            return f'{name} is {found[0]}', found[1]
    for name in islice(contents.of('.xml'), _SAMPLED):
        try:
            head = (contents.root / name).read_bytes()[:2000]
        except OSError:
            continue
        if b'<annotations' in head:
            return f'{name} is in the format CVAT for images', (
                'export from CVAT as COCO 1.0 or Pascal VOC 1.1'
            )
    stems = {PurePosixPath(name).stem for name in contents.images}
    for name in contents.of('.txt'):
        if PurePosixPath(name).stem in stems:
            try:
                lines = read_lines(contents.root / name)
            except OSError:
                continue
            first = next((line for line in lines if line), '')
            return f'{name} begins with {first[:60]!r}', (
                'write CLASS X Y WIDTH HEIGHT on each line, the number of a '
                'class and fractions of the image, to be read as YOLO txt'
            )
    tables = contents.of('.csv')
    if tables:
        return f'there is a table, {tables[0]}', (
            f'{_EXPORT}, or convert the table to one of them'
        )
    return 'there are no labels', (
        f'{_EXPORT}, and put them beside the images or into a folder of '
        'their own below the same root'
    )


def _of_json(contents: Contents, name: str) -> tuple[str, str] | None:
    try:
        content = json.loads((contents.root / name).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if isinstance(content, list):
        content = content[0] if content else None
    if not isinstance(content, dict):
        return None
    if 'shapes' in content and 'imagePath' in content:
        return 'in the format of LabelMe', (
            'convert the folder to COCO json, with labelme2coco.py of LabelMe'
        )
    if 'segments_info' in str(content.get('annotations'))[:2000]:
        return 'a panoptic file', 'add the instances file of the same images'
    if 'regions' in content or '_via_img_metadata' in content:
        return 'in the format of VIA', 'export annotations as COCO from VIA'
    if {'images', 'annotations'} <= set(content):
        return 'a COCO file without categories', (
            'write the list of categories into it: id and name of each'
        )
    if 'images' in content:
        return 'a list of images without annotations', _EXPORT
    if 'image' in content and 'annotations' in content:
        return 'in the format of CreateML', _EXPORT
    return None
