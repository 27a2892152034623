"""Reads the plain student out of a distillation config."""

import copy

from mmengine.config import Config

from cankd_mm.utils.model_config import model_config_from_file

_DISTILLATION_HOOKS = ('StudentCheckpointHook', 'LocalBackwardHook')
# What our configs hold beside the model, and MMRazor's switch for DDP.
_DISTILLATION_KEYS = (
    'distillation_hooks',
    'distiller',
    'find_unused_parameters',
    'teacher',
    'teacher_ckpt',
    'truncations',
)


def is_distillation(cfg: Config) -> bool:
    """Whether the model of a config trains a student inside."""
    return 'architecture' in cfg.get('model', {})


def extends_student(cfg: Config) -> bool:
    """Whether the model of a config is a student that is extended.

    MMRazor's algorithms hold the student as a submodule instead.
    """
    from mmrazor.registry import MODELS

    # It imports the task libraries.
    from cankd_mm.algorithms import FrozenTeacherDistill

    kind = cfg.get('model', {}).get('type')
    found = MODELS.get(kind) if isinstance(kind, str) else kind
    return isinstance(found, type) and issubclass(found, FrozenTeacherDistill)


def plain_student_config(cfg: Config) -> Config:
    """The config of the student alone, with the same data and evaluation.

    Args:
        cfg: A config whose model has an ``architecture``, in any form that
            ``FrozenTeacherDistill`` or MMRazor's algorithms accept.

    Returns:
        A new config that knows nothing of teacher, distiller or MMRazor's
        validation loop.
    """
    plain = copy.deepcopy(cfg)
    student = plain.model.architecture
    scope = plain.get('default_scope')
    if 'cfg_path' in student and 'type' not in student:
        student, scope = model_config_from_file(student, 'model.architecture')
    preprocessor = plain.model.get('data_preprocessor')
    # MMRazor's algorithms use their own in place of the student's.
    has_own = student.get('data_preprocessor') and extends_student(cfg)
    if preprocessor and not has_own:
        student['data_preprocessor'] = preprocessor
    plain.model = student
    plain.default_scope = scope
    if 'Distill' in str((plain.get('val_cfg') or {}).get('type')):
        plain.val_cfg = dict(type='ValLoop')
    plain.custom_hooks = [
        hook
        for hook in plain.get('custom_hooks') or []
        if hook['type'] not in _DISTILLATION_HOOKS
    ]
    for name, hook in list((plain.get('default_hooks') or {}).items()):
        if hook and hook['type'] in _DISTILLATION_HOOKS:
            plain.default_hooks.pop(name)
    for key in _DISTILLATION_KEYS:
        plain.pop(key, None)
    return plain
