"""Registers the package's components in the OpenMMLab registries.

Losses and hooks are cheap to import and are registered at once. What drags
whole task libraries in (algorithms, connectors and loops need MMRazor's,
data sets need mmdet or mmseg) is imported by its registry at the first
look-up.
"""

from importlib import import_module
from importlib.util import find_spec

# Module of a registry, name of the registry, module to import on look-up.
_LAZY = (
    ('mmrazor.registry', 'MODELS', 'cankd_mm.algorithms'),
    ('mmrazor.registry', 'MODELS', 'cankd_mm.connectors'),
    ('mmdet.registry', 'DATASETS', 'cankd_mm.datasets.digits_detection'),
    ('mmseg.registry', 'DATASETS', 'cankd_mm.datasets.digits_segmentation'),
)
_EAGER = ('cankd_mm.losses', 'cankd_mm.engine')


def register_all_modules(init_default_scope: bool = False) -> None:
    """Registers every component; safe to call more than once.

    Without MMRazor, or what it imports, nothing is registered:
    ``cankd_mm.functional`` needs torch alone and stays usable.

    Args:
        init_default_scope: Accepted because MMEngine passes it to every
            package's function of this name. The components live in MMRazor's
            and the task libraries' scopes, so there is no scope to set.
    """
    if any(
        find_spec(name) is None for name in ('mmengine', 'mmcv', 'mmrazor')
    ):
        return
    from cankd_mm import compat

    compat.apply()
    from cankd_mm.config.own_data.in_mmengine import follow_overrides

    follow_overrides()
    for module in _EAGER:
        import_module(module)
    for registry_module, registry_name, module in _LAZY:
        if find_spec(registry_module.partition('.')[0]) is not None:
            registry = getattr(import_module(registry_module), registry_name)
            _import_on_lookup(registry, module)


def _import_on_lookup(registry, module: str) -> None:
    """Adds ``module`` to the modules a registry imports when first asked."""
    # A registry without locations falls back to its package's own
    # registration; with ours added it would not, so state that one too.
    locations = registry._locations or [f'{registry.scope}.models']
    if module not in locations:
        # Not in place: registries share one default list of locations.
        registry._locations = [*locations, module]
        registry._imported = False
