"""Training steps with a teacher, registered in MMRazor."""

from cankd_mm.algorithms.frozen_teacher_distill import FrozenTeacherDistill

__all__ = ['FrozenTeacherDistill']
