"""The model that a runner trains, without what wraps it."""

from typing import Any

from mmengine.model import is_model_wrapper


def unwrapped_model(model: Any) -> Any:
    """Return the model inside of a wrapper for distributed training.

    Args:
        model: ``runner.model``. One without a wrapper is returned as it is.
    """
    return model.module if is_model_wrapper(model) else model
