"""What of a checkpoint's own config an inferencer is built from."""

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS

from cankd_mm.utils.config_walk import dicts

REMEDY = (
    'Give the config that belongs to the weights (model=CONFIG); of a '
    "distillation, the plain student's and `<name>_student.pth`"
)


def without_paths(config: Config, source: str) -> Config:
    """Remove what opens files of the config's choice from a config.

    An inferencer builds the model, the test pipeline and the visualizer, and
    the test data set for its palette. Storage backends, the folders that a
    visualizer writes to and the files of the data set are left out; of the
    data set the meta information stays.

    Args:
        config: As the checkpoint holds it; changed in place.
        source: The checkpoint, for messages.

    Raises:
        ValueError: The model is to be read from a file.
    """
    content = config._cfg_dict  # a Config itself is no mapping
    for key, part in dicts(content):
        for name in ('backend_args', 'file_client_args'):
            if part.get(name) is not None:
                part[name] = None
        for name in ('cfg_path', 'class_weight', 'teacher_config'):
            if isinstance(part.get(name), str):
                path = f'{key}.{name}' if key else name
                raise ValueError(
                    f'{source}: {path}={part[name]!r} names a file, and no '
                    'file that a checkpoint names is opened. Expected a '
                    f'config without files. {REMEDY}'
                )
    visualizer = content.get('visualizer')
    if isinstance(visualizer, Mapping):
        visualizer['vis_backends'] = visualizer['save_dir'] = None
    loader = content.get('test_dataloader')
    if isinstance(loader, Mapping) and isinstance(
        loader.get('dataset'), Mapping
    ):
        loader['dataset'] = _without_files(loader['dataset'])
    return config


def _without_files(dataset: Mapping) -> dict[str, Any]:
    """A data set without data that has the meta information of another."""
    metainfo = {**_class_metainfo(dataset), **(dataset.get('metainfo') or {})}
    return dict(
        type=BaseDataset,
        # MMEngine takes text for the name of a file with the values.
        metainfo={
            key: value
            for key, value in metainfo.items()
            if not isinstance(value, str)
        },
        pipeline=dataset.get('pipeline') or [],
    )


def _class_metainfo(dataset: Mapping) -> dict[str, Any]:
    kind = dataset.get('type')
    if not isinstance(kind, str):
        return {}
    with DATASETS.switch_scope_and_registry(
        dataset.get('_scope_')
    ) as registry:
        found = registry.get(kind)
    return getattr(found, 'METAINFO', None) or {}
