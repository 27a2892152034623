"""Makes the config of a pair from the configs of two models."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmengine.config import Config

from cankd_mm.config.class_heads import class_counts
from cankd_mm.config_checks.published_weights import published_weights
from cankd_mm.pairing.draft import Draft
from cankd_mm.pairing.errors import PairingError
from cankd_mm.pairing.features import student_features, teacher_features
from cankd_mm.pairing.methods import METHODS
from cankd_mm.pairing.read_models import ReadModel, plain_model, read_models
from cankd_mm.pairing.two_models import TwoModels
from cankd_mm.pairing.write import Recipe, base_path, config_text
from cankd_mm.utils.config_file import config_from_file
from cankd_mm.utils.config_path import resolve_path
from cankd_mm.utils.config_walk import dicts

# What FrozenTeacherDistill tries without being told.
_DRY_RUN_SIZE = (256, 256)


@dataclass(frozen=True)
class PairRequest:
    """What a user asks for.

    Attributes:
        student: The student's config: a file, or ``package::path``.
        teacher: The teacher's, likewise; of a distillation its student.
        method: 'cankd', 'tat', 'lakd' or 'cskd'.
        teacher_ckpt: The teacher's weights; None for those that the metafile
            of the teacher's config lists.
        at: Where features are compared, None for the method's own place.
        data_root: Where the training data are, None for the recipe's.
        classes: Their classes, None for the recipe's.
        size: Height and width of the image on which features are looked at,
            None for the recipe's own.
        folder: Where the config will be written; None for a config that
            names its base with an absolute path.
    """

    student: str
    teacher: str
    method: str
    teacher_ckpt: str | None = None
    at: str | None = None
    data_root: str | None = None
    classes: tuple[str, ...] | None = None
    size: tuple[int, int] | None = None
    folder: Path | None = None


@dataclass(frozen=True)
class Pair:
    """A config, and what was chosen for it.

    Attributes:
        text: The config file's.
        absolute_text: The same for any folder: its base has an absolute path.
        draft: What the method has chosen.
        models: The two models.
        teacher_ckpt: The teacher's weights that it names, None without.
    """

    text: str
    absolute_text: str
    draft: Draft
    models: TwoModels
    teacher_ckpt: str | None

    @property
    def notes(self) -> list[str]:
        """What a user should know."""
        return self.draft.notes


def make_pair(request: PairRequest) -> Pair:
    """Make the config of a pair.

    Both models run once on one image, without weights where that is possible.

    Args:
        request: What is asked for.

    Raises:
        PairingError: The method makes no sense for the pair, or nothing of
            the two models matches. The message has the reason.
        FileNotFoundError: There is no such config.
        ValueError: A config has no model.
    """
    if request.method not in METHODS:
        raise PairingError(
            f'method {request.method!r}: expected one of {", ".join(METHODS)}'
        )
    cfg = read_student(request)
    student = plain_model(cfg, request.student)
    teacher = read_models(request.teacher)[0]
    models = look_at(student, teacher, request.size, request.at)
    draft = METHODS[request.method](models)
    size = models.student.size
    if draft.dry_run_size is None and student.size and size != _DRY_RUN_SIZE:
        draft.dry_run_size = size
    recipe = Recipe(
        student=base_path(request.student, request.folder),
        teacher=request.teacher,
        teacher_ckpt=request.teacher_ckpt
        or published_weights(request.teacher),
        imports=_imports(cfg),
        has_hooks='distillation_hooks' in cfg,
        data_root=request.data_root,
        classes=request.classes,
    )
    anywhere = replace(recipe, student=base_path(request.student, None))
    return Pair(
        text=config_text(recipe, request.method, draft),
        absolute_text=config_text(anywhere, request.method, draft),
        draft=draft,
        models=models,
        teacher_ckpt=recipe.teacher_ckpt,
    )


def look_at(
    student: ReadModel,
    teacher: ReadModel,
    size: tuple[int, int] | None = None,
    at: str | None = None,
    whole: bool = False,
) -> TwoModels:
    """Run both models of a pair once, on images of one size.

    Args:
        student: The student.
        teacher: The teacher.
        size: Height and width of the image, None for the recipe's own.
        at: As in :class:`PairRequest`.
        whole: As in :func:`~cankd_mm.pairing.features.student_features`.

    Raises:
        PairingError: A model cannot be built.
    """
    size = size or student.size
    found = {}
    for role, model, look in (
        ('student', student, student_features),
        ('teacher', teacher, teacher_features),
    ):
        try:
            found[role] = look(model.config, model.scope, size, whole)
        except ValueError as error:
            raise PairingError(f'the {role}: {error}') from error
        size = found[role].size
    return TwoModels(
        **found,
        is_segmentor=hasattr(found['student'].model, 'decode_head'),
        has_one_size=student.size is not None,
        classes=(class_count(student.config), class_count(teacher.config)),
        at=at,
    )


def read_student(request: PairRequest) -> Config:
    """Read the student's recipe, on the data that are asked for.

    Args:
        request: What is asked for.

    Raises:
        PairingError: It is a distillation already, or written in MMEngine's
            Python style, which is no base for another config.
    """
    path = resolve_path(request.student, 'student')
    if Config._is_lazy_import(path):
        raise PairingError(
            f'{request.student} is written with Python imports, and MMEngine '
            'takes no such config as the base of another one. Write it as '
            f'one file first: tools/print_config.py {request.student} --out '
            'student.py'
        )
    options: dict[str, Any] = {}
    if request.data_root is not None:
        options['data_root'] = request.data_root
    if request.classes is not None:
        options['classes'] = request.classes
    cfg = config_from_file(request.student, 'student', options)
    if 'architecture' in (cfg.get('model') or {}):
        raise PairingError(
            f'{request.student} is a distillation already. Name the config of '
            'the student by itself'
        )
    return cfg


def _imports(cfg: Config) -> list[str]:
    """Return the modules that a config imports: one name, or several."""
    imports = (cfg.get('custom_imports') or {}).get('imports') or []
    return [imports] if isinstance(imports, str) else list(imports)


def class_count(model: Mapping[str, Any]) -> int | None:
    """Return how many classes the heads of a model tell apart.

    Args:
        model: A detector's or segmentor's config.

    Returns:
        None where they do not agree, or have no number.
    """
    counts = set(class_counts(model).values())
    if not counts:
        # A head of one class may be one that only finds objects.
        counts = {
            1
            for key in ('bbox_head', 'decode_head')
            for _, head in dicts(model.get(key))
            if head.get('num_classes') == 1 and not head.get('class_agnostic')
        }
    return counts.pop() if len(counts) == 1 else None
