"""Embedded data sets, and the preparation of public ones.

The embedded ones are made from the handwriting that scikit-learn ships.
The data set classes are not imported here: they drag mmdet and mmseg in, and
their registries import them at the first look-up.
"""

from cankd_mm.datasets.digits import DigitsSpec, make_digits

__all__ = ['DigitsSpec', 'make_digits']
