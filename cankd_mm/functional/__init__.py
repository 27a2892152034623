"""The mathematics of the methods: pure functions of tensors.

Imports torch alone, so that any other trainer can use it.
"""

from cankd_mm.functional.cankd import (
    instance_norm_mse,
    non_local_dot_product,
)

__all__ = ['instance_norm_mse', 'non_local_dot_product']
