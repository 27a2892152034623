"""Distill losses are there, are computed, and reach the total."""

from collections.abc import Iterator

from cankd_mm.config_checks.examined_config import ExaminedConfig
from cankd_mm.config_checks.finding import Finding, error, warning
from cankd_mm.utils.config_walk import type_name


def check(examined: ExaminedConfig) -> Iterator[Finding]:
    """Finds losses that teach nothing."""
    if not examined.is_distillation:
        return
    losses = examined.part('distill_losses')
    mappings = examined.part('loss_forward_mappings')
    if not losses:
        yield warning(
            'model.distiller.distill_losses',
            'no loss, so the teacher teaches nothing',
            'at least one',
        )
    for name, loss in losses.items():
        if 'loss' not in name:
            yield error(
                f'model.distiller.distill_losses.{name}',
                repr(name),
                "a name with 'loss' in it: MMEngine adds no other value to "
                'the total, so this one is logged and teaches nothing',
                f"Call it 'loss_{name}', in loss_forward_mappings too",
            )
        # Other distillers call their losses by rules of their own.
        is_mapped = type_name(examined.distiller) == 'ConfigurableDistiller'
        if is_mapped and name not in mappings:
            yield error(
                f'model.distiller.distill_losses.{name}',
                f'no entry {name!r} in loss_forward_mappings, so this '
                f'{type_name(loss)} is never computed',
                'one that says which records it takes',
            )
