"""MMRazor builds models from config files, not from packages' alone.

MMRazor 1.0 hands ``dict(cfg_path=...)`` to MMEngine's hub, which refuses a
local file ("`_get_package_and_cfg_path` is used for get external package")
and silently ignores nested overrides, so that not even ``num_classes`` of a
student can be changed.

Upstream: https://github.com/open-mmlab/mmrazor/issues/460
Probe: the builder refuses a file for its name, before it looks for it.
Delete when a release of MMRazor builds a model from a local file.
"""


def needed() -> bool:
    """Whether MMRazor's builder refuses local files."""
    from mmrazor.registry import MODELS

    try:
        MODELS.build_func(dict(cfg_path='no-such-file.py'), registry=MODELS)
    except ValueError as error:
        return 'external package' in str(error)
    except FileNotFoundError:
        return False
    return False


def apply() -> None:
    """Builds every ``cfg_path`` of MMRazor's registry with our builder."""
    from mmrazor.registry import MODELS

    from cankd_mm.utils.model_config import build_model

    refusing_builder = MODELS.build_func

    def build(cfg, registry, default_args=None):
        if cfg.get('cfg_path') and not cfg.get('type'):
            return build_model({**(default_args or {}), **cfg}, 'model')
        return refusing_builder(cfg, registry, default_args)

    MODELS.build_func = build
