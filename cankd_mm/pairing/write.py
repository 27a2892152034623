"""Writes the config of a pair as a person would."""

import os
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cankd_mm.pairing.draft import Draft
from cankd_mm.pairing.source_text import WIDTH, Code, Noted, assignment

_TITLES = dict(cankd='CanKD', tat='TaT', lakd='LAKD', cskd='CSKD')
_HOOKS = 'cankd_mm::_base_/distillation_hooks.py'
_HOOKS_AND_IMPORTS = 'cankd_mm::_base_/cankd_mm.py'


@dataclass(frozen=True)
class Recipe:
    """What a written config takes over.

    Attributes:
        student: The student's config, as ``_base_`` names it.
        teacher: The teacher's, as ``cfg_path`` names it.
        teacher_ckpt: The teacher's weights.
        imports: ``custom_imports.imports`` of the student's config.
        has_hooks: Whether the student's config has ``distillation_hooks``.
        data_root: Where the data are, None for the recipe's.
        classes: Their names, None for the recipe's.
    """

    student: str
    teacher: str
    teacher_ckpt: str | None
    imports: Sequence[str] = ()
    has_hooks: bool = False
    data_root: str | None = None
    classes: Sequence[str] | None = None


def config_text(recipe: Recipe, method: str, draft: Draft) -> str:
    """Return the text of a pair's config.

    Args:
        recipe: What it is made of.
        method: 'cankd', 'tat', 'lakd' or 'cskd'.
        draft: What the method has chosen.
    """
    parts = [_header(recipe, method, draft), *_bases(recipe), '']
    for name in ('data_root', 'classes'):
        value = getattr(recipe, name)
        if value is not None:
            parts.append(assignment(name, _plain(value)))
    if recipe.data_root or recipe.classes:
        parts.append('')
    distiller = _distiller(draft)
    losses = distiller['distill_losses']
    first, *others = losses.values()
    if others and all(loss == first for loss in others):
        parts.append(assignment('loss', first))
        distiller['distill_losses'] = dict.fromkeys(losses, Code('loss'))
    parts.append(assignment('distiller', distiller))
    model: dict[str, Any] = dict(
        _delete_=True,
        type='mmrazor.FrozenTeacherDistill',
        architecture=Code('_base_.model'),
        teacher=dict(cfg_path=recipe.teacher),
        teacher_ckpt=recipe.teacher_ckpt,
    )
    if draft.truncations:
        model['type'] = 'mmrazor.LocalModuleDistill'
        model['truncations'] = Noted(
            [dict(module=name, on='input') for name in draft.truncations],
            'No gradient of a local module passes these.',
        )
    if draft.dry_run_size:
        model['dry_run_size'] = Noted(
            tuple(draft.dry_run_size), 'the size of the images'
        )
    model['distiller'] = Code('distiller')
    hooks = assignment('default_hooks', Code('_base_.distillation_hooks'))
    return '\n'.join([*parts, '', assignment('model', model), hooks, ''])


def base_path(path: str, folder: Path | None) -> str:
    """Return how a config in a folder names another config as its base.

    Args:
        path: A file, or ``package::path``.
        folder: Where the config will be, None if that is not known.
    """
    if '::' in path:
        return path
    file = Path(path).resolve()
    if folder is None:
        return file.as_posix()
    try:
        return Path(os.path.relpath(file, folder.resolve())).as_posix()
    except ValueError:  # another drive
        return file.as_posix()


def _header(recipe: Recipe, method: str, draft: Draft) -> str:
    teacher, student = (
        Path(path.rpartition('::')[2]).stem
        for path in (recipe.teacher, recipe.student)
    )
    paths = [recipe.teacher, recipe.teacher_ckpt or '']
    lines = [
        f'{_TITLES[method]}: {teacher} teaches {student}.',
        f'Compared: {draft.summary}.',
        *(f'{note[0].upper()}{note[1:]}.' for note in draft.notes),
    ]
    if any(p and '::' not in p and '://' not in p for p in paths):
        lines.append(
            "The teacher's files are named from the folder that training is "
            'started in.'
        )
    return '\n'.join(
        textwrap.fill(
            line,
            WIDTH,
            initial_indent='# ',
            subsequent_indent='# ',
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in lines
    )


def _bases(recipe: Recipe) -> list[str]:
    bases, lines = [recipe.student], []
    if recipe.imports or recipe.has_hooks:
        # Bases may not have the same names.
        if not recipe.has_hooks:
            bases.append(_HOOKS)
        if 'cankd_mm' not in recipe.imports:
            imports = [*recipe.imports, 'cankd_mm']
            lines.append(assignment('custom_imports', dict(imports=imports)))
    else:
        bases.append(_HOOKS_AND_IMPORTS)
    return [assignment('_base_', bases), *lines]


def _distiller(draft: Draft) -> dict[str, Any]:
    parts = {name: part for name, part in draft.distiller.items() if part}
    return dict(_scope_='mmrazor', type='ConfigurableDistiller', **parts)


def _plain(value: Any) -> Any:
    return value if isinstance(value, str) else tuple(value)
