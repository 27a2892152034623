"""Refuses to resume from the weights of another model."""

from mmengine.hooks import Hook

from cankd_mm.algorithms.distilled import Distilled
from cankd_mm.utils.checkpoint import has_old_keys, load_state
from cankd_mm.utils.model_wrapper import unwrapped_model

# As for teachers and for tests: with less, training starts from noise.
_MIN_COVERAGE = 0.99


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
        ValueError: Less than 99 % of the model's weights are there in the
            same shape; or a distillation is to go on from a checkpoint of a
            student without a distiller, or from one whose optimizer counts
            the teacher's parameters, too.
    """

    priority = 'VERY_HIGH'

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Load what fits; raise if that is too little."""
        if not runner._resume:
            return
        model = unwrapped_model(runner.model)
        if isinstance(model, Distilled):
            _check_layout(
                model,
                checkpoint.get('state_dict') or {},
                f'--resume={runner._load_from!r}',
            )
        # The runner loads them anyhow, once the hooks have seen them.
        report = load_state(
            model,
            checkpoint.get('state_dict') or {},
            f'--resume={runner._load_from!r}',
        )
        if report.coverage < _MIN_COVERAGE:
            raise ValueError(
                f'{report}: {len(report.matched)} of {len(model.state_dict())}'
                ' tensors of the model; expected a checkpoint of this config. '
                'To start a new training with its weights: --student-ckpt in '
                'a distillation, --cfg-options load_from=... otherwise. First '
                f'keys that do not fit:\n{report.offenders()}'
            )


def _check_layout(model: Distilled, state: dict, source: str) -> None:
    remedy = (
        'Start a new training with its weights: --student-ckpt, or '
        '--cfg-options load_from=...'
    )
    if has_old_keys(state):
        raise ValueError(
            f"{source}: found a student under 'architecture.', as MMRazor's "
            'algorithms and earlier versions of this package save it; '
            "expected the student's own keys. The optimizer of that training "
            "counted the teacher's parameters, and this one does not, so its "
            f'state cannot be taken over. {remedy}, or finish that training '
            'with the version that began it'
        )
    expected = [
        key for key in model.state_dict() if key.startswith('distiller.')
    ]
    if expected and not any(key in state for key in expected):
        raise ValueError(
            f"{source}: found a student's checkpoint without a distiller, "
            'expected a checkpoint of this distillation with '
            f'{len(expected)} tensors such as {expected[0]}. {remedy}'
        )
