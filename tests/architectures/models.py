"""Config files of a family's student and teacher, small enough to try."""

import copy
from pathlib import Path
from typing import NamedTuple

from mmengine.config import Config

from cankd_mm.config.class_heads import class_counts
from cankd_mm.pairing.random_model import (
    for_one_process,
    with_own_teacher,
    without_weights,
)
from cankd_mm.utils.config_file import config_from_file
from tests.families.catalog import Family
from tests.families.small_models import (
    LARGE,
    NARROW,
    SIZES,
    for_images_of,
    narrowed,
)

#: By scope: what teaches class logits where the family's own head has none.
STANDARD = dict(
    mmdet='mmdet::retinanet/retinanet_r50_fpn_1x_coco.py',
    mmseg='mmseg::fcn/fcn_r50-d8_4xb4-80k_ade20k-512x512.py',
)


class Files(NamedTuple):
    """Config files of a pair."""

    student: Path
    teacher: Path


class FamilyFiles:
    """Writes the configs of a family into a folder.

    Args:
        family: Whose typical config is written.
        folder: Where files go.
    """

    def __init__(self, family: Family, folder: Path) -> None:
        self.folder = folder
        self.config = config_from_file(family.path, 'cfg_path')
        self.config.model = with_own_teacher(self.config.model)
        self.scope = self.config.get('default_scope') or 'mmengine'
        self.size = (SIZES.get(family.name, LARGE),) * 2

    @property
    def classes(self) -> int | None:
        """How many classes the student tells apart, None if not certain."""
        counts = set(class_counts(self.config.model).values())
        return counts.pop() if len(counts) == 1 else None

    def narrow(self) -> Files:
        """Write a narrow student, and a teacher of twice its width."""
        return Files(
            self._write('student', self.config, NARROW),
            self._write('teacher', self.config, 2 * NARROW),
        )

    def whole(self) -> Files:
        """Write the family's own model, as student and as teacher."""
        file = self._write('whole', self.config, None)
        return Files(file, file)

    def standard_teacher(self) -> Path | None:
        """Write a narrow teacher with dense class logits."""
        if self.classes is None or self.scope not in STANDARD:
            return None
        config = config_from_file(STANDARD[self.scope], 'cfg_path')
        for key in class_counts(config.model):
            config.merge_from_dict({f'model.{key}.num_classes': self.classes})
        return self._write('standard', config, 2 * NARROW)

    def write(self, name: str, text: str) -> Path:
        """Write a file of the folder."""
        file = self.folder / f'{name}.py'
        file.write_text(text)
        return file

    def _write(self, name: str, config: Config, width: int | None) -> Path:
        config = copy.deepcopy(config)
        model = config.model
        if 'data_preprocessor' in config:
            model.setdefault('data_preprocessor', config.data_preprocessor)
        model = for_one_process(without_weights(model))
        if width is not None:
            model = narrowed(model, width)
        config.model = for_images_of(model, self.size[0])
        return self.write(name, config.pretty_text)
