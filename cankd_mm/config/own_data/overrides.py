"""Brings the names at the top of a config to where they belong."""

from mmengine.config import Config

from cankd_mm.config.own_data.ancestors import Ancestors
from cankd_mm.config.own_data.class_names import name_classes
from cankd_mm.config.own_data.data_root import move_data_sets
from cankd_mm.config.own_data.image_scale import set_image_scale
from cankd_mm.config.own_data.layouts import (
    adapt_to_layout,
    use_prepared_classes,
)

# Configs of other libraries are not changed.
_SCOPES = (None, 'mmdet', 'mmengine', 'mmrazor', 'mmseg')


def apply_dataset_overrides(cfg: Config) -> None:
    """Make data sets, evaluators and heads agree with a config's top.

    ``data_root`` replaces the one of the bases in every data set and
    evaluator. Where the folder is prepared (``tools/prepare_data.py``) or has
    the layout of a single VOC data set, its annotations are used, with the
    metric that goes with them. ``classes`` names the classes of every data
    set and gives the number that every head of the student follows; a
    prepared folder brings its own. ``image_scale`` is the ``scale`` of every
    ``Resize`` step.

    Nothing changes in a config that agrees already.

    Args:
        cfg: A whole config; changed in place.

    Raises:
        ValueError: Names that contradict each other, or that cannot be
            applied: a data set would be another one than the one that is
            named.
    """
    if cfg.get('default_scope') not in _SCOPES:
        return
    ancestors = Ancestors(cfg)
    move_data_sets(cfg, ancestors)
    use_prepared_classes(cfg, ancestors)
    name_classes(cfg, ancestors)
    adapt_to_layout(cfg)
    set_image_scale(cfg, ancestors)
