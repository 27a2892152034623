"""The distiller of a pair while it is put together."""

from dataclasses import dataclass, field
from typing import Any

from cankd_mm.pairing.features import Level
from cankd_mm.pairing.match import Match
from cankd_mm.pairing.places import module_of


@dataclass
class Draft:
    """What a method needs of a pair.

    Attributes:
        summary: What is compared, in a line.
        distiller: The parts of a ``ConfigurableDistiller``. Values may have
            comments, as :class:`~cankd_mm.pairing.source_text.Noted`.
        truncations: Modules that begin the student's local modules (LAKD).
        notes: What a user should know before training.
        dry_run_size: Height and width of the image that training tries
            first, None for the usual one.
    """

    summary: str = ''
    distiller: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {
            'student_recorders': {},
            'teacher_recorders': {},
            'connectors': {},
            'distill_losses': {},
            'loss_forward_mappings': {},
        }
    )
    truncations: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    dry_run_size: tuple[int, int] | None = None

    @property
    def works_at_any_size(self) -> bool:
        """Whether no connector resizes to one grid."""
        return not any(
            'size' in part
            for connector in self.distiller['connectors'].values()
            for part in (
                connector if isinstance(connector, list) else [connector]
            )
        )

    def record(
        self, role: str, level: Level, connector: str | None = None
    ) -> dict[str, Any]:
        """Record a level, and return the entry of a loss's mapping.

        Args:
            role: 'student' or 'teacher'.
            level: What is recorded.
            connector: Name of the connector that it passes.
        """
        source, index = module_of(level)
        return self.record_module(role, source, index, connector)

    def record_module(
        self,
        role: str,
        source: str,
        index: int | None = None,
        connector: str | None = None,
        kind: str = 'ModuleOutputs',
        name: str | None = None,
    ) -> dict[str, Any]:
        """Record a module or method, as :meth:`record` does a level.

        Args:
            role: 'student' or 'teacher'.
            source: The module's or method's name.
            index: Which item of what it returns.
            connector: Name of the connector that it passes.
            kind: Class of the recorder.
            name: The recorder's name, None for one made of ``source``.
        """
        recorders = self.distiller[f'{role}_recorders']
        recorder = dict(type=kind, source=source)
        name = first = name or _recorder_name(source)
        number = 1
        while recorders.get(name, recorder) != recorder:
            number += 1
            name = f'{first}_{number}'
        recorders[name] = recorder
        entry: dict[str, Any] = dict(
            from_student=role == 'student', recorder=name
        )
        if index is not None:
            entry['data_idx'] = index
        if connector is not None:
            entry['connector'] = connector
        return entry

    def compare(
        self,
        name: str,
        loss: dict[str, Any],
        match: Match,
        connector: str | None = None,
    ) -> None:
        """Add a loss on a matched pair of levels.

        Args:
            name: The loss's name.
            loss: Its config.
            match: What it compares.
            connector: What the student's level passes.
        """
        self.distiller['distill_losses'][name] = loss
        self.distiller['loss_forward_mappings'][name] = dict(
            s_feature=self.record('student', match.student, connector),
            t_feature=self.record('teacher', match.teacher),
        )

    def compare_modules(
        self,
        name: str,
        loss: dict[str, Any],
        match: Match,
        connector: str | None = None,
    ) -> None:
        """Add a loss on all levels that the modules of a match return.

        Args:
            name: The loss's name.
            loss: Its config.
            match: Any of the levels.
            connector: What the student's levels pass.
        """
        self.distiller['distill_losses'][name] = loss
        self.distiller['loss_forward_mappings'][name] = dict(
            s_feature=self.record_module(
                'student', match.student.source, connector=connector
            ),
            t_feature=self.record_module('teacher', match.teacher.source),
        )


def _recorder_name(source: str) -> str:
    """Return the last part of a module's name that is no number."""
    parts = [part for part in source.split('.') if not part.isdigit()]
    return '_'.join(parts[-2:] if parts[-1] in ('bn', 'norm') else parts[-1:])
