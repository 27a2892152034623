"""Looks at the training data before training starts."""

import logging
from typing import Any

from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.registry import HOOKS

from cankd_mm.datasets.inspection import (
    LoadingRecord,
    Verdict,
    box_filters,
    inspect_sample,
    judge,
    loads_no_annotations,
    name_files_in_errors,
    observed_loading,
    record_of,
    unwrapped_with_steps,
)
from cankd_mm.datasets.inspection.errors import brief, failure_noted
from cankd_mm.datasets.inspection.loading import classes_of
from cankd_mm.utils.model_wrapper import unwrapped_model

_LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
_KEY = 'train_dataloader.dataset'
#: Of more items, no second count is made, for which other ranks wait.
_COUNTED_AGAIN = 50_000


@HOOKS.register_module()
class TrainingDataHook(Hook):
    """Reports what the training data are, and refuses those of no use.

    Detection: images, boxes per class, what loading left out and why, names
    in the annotations against ``classes``. Detection and segmentation: a few
    images and masks are opened with the pipeline's own loading steps. Runs
    once, before weights are loaded; one rank looks and reports. Errors of the
    pipeline name the image and the mask from then on.

    ``tools/train.py`` adds it, and has what loading leaves out counted while
    the data set loads (:func:`observe_data_loading`). In a run of another
    program the boxes are counted from the loaded items.

    Args:
        sample_size (int): How many images of each data set are opened.
            Defaults to 16.

    Raises:
        ValueError: No box of any class, boxes without a size, images or masks
            that are missing or cannot be read, masks of another size than
            the image or with labels of no class.

    Examples:
        >>> custom_hooks = [dict(type='TrainingDataHook')]
    """

    def __init__(self, sample_size: int = 16) -> None:
        self.sample_size = sample_size

    def before_run(self, runner) -> None:
        """Look at the data of the training loop, which is built by now."""
        loop = getattr(runner, '_train_loop', None)
        # Before testing it is a config still.
        if loop is None or isinstance(loop, dict):
            return
        errors = ['']
        if is_main_process():
            verdict = _look_at(
                loop, self.sample_size, getattr(runner, 'model', None)
            )
            _log(verdict)
            errors = ['\n'.join(verdict.errors)]
        # All ranks end: one that waits for another would wait for long.
        broadcast_object_list(errors)
        if errors[0]:
            raise ValueError(
                'The training data cannot be trained on (--no-check of '
                f'tools/train.py does not look):\n{errors[0]}'
            )
        for part, _ in _parts_with_steps(loop):
            name_files_in_errors(part)


def check_training_data(runner) -> None:
    """Have the training data of a run looked at.

    Args:
        runner: A runner that has not built its dataloaders yet.
    """
    observe_data_loading(runner)
    if not any(isinstance(hook, TrainingDataHook) for hook in runner.hooks):
        # Not by the config, which is written down as the user's.
        runner.register_hook(TrainingDataHook())


def observe_data_loading(runner) -> None:
    """Have the data sets of a runner observed while they load.

    Its ``build_dataloader`` is wrapped; classes of data sets are as they were
    as soon as it returns.

    Args:
        runner: A runner that has not built its dataloaders yet.
    """
    build = runner.build_dataloader

    def build_dataloader(dataloader, *args, **kwargs):
        name = next(
            (n for n in _LOADERS if getattr(runner, f'_{n}') is dataloader),
            'dataloader',
        )
        training = name == _LOADERS[0]
        with observed_loading(dataloader, name, training):
            return build(dataloader, *args, **kwargs)

    runner.build_dataloader = build_dataloader


def _look_at(loop: Any, sample_size: int, model: Any = None) -> Verdict:
    parts = _parts_with_steps(loop)
    if not parts:
        return Verdict(
            report=[
                f'{_KEY}: the data of {type(loop).__name__} were not looked '
                'at: it has no single data set'
            ]
        )
    records = []
    for part, steps in parts:
        record = record_of(part) or _count_again(part, steps)
        record.box_filters = box_filters(steps)
        records.append(record)
    ignored, untrained = _ignored_by(model)
    verdict = judge(records)
    for (part, _), record in zip(parts, records, strict=True):
        try:
            sample = inspect_sample(
                part, record.key, sample_size, ignored, untrained
            )
        except Exception as error:
            # Looking must not end a run that would train without it.
            sample = Verdict(
                warnings=[
                    f'{record.key}: images were not looked at, because '
                    f'looking failed ({brief(error)})'
                ]
            )
        verdict.report += sample.report
        verdict.warnings += sample.warnings
        verdict.errors += sample.errors
    return verdict


def _parts_with_steps(loop: Any) -> list:
    dataset = getattr(getattr(loop, 'dataloader', None), 'dataset', None)
    return [] if dataset is None else list(unwrapped_with_steps(dataset))


def _ignored_by(model: Any) -> tuple[set[int], set[int] | None]:
    """Return the labels of masks that a model ignores.

    Returns:
        Those that any head or loss ignores, and those that every head of the
        trained model ignores; None in place of the latter without such heads.
    """
    model = unwrapped_model(model)
    model = getattr(model, 'architecture', model)
    modules = [
        module
        for name, module in getattr(model, 'named_modules', dict().items)()
        # Of a distillation, the student.
        if not name.startswith('distiller.')
    ]
    found = [
        (module, module.ignore_index)
        for module in modules
        if isinstance(getattr(module, 'ignore_index', None), int)
    ]
    heads = [
        {label} for module, label in found if hasattr(module, 'num_classes')
    ]
    untrained = set.intersection(*heads) if heads else None
    return {label for _, label in found}, untrained


def _count_again(dataset: Any, steps: list) -> LoadingRecord:
    """Count the items of a data set that was not observed."""
    record = LoadingRecord(
        key=_KEY,
        kind=type(dataset).__name__,
        file=str(getattr(dataset, 'ann_file', '')),
        classes=classes_of(dataset),
    )
    if not callable(getattr(dataset, 'get_data_info', None)):
        record.not_counted = f'{record.kind} has no get_data_info'
        return record
    if loads_no_annotations(steps):
        record.not_counted = 'its pipeline loads no annotations'
        return record
    if len(dataset) > _COUNTED_AGAIN:
        # One rank counts, and the others wait.
        record.not_counted = (
            f'it has {len(dataset):,} items, more than {_COUNTED_AGAIN:,}; '
            'tools/train.py counts them while they are loaded'
        )
        return record
    items = map(dataset.get_data_info, range(len(dataset)))
    with failure_noted(record):
        record.count(items)
    return record


def _log(verdict: Verdict) -> None:
    if verdict.report:
        print_log(
            'Training data:\n' + '\n'.join(verdict.report), logger='current'
        )
    for warning in verdict.warnings:
        print_log(warning, logger='current', level=logging.WARNING)
