"""Losses on class logits compare models with the same classes."""

import re
from collections.abc import Iterator

from cankd_mm.config.class_heads import class_counts
from cankd_mm.config_checks.examined_config import (
    ExaminedConfig,
    Link,
)
from cankd_mm.config_checks.finding import Finding, error
from cankd_mm.utils.config_walk import type_name

# The last layers of mmdet's and mmseg's heads that give class logits.
_LOGITS = re.compile(
    r'^(?P<head>bbox_head|roi_head\.bbox_head|decode_head|auxiliary_head)'
    r'(\.\d+)?\.(conv_seg|cls_seg|fc_cls|conv_cls|\w+_cls)$'
)


def check(examined: ExaminedConfig) -> Iterator[Finding]:
    """Finds a loss whose classes are not those of what it is given.

    Losses on features look at no classes, so a teacher of another class count
    is fine for them.
    """
    losses = examined.part('distill_losses')
    for name, loss in losses.items():
        links = [link for link in examined.links if link.loss == name]
        if type_name(loss) == 'CSKDLoss':
            yield from _cskd(examined, name, loss, links)
        else:
            yield from _direct(examined, name, links)


def _cskd(examined, name, loss, links: list[Link]) -> Iterator[Finding]:
    classes = loss.get('num_classes')
    for link in links:
        connector = examined.part('connectors').get(link.connector)
        if type_name(connector) == 'PatchClassifierConnector':
            count = connector.get('num_classes')
            if count != classes:
                yield error(
                    f'model.distiller.connectors.{link.connector}.num_classes',
                    str(count),
                    f'{classes}, num_classes of {name}',
                    'A patch has one logit for each class of the loss: set '
                    'both to the classes of the data set',
                )
        elif link.argument == 't_feature' and link.connector is None:
            count = _one_count(examined, link)
            if count not in (None, classes):
                yield error(
                    f'model.distiller.distill_losses.{name}.num_classes',
                    f'{classes}, for a teacher of {count} classes',
                    'the same number',
                    'Class logits can only be taught by a teacher of the '
                    'same classes: take another teacher, or a loss on '
                    'features',
                )


def _direct(examined, name, links: list[Link]) -> Iterator[Finding]:
    counts = {}
    for link in links:
        source = examined.source(link)
        if link.connector or not source or not _LOGITS.match(source):
            continue
        counts[link.role] = _one_count(examined, link)
    if len(counts) < 2 or None in counts.values():
        return
    if counts['student'] != counts['teacher']:
        yield error(
            f'model.distiller.distill_losses.{name}',
            f'class logits of a student of {counts["student"]} classes '
            f'and a teacher of {counts["teacher"]}',
            'the same classes',
            'Take a teacher of the same classes, or a loss on features',
        )


def _one_count(examined: ExaminedConfig, link: Link) -> int | None:
    """The class count of a link's model, if its heads agree on one."""
    model = getattr(examined, link.role)
    counts = set(class_counts(model.config).values()) if model else set()
    return counts.pop() if len(counts) == 1 else None
