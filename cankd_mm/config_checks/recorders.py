"""Recorders, connectors and mappings belong together."""

from collections.abc import Iterator
from difflib import get_close_matches

from cankd_mm.config_checks.examined_config import ROLES, ExaminedConfig
from cankd_mm.config_checks.finding import Finding, error, warning


def check(examined: ExaminedConfig) -> Iterator[Finding]:
    """Finds names without a meaning, and meanings that nobody names."""
    # Other distillers take their records by rules of their own.
    if examined.distiller.get('type') is None or not examined.links:
        return
    yield from _unknown_names(examined)
    yield from _unknown_items(examined)
    for role in ROLES:
        used = {link.recorder for link in examined.links if link.role == role}
        for name in examined.recorders(role):
            if name not in used:
                yield warning(
                    f'model.distiller.{role}_recorders.{name}',
                    'nothing uses this recorder',
                    '',
                    'Name it in loss_forward_mappings, or take it out',
                )
    connected = {link.connector for link in examined.links}
    for name in examined.part('connectors'):
        if name not in connected:
            yield warning(
                f'model.distiller.connectors.{name}',
                'nothing uses this connector, so its weights learn nothing',
                '',
                'Name it in loss_forward_mappings, or take it out',
            )


def _unknown_names(examined: ExaminedConfig) -> Iterator[Finding]:
    losses = examined.part('distill_losses')
    for loss in examined.part('loss_forward_mappings'):
        if loss not in losses:
            yield _unknown(
                f'model.distiller.loss_forward_mappings.{loss}',
                loss,
                losses,
                'distill_losses',
            )
    for link in examined.links:
        recorders = examined.recorders(link.role)
        if link.recorder not in recorders:
            yield _unknown(
                f'{link.key}.recorder',
                link.recorder,
                recorders,
                f'{link.role}_recorders',
            )
        connectors = examined.part('connectors')
        if link.connector and link.connector not in connectors:
            yield _unknown(
                f'{link.key}.connector',
                link.connector,
                connectors,
                'connectors',
            )


def _unknown(key: str, name, known, where: str) -> Finding:
    close = get_close_matches(str(name), [str(n) for n in known], 1)
    return error(
        key,
        repr(name),
        f'one of model.distiller.{where}, which are {list(known)}',
        f'Did you mean {close[0]!r}?' if close else '',
    )


def _unknown_items(examined: ExaminedConfig) -> Iterator[Finding]:
    for link in examined.links:
        record, index = examined.record(link), link.data_idx
        if not isinstance(index, int) or type(record) is not tuple:
            continue
        if not -len(record) <= index < len(record):
            yield error(
                f'{link.key}.data_idx',
                str(index),
                f'less than {len(record)}: {examined.source(link)!r} of the '
                f'{link.role} gives {len(record)} outputs',
                'They are counted from 0',
            )
