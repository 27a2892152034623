"""Hands the optimizer to a student of local modules."""

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS
from torch.nn.parallel import DistributedDataParallel

from cankd_mm.utils.model_wrapper import unwrapped_model


@HOOKS.register_module()
class LocalBackwardHook(Hook):
    """Lets ``LocalModuleDistill(local_backward=True)`` train distributed.

    Its local modules are back-propagated during the forward, with the scaling
    of the optimizer's wrapper. Alone the model gets the wrapper by
    ``train_step``, which ``MMDistributedDataParallel`` does not call. Does
    nothing for other models, so it may stand in any config.

    Raises:
        ValueError: The model is wrapped in a way that a backward inside the
            forward does not fit.

    Examples:
        >>> custom_hooks = [dict(type='LocalBackwardHook')]
    """

    def before_train(self, runner) -> None:
        """Checks how the model is wrapped."""
        if not self._is_wanted(runner) or not is_model_wrapper(runner.model):
            return
        wrapper = runner.model
        if not isinstance(wrapper, DistributedDataParallel):
            raise ValueError(
                'model.local_backward=True works alone and in '
                'MMDistributedDataParallel, but the model is in '
                f'{type(wrapper).__name__}. Set model.local_backward=False'
            )
        if wrapper.static_graph:
            # It counts the gradients of the first step, early ones too.
            raise ValueError(
                'model.local_backward=True and static_graph=True of the '
                'model wrapper exclude each other. Leave one of them out'
            )

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        """Hands the optimizer's wrapper over."""
        if self._is_wanted(runner):
            unwrapped_model(runner.model).optim_wrapper = runner.optim_wrapper

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ) -> None:
        """Takes it back, so that the model can be copied."""
        if self._is_wanted(runner):
            unwrapped_model(runner.model).optim_wrapper = None

    @staticmethod
    def _is_wanted(runner) -> bool:
        return getattr(unwrapped_model(runner.model), 'local_backward', False)
