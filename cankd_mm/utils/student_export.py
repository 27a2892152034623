"""Gets the student out of a distillation checkpoint."""

import logging
from pathlib import Path

from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import DefaultScope

from cankd_mm.checkpoint.config_text import text_of_config
from cankd_mm.checkpoint.finite_weights import require_finite
from cankd_mm.checkpoint.publishing import meta_of, require_other_file
from cankd_mm.checkpoint.whole_file import save_whole
from cankd_mm.utils.checkpoint import (
    LoadReport,
    find_checkpoint,
    load_weights,
    read_checkpoint,
    student_state_dict,
    weights_of,
)
from cankd_mm.utils.config_file import config_from_file
from cankd_mm.utils.distillation_config import (
    is_distillation,
    plain_student_config,
)
from cankd_mm.utils.model_config import build_model

# Of a checkpoint's meta information, what still holds for the student.
_META = ('dataset_meta', 'epoch', 'iter', 'seed', 'time', 'mmengine_version')


def student_path(checkpoint: str | Path) -> Path:
    """Where the student of ``checkpoint`` goes: ``<name>_student.pth``."""
    checkpoint = Path(checkpoint)
    return checkpoint.with_name(f'{checkpoint.stem}_student.pth')


def export_student(
    checkpoint: str | Path, out: str | Path, config_text: str | None = None
) -> Path:
    """Writes the student of a distillation checkpoint to a file.

    The result is a plain mmdet or mmseg checkpoint: ``state_dict`` and
    ``meta``. Where the run kept an exponential moving average, MMEngine has
    the averaged weights in ``state_dict``, so these are the ones exported.

    Args:
        checkpoint: What a run with ``FrozenTeacherDistill`` (or any of
            MMRazor's algorithms with an ``architecture``) saved. A plain
            checkpoint is a student's already, and only its optimizer goes.
        out: The file to write. It appears whole or not at all.
        config_text: The plain student's config, from which inferencers build
            the model.

    Raises:
        FileNotFoundError: There is no such checkpoint.
        ValueError: The file is no checkpoint or damaged, holds weights that
            are not finite, or is ``out``.
        OSError: ``out`` cannot be written.
    """
    require_other_file(find_checkpoint(str(checkpoint), 'checkpoint'), out)
    content = read_checkpoint(str(checkpoint), 'checkpoint')
    state = weights_of(content, str(checkpoint), 'checkpoint')
    student = student_state_dict(state)
    require_finite(student, str(checkpoint), 'checkpoint')
    meta = meta_of(content)
    kept = {key: meta[key] for key in _META if key in meta}
    if config_text is not None:
        kept['cfg'] = config_text
    save_whole(dict(state_dict=student, meta=kept), out)
    return Path(out)


def student_config_text(cfg: Config) -> str | None:
    """Write the plain student's config as text, for the meta information.

    Args:
        cfg: Of a distillation, or the plain student's.

    Returns:
        The text; None, with a warning, where it cannot be written.
    """
    try:
        if is_distillation(cfg):
            cfg = plain_student_config(cfg)
        return text_of_config(cfg)
    # Models and hooks that are built already, say: no reason to stop.
    except Exception as error:
        print_log(
            f'The file of the student holds no config: {error}',
            logger='current',
            level=logging.WARNING,
        )
        return None


def check_student(config: str | Path, student: str | Path) -> LoadReport:
    """Loads an exported student into the plain model of its config.

    Args:
        config: The distillation config, or the plain student's.
        student: What :func:`export_student` wrote.

    Raises:
        FileNotFoundError: There is no such config or checkpoint.
        ValueError: A key is missing, unexpected or of another shape.
    """
    cfg = config_from_file(config, 'config')
    if is_distillation(cfg):
        cfg = plain_student_config(cfg)
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
        model = build_model(cfg.model, 'model')
    report = load_weights(model, str(student), 'student')
    if report.missing or report.unexpected or report.mis_shaped:
        raise ValueError(
            f'{report}. Keys that do not fit:\n{report.offenders()}'
        )
    return report
