"""Student and teacher can be built."""

from collections.abc import Iterator

from mmengine.registry import MODELS

from cankd_mm.config_checks.examined_config import ROLES, ExaminedConfig
from cankd_mm.config_checks.faults import named, suggestion
from cankd_mm.config_checks.finding import Finding, error, not_checked


def check(examined: ExaminedConfig) -> Iterator[Finding]:
    """Find types and arguments that do not exist.

    Another failure on torch's meta device may be due to the device.
    """
    for role in ROLES:
        model = getattr(examined, role)
        if model is None or model.on_meta is not None:
            continue
        failure = model.failure_on_meta
        if _is_certain(failure):
            yield error(
                model.key,
                f'the {role} cannot be built: {named(failure)}',
                '',
                suggestion(failure, None, MODELS),
            )
        else:
            yield not_checked(
                model.key,
                f'operators, features and checkpoints of the {role}, which '
                "cannot be built without values (on torch's meta device): "
                f'{named(failure)}',
            )


def _is_certain(failure: Exception) -> bool:
    """Whether a model cannot be built on any device."""
    if isinstance(failure, KeyError):
        return 'registry' in str(failure)
    return isinstance(failure, TypeError) and ' argument' in str(failure)
