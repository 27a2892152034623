"""Data sets read a folder as it is laid out, whatever the recipe is for."""

from collections.abc import Mapping, MutableMapping, Sequence
from difflib import get_close_matches
from typing import Any

from mmengine.config import Config

from cankd_mm.config.own_data.class_names import (
    checked_classes,
    has_classes_of_its_own,
)
from cankd_mm.config.own_data.metrics import use_metrics
from cankd_mm.config.own_data.places import (
    SPLITS,
    data_sets_of,
    same_folder,
    type_name,
)
from cankd_mm.config.own_data.voc_folder import (
    is_voc_folder,
    use_split_lists,
    use_voc_folder,
)
from cankd_mm.datasets.prepared import (
    PreparedData,
    description_file,
    read_prepared,
)
from cankd_mm.utils.config_walk import dicts

# What a data set keeps when it reads other files.
_KEPT = (
    '_scope_',
    'backend_args',
    'filter_cfg',
    'indices',
    'lazy_init',
    'max_refetch',
    'pipeline',
    'return_classes',
    'serialize_data',
    'test_mode',
)


def use_prepared_classes(cfg: Config) -> None:
    """Name the classes of a prepared folder, where the config names none.

    Args:
        cfg: A whole config; changed in place.

    Raises:
        ValueError: ``classes`` are not those of the folder.
    """
    found, prepared = _below_the_root(cfg), _prepared(cfg)
    if prepared is None:
        return
    if 'classes' not in cfg:
        if not any(has_classes_of_its_own(cfg, d) for _, _, d in found):
            cfg.classes = prepared.classes
    else:
        _require_classes(cfg, checked_classes(cfg.classes), prepared)


def adapt_to_layout(cfg: Config) -> None:
    """Let the data sets below ``data_root`` read what the folder holds.

    A prepared folder makes a detector's data sets ``CocoDataset`` and a
    segmentor's ``BaseSegDataset``. A detector on a folder in the layout of a
    single VOC data set gets ``VOCDataset``. The metrics follow.

    Args:
        cfg: A whole config; changed in place.

    Raises:
        ValueError: The folder was prepared for another task, or has no masks
            for a model that learns them.
    """
    found = _below_the_root(cfg)
    if not found:
        return
    root, prepared = cfg.data_root, _prepared(cfg)
    if prepared:
        _require_task(cfg, root, prepared)
        for split, _, data in found:
            _use_prepared(data, split, prepared)
    elif is_voc_folder(root) and cfg.get('default_scope') != 'mmseg':
        for split, _, data in found:
            if type_name(data) == 'VOCDataset':
                use_split_lists(data)
            elif type_name(data) == 'CocoDataset':
                use_voc_folder(data, split, _KEPT)
        if any(type_name(data) == 'VOCDataset' for _, _, data in found):
            _require_no_masks(cfg, root)
    else:
        return
    for split in SPLITS:
        for _, part in dicts(cfg.get(f'{split}_dataloader')):
            if 'datasets' in part:
                part['datasets'] = _without_repetition(part['datasets'])
    use_metrics(cfg, prepared)


def _prepared(cfg: Config) -> PreparedData | None:
    return read_prepared(cfg.data_root) if _below_the_root(cfg) else None


def _below_the_root(cfg: Config) -> list[tuple[str, str, MutableMapping]]:
    """Return the data sets of the folder that the config names."""
    root = cfg.get('data_root')
    if not isinstance(root, str) or '://' in root:
        return []
    return [
        item
        for item in data_sets_of(cfg)
        if same_folder(item[2].get('data_root') or '', root)
    ]


def _require_classes(
    cfg: Config, classes: tuple[str, ...], prepared: PreparedData
) -> None:
    """Raise where classes are not those of a prepared folder.

    Raises:
        ValueError: A name is not there, or a segmentor's labels would stand
            for other classes.
    """
    unknown = [name for name in classes if name not in prepared.classes]
    if prepared.task == 'segmentation' and classes != prepared.classes:
        raise ValueError(
            f'classes={classes!r}, but {description_file(cfg.data_root)} has '
            f'{prepared.classes!r}. Label maps number all classes: a '
            'segmentor takes all of them, in this order. Take classes out'
        )
    if unknown:
        close = get_close_matches(str(unknown[0]), prepared.classes, 1)
        raise ValueError(
            f'classes={classes!r}, but '
            f'{description_file(cfg.data_root)} has {prepared.classes!r}. '
            + (f'Did you mean {close[0]!r}? ' if close else '')
            + 'Take classes out to use those of the folder'
        )


def _require_task(cfg: Config, root: str, prepared: PreparedData) -> None:
    """Raise where a folder was prepared for another kind of model.

    Raises:
        ValueError: It was.
    """
    file = description_file(root)
    is_segmentor = cfg.get('default_scope') == 'mmseg'
    expected = 'segmentation' if is_segmentor else 'detection'
    if prepared.task != expected:
        raise ValueError(
            f'data_root={root!r} was prepared for {prepared.task} ({file}), '
            f'and this is a config of {expected}. Take a config of '
            f'{prepared.task}, or prepare the folder with --out ANOTHER: '
            f'python tools/prepare_data.py {expected} {root} --out ANOTHER'
        )
    for _, key, data in data_sets_of(cfg):
        for step in data.get('pipeline') or ():
            if type_name(step) == 'LoadPanopticAnnotations':
                raise ValueError(
                    f'{key}.pipeline loads panoptic annotations, and the ones '
                    f'below data_root={root!r} are of objects only. Take '
                    'another detector'
                )
    if not is_segmentor and not prepared.has_masks:
        _require_no_masks(cfg, root)


def _require_no_masks(cfg: Config, root: str) -> None:
    """Raise where a detector learns masks, and the data have boxes only.

    Raises:
        ValueError: It does.
    """
    for _, key, data in data_sets_of(cfg):
        for step in data.get('pipeline') or ():
            if step.get('with_mask') or step.get('with_seg'):
                raise ValueError(
                    f'{key}.pipeline loads masks (with_mask, with_seg), and '
                    f'the annotations below data_root={root!r} have boxes '
                    'only. Take a detector that learns boxes, or data with '
                    'masks (polygons in COCO or YOLO format), prepared by '
                    'tools/prepare_data.py'
                )


def _use_prepared(
    data: MutableMapping, split: str, prepared: PreparedData
) -> None:
    if split == 'test' and 'test' not in prepared.splits:
        split = 'val'
    kept = {key: data[key] for key in _KEPT if key in data}
    is_detection = prepared.task == 'detection'
    metainfo = data.get('metainfo')
    root = data['data_root']
    data.clear()
    data.update(
        type='CocoDataset' if is_detection else 'BaseSegDataset',
        data_root=root,
        ann_file=prepared.splits[split],
        data_prefix=dict(img=prepared.image_folder)
        if is_detection
        else dict(
            img_path=prepared.image_folder, seg_map_path=prepared.mask_folder
        ),
        metainfo=metainfo or dict(classes=prepared.classes),
        **kept,
    )
    if not is_detection:
        data.update(
            img_suffix=prepared.image_suffix,
            seg_map_suffix=prepared.mask_suffix,
            reduce_zero_label=False,
        )
        for _, step in dicts(data.get('pipeline')):
            if type_name(step) == 'LoadAnnotations':
                step.pop('reduce_zero_label', None)


def _without_repetition(parts: Sequence[Mapping]) -> list[Mapping[str, Any]]:
    """Leave the first of the data sets that have become the same."""
    lists = [(part.get('data_root'), part.get('ann_file')) for part in parts]
    return [
        part
        for index, part in enumerate(parts)
        if None in lists[index] or lists[index] not in lists[:index]
    ]
