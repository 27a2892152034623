"""The student's heads have the classes of the data set."""

from collections.abc import Iterator

from cankd_mm.config.class_heads import class_counts, dataset_classes
from cankd_mm.config_checks.examined_config import ExaminedConfig
from cankd_mm.config_checks.finding import Finding, error


def check(examined: ExaminedConfig) -> Iterator[Finding]:
    """Finds heads that disagree with the data set, or with each other.

    A detector of 80 classes trains on three without a word, and its unused
    classes cost accuracy; one of three on 80 fails far from the cause.
    """
    student = examined.student
    if student is None:
        return
    counts = class_counts(student.config)
    data = dataset_classes(examined.cfg)
    if data is None:
        if len(set(counts.values())) > 1:
            yield error(
                student.key,
                'heads of different class counts: '
                + ', '.join(f'{key} {n}' for key, n in counts.items()),
                'one count',
                'Set num_classes of each head to the classes of the data set',
            )
        return
    where, classes = data
    for key, count in counts.items():
        if count != classes:
            yield error(
                f'{student.key}.{key}.num_classes',
                str(count),
                f'{classes}, the classes of {where}',
                f"Set it to {classes}, or name the data set's classes in "
                'its metainfo=dict(classes=(...))',
            )
