"""Embedded data sets, made from the handwriting scikit-learn ships, and the
preparation of the public ones.

The data set classes are not imported here: they drag mmdet and mmseg in, and
their registries import them at the first look-up.
"""

from cankd_mm.datasets.digits import DigitsSpec, make_digits

__all__ = ['DigitsSpec', 'make_digits']
