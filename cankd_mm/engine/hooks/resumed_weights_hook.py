"""Refuses to resume from the weights of another model."""

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

# As for teachers and for tests: with less, training starts from noise.
_MIN_SHARE = 0.99


def check_resumed_weights(runner) -> None:
    """Have the weights looked at that a run resumes from.

    Args:
        runner: Built, and not running yet.
    """
    runner.register_hook(ResumedWeightsHook())


class ResumedWeightsHook(Hook):
    """Raises where a checkpoint to resume from does not fit the model.

    MMEngine loads what fits and lists the rest in the log, so that training
    would go on from random weights.

    Raises:
        ValueError: Less than 99 % of the model's tensors are there in the
            same shape.
    """

    priority = 'VERY_HIGH'

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Compare names and shapes before anything is loaded."""
        if not runner._resume:
            return
        model = runner.model
        model = model.module if is_model_wrapper(model) else model
        expected = model.state_dict()
        found = checkpoint.get('state_dict') or {}
        missing = [name for name in expected if name not in found]
        misfits = [
            f'{name}: checkpoint {tuple(found[name].shape)}, model '
            f'{tuple(tensor.shape)}'
            for name, tensor in expected.items()
            if name in found and found[name].shape != tensor.shape
        ]
        matched = len(expected) - len(missing) - len(misfits)
        if matched >= _MIN_SHARE * len(expected):
            return
        unexpected = [name for name in found if name not in expected]
        lines = [
            *(f'  mis-shaped {line}' for line in misfits),
            *(f'  missing {name}' for name in missing),
            *(f'  unexpected {name}' for name in unexpected),
        ]
        raise ValueError(
            f'--resume={runner._load_from!r}: {matched} of {len(expected)} '
            f'tensors of the model match, {len(missing)} are missing, '
            f'{len(misfits)} mis-shaped, {len(unexpected)} unexpected; '
            'expected a checkpoint of this config. To start a new training '
            'with its weights: --student-ckpt in a distillation, '
            '--cfg-options load_from=... otherwise. First keys that do not '
            'fit:\n' + '\n'.join(lines[:10])
        )
