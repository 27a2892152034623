"""Writes labels in COCO's format."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cankd_mm.datasets.preparation.own.faults import Faults, Kind
from cankd_mm.datasets.preparation.own.images import ImageFacts
from cankd_mm.datasets.preparation.own.output import Output
from cankd_mm.datasets.prepared import FOLDER, PreparedData

WITHOUT_MASK = Kind(
    'object',
    'without a mask, while others have one; detectors that learn masks '
    'cannot be trained',
    'add the masks, or remove these objects',
)


@dataclass(frozen=True)
class LabeledImages:
    """Images and their annotations.

    Attributes:
        folder: Where the images are.
        facts: What decoding each image showed.
        annotations: Annotations of each image, with `category` in place of
            ids.
    """

    folder: Path
    facts: dict[str, ImageFacts]
    annotations: dict[str, list[dict[str, Any]]]


def coco_output(
    root: Path,
    data: LabeledImages,
    classes: list[str],
    splits: dict[str, list[str]],
    faults: Faults,
) -> Output:
    """Make the files of all splits.

    Args:
        root: The data root; file names are relative to it.
        data: The images.
        classes: Names of the classes, in order.
        splits: The images of each split.
        faults: Where objects without a mask are added, if others have one.

    Returns:
        What is to be written.
    """
    used = sorted(set().union(*splits.values()))
    objects = [
        (name, item) for name in used for item in data.annotations[name]
    ]
    bare = [
        f'{name} {item["bbox"]}'
        for name, item in objects
        if 'segmentation' not in item
    ]
    if len(bare) < len(objects):
        faults.extend(WITHOUT_MASK, bare)
    files = {split: f'{FOLDER}/{split}.json' for split in splits}
    prefix = path_from(root, data.folder)
    return Output(
        PreparedData('detection', tuple(classes), files, has_masks=not bare),
        {
            files[split]: _text(data, names, classes, prefix)
            for split, names in splits.items()
        },
        {split: len(names) for split, names in splits.items()},
    )


def path_from(root: Path, folder: Path) -> str:
    """Return what leads from the data root to a folder: '' or 'a/b/'.

    Args:
        root: The data root.
        folder: The other folder.
    """
    # Where the data root is a link, '..' leads out of what it points to.
    path = os.path.relpath(os.path.abspath(folder), os.path.realpath(root))
    if os.path.realpath(folder) == os.path.realpath(root):
        return ''
    return path.replace(os.sep, '/') + '/'


def _text(
    data: LabeledImages, names: list[str], classes: list[str], prefix: str
) -> str:
    numbers = {name: number for number, name in enumerate(classes, 1)}
    images, objects = [], []
    for number, name in enumerate(names, 1):
        width, height = data.facts[name].size
        images.append(
            dict(
                id=number,
                file_name=prefix + name,
                width=width,
                height=height,
            )
        )
        for item in data.annotations[name]:
            identity = dict(
                id=len(objects) + 1,
                image_id=number,
                category_id=numbers[item['category']],
            )
            rest = {key: item[key] for key in item if key != 'category'}
            objects.append(identity | rest)
    categories = [dict(id=numbers[name], name=name) for name in classes]
    # ASCII, for pycocotools reads it in the encoding of the computer.
    return json.dumps(
        dict(images=images, annotations=objects, categories=categories)
    )
