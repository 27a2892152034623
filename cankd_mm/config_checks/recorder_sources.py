"""The modules that are recorded are in the models."""

from collections.abc import Iterator

from cankd_mm.algorithms.dry_run import source_faults
from cankd_mm.config_checks.examined_config import ROLES, ExaminedConfig
from cankd_mm.config_checks.faults import as_finding
from cankd_mm.config_checks.finding import Finding, Severity


def check(examined: ExaminedConfig) -> Iterator[Finding]:
    """Find recorders of modules and parameters that do not exist."""
    for role in ROLES:
        recorders = examined.recorders(role)
        config = getattr(examined, role) if recorders else None
        model = config.on_meta if config else None
        if model is None:
            continue
        for fault in source_faults(recorders, model, role):
            yield as_finding(Severity.ERROR, fault, f'model.{role}')
