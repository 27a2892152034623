"""The config families of the installed libraries, and a typical config each.

A family is a folder of an installed package's configs. Nothing is imported
and no config is executed here.
"""

import re
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

PACKAGES = ('mmdet', 'mmseg')
#: Where the name that the rule chooses lacks what its family is about, or is
#: far from the smallest.
TYPICAL = {
    'mmdet/dcn': 'mask-rcnn_r50-dconv-c3-c5_fpn_1x_coco.py',
    'mmdet/dcnv2': 'mask-rcnn_r50-mdconv-c3-c5_fpn_1x_coco.py',
    'mmdet/detectors': 'htc_r50-sac_1x_coco.py',
    'mmdet/empirical_attention': 'faster-rcnn_r50-attn1111_fpn_1x_coco.py',
    'mmdet/foveabox': 'fovea_r50_fpn_gn-head-align_4xb4-2x_coco.py',
    'mmdet/fpg': 'faster-rcnn_r50_fpg_crop640-50e_coco.py',
    'mmdet/gcnet': 'mask-rcnn_r50-gcb-r4-c3-c5_fpn_1x_coco.py',
    'mmdet/glip': 'glip_atss_swin-t_a_fpn_dyhead_pretrain_obj365.py',
    'mmdet/gn+ws': 'faster-rcnn_r50_fpn_gn-ws-all_1x_coco.py',
    'mmdet/guided_anchoring': 'ga-retinanet_r50_fpn_1x_coco.py',
    'mmdet/hrnet': 'faster-rcnn_hrnetv2p-w18-1x_coco.py',
    'mmdet/nas_fpn': 'retinanet_r50_nasfpn_crop640-50e_coco.py',
    'mmdet/pvt': 'retinanet_pvt-t_fpn_1x_coco.py',
    'mmdet/regnet': 'faster-rcnn_regnetx-3.2GF_fpn_1x_coco.py',
    'mmdet/res2net': 'faster-rcnn_res2net-101_fpn_2x_coco.py',
    'mmdet/yolo': 'yolov3_mobilenetv2_8xb24-320-300e_coco.py',
    # That of ResNet-18 sets no size to pad images to, and cannot train.
    'mmseg/upernet': 'upernet_r50_4xb4-80k_ade20k-512x512.py',
    'mmseg/twins': 'twins_svt-s_fpn_fpnhead_8xb4-80k_ade20k-512x512.py',
}
_SMALLEST = re.compile('tiny')
_SMALL = re.compile(r'r18|r50|[-_][st](?=[-_])|w18|hr18')
_USUAL_DATA = re.compile('coco|ade20k')
# A model of its own, or a base that may bring one.
_MODEL = re.compile(r'^model\s*=|^\s*\w*model\s*=\s*dict', re.MULTILINE)
_BASE = re.compile(r"""['"]([^'"]+\.py)['"]""")


class Family(NamedTuple):
    """A folder of configs, and the one that is tried."""

    package: str
    folder: str
    config: Path

    @property
    def name(self) -> str:
        """``package/folder``."""
        return f'{self.package}/{self.folder}'

    @property
    def path(self) -> str:
        """The config as ``cfg_path`` names it."""
        return f'{self.package}::{self.folder}/{self.config.name}'


def root(package: str) -> Path:
    """The configs that a package was installed with."""
    return Path(find_spec(package).origin).parent / '.mim' / 'configs'


def families() -> list[Family]:
    """Every family of the installed packages, sorted by name."""
    return [
        Family(package, folder.name, typical(package, folder))
        for package in PACKAGES
        for folder in sorted(root(package).iterdir())
        if folder.is_dir() and is_family(folder)
    ]


def is_family(folder: Path) -> bool:
    """Whether a folder holds the config of a whole model."""
    return folder.name != '_base_' and any(
        _brings_a_model(file) for file in folder.glob('*.py')
    )


def _brings_a_model(file: Path) -> bool:
    text = file.read_text()
    if _MODEL.search(text):
        return True
    # What another folder than `_base_` holds is a whole config.
    bases = _BASE.findall(text.partition('_base_')[2].partition('=')[2][:600])
    return any(
        '_base_/models/' in base or re.match(r'\.\./(?!_base_)', base)
        for base in bases
    )


def typical(package: str, folder: Path) -> Path:
    """The config that stands for a folder: a small model, a short name."""
    pinned = folder / TYPICAL.get(f'{package}/{folder.name}', '-')
    if pinned.is_file():
        return pinned
    return min(
        (f for f in folder.glob('*.py') if not f.stem.endswith('_tta')),
        key=lambda file: _order(file.stem),
    )


def _order(name: str) -> tuple:
    size = 0 if _SMALLEST.search(name) else 1 if _SMALL.search(name) else 2
    return size, not _USUAL_DATA.search(name), len(name), name
