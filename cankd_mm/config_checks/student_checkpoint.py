"""The student is also written by itself beside each checkpoint."""

from collections.abc import Iterator

from cankd_mm.config_checks.examined_config import ExaminedConfig
from cankd_mm.config_checks.finding import Finding, info
from cankd_mm.utils.config_walk import type_name


def check(examined: ExaminedConfig) -> Iterator[Finding]:
    """Finds a distillation without ``StudentCheckpointHook``."""
    if not examined.is_distillation:
        return
    hooks = [
        *(examined.cfg.get('custom_hooks') or ()),
        *(examined.cfg.get('default_hooks') or {}).values(),
    ]
    if not any(type_name(hook) == 'StudentCheckpointHook' for hook in hooks):
        yield info(
            'custom_hooks',
            'no StudentCheckpointHook, so the student has to be taken out '
            'with tools/export_student.py',
        )
