"""Data sets read a folder as it is laid out, whatever the recipe is for."""

from collections.abc import Iterator, Mapping, MutableMapping
from difflib import get_close_matches

from mmengine.config import Config

from cankd_mm.config.own_data.ancestors import Ancestors
from cankd_mm.config.own_data.class_names import (
    checked_classes,
    has_classes_of_its_own,
)
from cankd_mm.config.own_data.metrics import use_metrics
from cankd_mm.config.own_data.places import (
    data_sets_of,
    first_of_each,
    read_instead,
    same_folder,
)
from cankd_mm.config.own_data.voc_folder import (
    is_voc_folder,
    use_split_lists,
    use_voc_folder,
)
from cankd_mm.datasets.prepared import (
    SPLITS,
    PreparedData,
    description_file,
    read_prepared,
)
from cankd_mm.utils.config_walk import dicts, type_name


def use_prepared_classes(cfg: Config, ancestors: Ancestors) -> None:
    """Name the classes of a prepared folder, where the config names none.

    Args:
        cfg: A whole config; changed in place.
        ancestors: Its file and bases.

    Raises:
        ValueError: ``classes`` are not those of the folder.
    """
    found, prepared = _named_folder(cfg)
    if prepared is None:
        return
    if 'classes' in cfg:
        _require_classes(cfg, checked_classes(cfg.classes), prepared)
    elif not any(
        has_classes_of_its_own(cfg, ancestors, data) for _, _, data in found
    ):
        cfg.classes = prepared.classes


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
    found, prepared = _named_folder(cfg)
    if not found:
        return
    root = cfg.data_root
    if prepared:
        _require_task(cfg, root, prepared)
        for split, _, data in found:
            _use_prepared(data, split, prepared)
    elif is_voc_folder(root) and cfg.get('default_scope') != 'mmseg':
        for split, _, data in found:
            if type_name(data) == 'VOCDataset':
                use_split_lists(data)
            elif type_name(data) == 'CocoDataset':
                use_voc_folder(data, split)
        if any(type_name(data) == 'VOCDataset' for _, _, data in found):
            _require_no_masks(cfg, root)
    else:
        return
    for split in SPLITS:
        for _, part in dicts(cfg.get(f'{split}_dataloader')):
            if 'datasets' in part:
                part['datasets'] = first_of_each(part['datasets'], _files_of)
    use_metrics(cfg, prepared)


def _named_folder(
    cfg: Config,
) -> tuple[list[tuple[str, str, MutableMapping]], PreparedData | None]:
    """Return the data sets of the folder at the top, and how it is prepared.

    Returns:
        Split, key and config of each data set, as :func:`data_sets_of` yields
        them; and None for a folder that is not prepared.
    """
    root = cfg.get('data_root')
    if not isinstance(root, str) or '://' in root:
        return [], None
    found = [
        item
        for item in data_sets_of(cfg)
        if same_folder(item[2].get('data_root') or '', root)
    ]
    return found, read_prepared(root) if found else None


def _require_classes(
    cfg: Config, classes: tuple[str, ...], prepared: PreparedData
) -> None:
    """Raise where classes are not those of a prepared folder.

    Raises:
        ValueError: A name is not there, or a segmentor's labels would stand
            for other classes.
    """
    if prepared.task == 'segmentation' and classes != prepared.classes:
        raise ValueError(
            f'classes={classes!r}, but {description_file(cfg.data_root)} has '
            f'{prepared.classes!r}. Label maps number all classes: a '
            'segmentor takes all of them, in this order. Take classes out'
        )
    unknown = [name for name in classes if name not in prepared.classes]
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
    for key, step in _steps(cfg):
        if type_name(step) == 'LoadPanopticAnnotations':
            raise ValueError(
                f'{key} loads panoptic annotations, and the ones below '
                f'data_root={root!r} are of objects only. Take another '
                'detector'
            )
    if not is_segmentor and not prepared.has_masks:
        _require_no_masks(cfg, root)


def _require_no_masks(cfg: Config, root: str) -> None:
    """Raise where a detector learns masks, and the data have boxes only.

    Raises:
        ValueError: It does.
    """
    for key, step in _steps(cfg):
        if step.get('with_mask') or step.get('with_seg'):
            raise ValueError(
                f'{key} loads masks (with_mask, with_seg), and the '
                f'annotations below data_root={root!r} have boxes only. Take '
                'a detector that learns boxes, or data with masks (polygons '
                'in COCO or YOLO format), prepared by tools/prepare_data.py'
            )


def _steps(cfg: Config) -> Iterator[tuple[str, Mapping]]:
    """Yield the steps of all pipelines, with the pipelines' keys."""
    for _, key, data in data_sets_of(cfg):
        for step in data.get('pipeline') or ():
            yield f'{key}.pipeline', step


def _use_prepared(
    data: MutableMapping, split: str, prepared: PreparedData
) -> None:
    if split == 'test' and 'test' not in prepared.splits:
        split = 'val'
    if not data.get('metainfo'):
        data['metainfo'] = dict(classes=prepared.classes)
    ann_file = prepared.splits[split]
    if prepared.task == 'detection':
        read_instead(
            data,
            type='CocoDataset',
            ann_file=ann_file,
            data_prefix=dict(img=prepared.image_folder),
        )
        return
    read_instead(
        data,
        type='BaseSegDataset',
        ann_file=ann_file,
        data_prefix=dict(
            img_path=prepared.image_folder, seg_map_path=prepared.mask_folder
        ),
        img_suffix=prepared.image_suffix,
        seg_map_suffix=prepared.mask_suffix,
        reduce_zero_label=False,
    )
    for _, step in dicts(data.get('pipeline')):
        if type_name(step) == 'LoadAnnotations':
            step.pop('reduce_zero_label', None)


def _files_of(data: Mapping) -> tuple[str, str] | None:
    """Return what a data set reads; None where that is not known."""
    files = data.get('data_root'), data.get('ann_file')
    return None if None in files else files
