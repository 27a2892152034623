"""Student and teacher can be read."""

from collections.abc import Iterator

from cankd_mm.config_checks.examined_config import ROLES, ExaminedConfig
from cankd_mm.config_checks.finding import Finding, error


def check(examined: ExaminedConfig) -> Iterator[Finding]:
    """Finds a ``cfg_path`` that leads nowhere."""
    for role in ROLES:
        failure = examined.unreadable(role)
        if failure is not None:
            yield error(
                f'model.{dict(student="architecture").get(role, role)}',
                f'the {role} cannot be read: {failure}',
            )
