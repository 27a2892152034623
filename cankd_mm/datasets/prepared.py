"""What ``tools/prepare_data.py`` wrote beside a data set of one's own.

A folder of photos and labels stays as it is. What the runners need beside it
lies in ``prepared/``: annotation files in COCO's format or lists of names, and
``dataset.json``, which describes them. A config whose ``data_root`` is such a
folder reads it from there.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

#: The names of the splits.
SPLITS = ('train', 'val', 'test')
#: Folder of what was made, below the data root.
FOLDER = 'prepared'
_FILE = f'{FOLDER}/dataset.json'
_TASKS = ('detection', 'segmentation')


@dataclass(frozen=True)
class PreparedData:
    """A prepared data set. All paths are relative to the data root.

    Attributes:
        task: 'detection' or 'segmentation'.
        classes: Names of the classes, in the order of their numbers.
        splits: Annotation file (detection) or list of names (segmentation)
            of each split: 'train', 'val' and, where there is one, 'test'.
        has_masks: Detection: whether the objects have masks.
        image_folder: Where the images are. '' for file names that have the
            folder already.
        mask_folder: Segmentation: where the label maps are.
        image_suffix: Segmentation: what a name of a list and the suffix make
            is the file name of an image.
        mask_suffix: Segmentation: likewise of its label map.
    """

    task: str
    classes: tuple[str, ...]
    splits: dict[str, str]
    has_masks: bool = False
    image_folder: str = ''
    mask_folder: str = ''
    image_suffix: str = ''
    mask_suffix: str = ''

    def as_json(self) -> str:
        """Return the text of ``dataset.json``."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + '\n'


def description_file(root: str | Path) -> Path:
    """Return where the description of a prepared data set lies.

    Args:
        root: The data root.
    """
    return Path(root) / _FILE


def read_prepared(root: str | Path) -> PreparedData | None:
    """Read the description of a prepared data set.

    Args:
        root: The data root.

    Returns:
        None where the folder was not prepared.

    Raises:
        ValueError: The description cannot be read.
    """
    file = description_file(root)
    if not file.is_file():
        return None
    try:
        content = json.loads(file.read_text(encoding='utf-8'))
        content['classes'] = tuple(content['classes'])
        data = PreparedData(**content)
        if data.task not in _TASKS or not {'train', 'val'} <= set(data.splits):
            raise ValueError(
                f'task {data.task!r}, expected one of {_TASKS}; splits '
                f'{list(data.splits)}, expected train and val'
            )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f'{file} does not describe a prepared data set ({error}). Make it '
            f'again: remove {file.parent} and run tools/prepare_data.py'
        ) from error
    return data
