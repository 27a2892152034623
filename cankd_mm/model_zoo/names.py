"""What the name of a config says.

``<method>_<teacher>_<student>_<schedule>_<data set>`` is a distillation,
``<model>_<schedule>_<data set>`` a model that trains alone. A model is an
architecture and a backbone. The tables below hold how each part is written
for readers; a part that is new is added there.
"""

import re
from dataclasses import dataclass

ARCHITECTURES = {
    'cascade-mask-rcnn': 'Cascade Mask R-CNN',
    'deeplabv3': 'DeepLabV3',
    'deeplabv3plus': 'DeepLabV3+',
    'dino': 'DINO',
    'faster-rcnn': 'Faster R-CNN',
    'fcos': 'FCOS',
    'gfl': 'GFL',
    'mask-rcnn': 'Mask R-CNN',
    'pspnet': 'PSPNet',
    'reppoints': 'RepPoints',
    'retinanet': 'RetinaNet',
    'rtmdet': 'RTMDet',
    'segformer': 'SegFormer',
    'segmenter': 'Segmenter',
    'upernet': 'UPerNet',
}
BACKBONES = {
    'b0': 'B0',
    'b2': 'B2',
    'deit-s': 'DeiT-S',
    'm': 'm',
    'mobilenetv2': 'MobileNetV2',
    'pvt-t': 'PVT-T',
    'r101': 'R101',
    'r18': 'R18',
    'r50': 'R50',
    's': 's',
    'swin-b': 'Swin-B',
    'swin-l': 'Swin-L',
    'swin-s': 'Swin-S',
    'swin-t': 'Swin-T',
    'vit-ti': 'ViT-Ti',
    'x101': 'X101',
    'x101-dcn': 'X101-DCN',
}
METHODS = {'cankd': 'CanKD', 'cskd': 'CSKD', 'lakd': 'LAKD', 'tat': 'TaT'}
# What follows the method's name where a pair has more than one config.
VARIANTS = {'-inherit': 'inheriting', '-mu5': 'mu = 5'}
SCHEDULES = {
    r'\d+x': '{}',  # multiples of 12 epochs of COCO
    r'(\d+)e': '{} epochs',
    r'\d+k': '{}',  # thousands of iterations
}


@dataclass(frozen=True)
class DataSet:
    """A data set as readers know it.

    Attributes:
        title: Its name.
        task: What is learnt on it, as model indices call it.
        metric: What is measured on it.
    """

    title: str
    task: str
    metric: str


DETECTION = 'Object Detection'
SEGMENTATION = 'Semantic Segmentation'
# In the order of the tables.
DATA_SETS = {
    'coco': DataSet('COCO', DETECTION, 'box AP'),
    'voc0712': DataSet('Pascal VOC 2007 + 2012', DETECTION, 'AP50'),
    'voc12aug': DataSet('Pascal VOC 2012 + Aug', SEGMENTATION, 'mIoU'),
    'coco-stuff10k': DataSet('COCO-Stuff 10k', SEGMENTATION, 'mIoU'),
    'coco-stuff164k': DataSet('COCO-Stuff 164k', SEGMENTATION, 'mIoU'),
    'cityscapes': DataSet('Cityscapes', SEGMENTATION, 'mIoU'),
    'own-boxes': DataSet('own data with boxes', DETECTION, 'box AP'),
    'own-masks': DataSet('own data with masks', SEGMENTATION, 'mIoU'),
}


@dataclass(frozen=True)
class Model:
    """A detector or segmentor, as readers know it."""

    architecture: str
    backbone: str

    def __str__(self) -> str:
        """As in "RetinaNet R50"."""
        return f'{self.architecture} {self.backbone}'


@dataclass(frozen=True)
class ConfigName:
    """What the name of a config says.

    Attributes:
        student: The model that is trained.
        schedule: How long.
        data_set: On what.
        method: How it is distilled; None for a model that trains alone.
        teacher: Its teacher; None likewise.
        variant: What sets it apart from the pair's first config, if anything.
    """

    student: Model
    schedule: str
    data_set: DataSet
    method: str | None = None
    teacher: Model | None = None
    variant: str | None = None

    @property
    def pair(self) -> str:
        """Teacher and student, what they share said once."""
        same = self.teacher.architecture == self.student.architecture
        student = self.student.backbone if same else self.student
        return f'{self.teacher} → {student}' + (
            f', {self.variant}' if self.variant else ''
        )


def parse_name(name: str) -> ConfigName:
    """Reads the name of a config.

    Args:
        name: The name, without the file's ending.

    Raises:
        ValueError: It does not follow the scheme, or a part is unknown.
    """
    parts = name.split('_')
    if len(parts) == 3:
        head = {}
    elif len(parts) == 5:
        ending = next(filter(parts[0].endswith, VARIANTS), '')
        method = parts[0].removesuffix(ending)
        head = dict(
            method=_known(name, method, METHODS, 'method'),
            teacher=_model(name, parts[1]),
            variant=VARIANTS.get(ending),
        )
    else:
        raise ValueError(
            f'{name}: expected <method>_<teacher>_<student>_<schedule>_'
            f'<data set> or <model>_<schedule>_<data set>, found {len(parts)} '
            'part(s)'
        )
    student, schedule, data_set = parts[-3:]
    return ConfigName(
        student=_model(name, student),
        schedule=_schedule(name, schedule),
        data_set=_known(name, data_set, DATA_SETS, 'data set'),
        **head,
    )


def _known(name: str, part: str, table: dict, kind: str):
    if part not in table:
        raise ValueError(
            f'{name}: unknown {kind} {part!r}, expected one of '
            f'{", ".join(table)}; add it to {__name__} if it is new'
        )
    return table[part]


def _model(name: str, model: str) -> Model:
    parts = model.split('-')
    for cut in range(1, len(parts)):
        architecture = '-'.join(parts[:cut])
        backbone = '-'.join(parts[cut:])
        if architecture in ARCHITECTURES and backbone in BACKBONES:
            return Model(ARCHITECTURES[architecture], BACKBONES[backbone])
    raise ValueError(
        f'{name}: unknown model {model!r}, expected <architecture>-<backbone> '
        f'with one of {", ".join(ARCHITECTURES)} and one of '
        f'{", ".join(BACKBONES)}; add what is new to {__name__}'
    )


def _schedule(name: str, schedule: str) -> str:
    for pattern, text in SCHEDULES.items():
        found = re.fullmatch(pattern, schedule)
        if found:
            return text.format(*found.groups() or (schedule,))
    raise ValueError(
        f'{name}: unknown schedule {schedule!r}, expected the like of 1x, '
        '40k or 300e'
    )
