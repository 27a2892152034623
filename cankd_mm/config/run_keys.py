"""Which keys at the top of a config are read by programs."""

import inspect

from mmengine.config import Config
from mmengine.runner import Runner

# Read by the tools of the libraries and of this package.
_OF_TOOLS = {
    'auto_scale_lr',
    'classes',
    'custom_imports',
    'data_root',
    'image_scale',
    'num_classes',
    'runner_type',
    'tta_model',
    'tta_pipeline',
}


def without_helper_variables(cfg: Config) -> Config:
    """Return a config with only the keys that a run or a tool reads.

    Recipes build their dicts from variables such as ``train_pipeline``, which
    stay in the config with the values that the bases had.

    Args:
        cfg: A whole config; not changed.
    """
    keys = set(inspect.signature(Runner.__init__).parameters) | _OF_TOOLS
    content = {key: value for key, value in cfg.items() if key in keys}
    return Config(content)
