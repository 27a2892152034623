"""Training steps with a teacher, registered in MMRazor."""

from cankd_mm.algorithms.frozen_teacher_distill import FrozenTeacherDistill
from cankd_mm.algorithms.local_module_distill import LocalModuleDistill

__all__ = ['FrozenTeacherDistill', 'LocalModuleDistill']
