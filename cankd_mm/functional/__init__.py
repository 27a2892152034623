"""The mathematics of the methods: pure functions of tensors.

Imports torch alone, so that any other trainer can use it.
"""

from cankd_mm.functional.cankd import (
    instance_norm_mse,
    non_local_dot_product,
)
from cankd_mm.functional.cskd import (
    cumulative_fusion,
    dense_logits,
    schedule_weight,
)
from cankd_mm.functional.lakd import activation_map
from cankd_mm.functional.tat import (
    anchor_points,
    patch_groups,
    target_aware_attention,
)

__all__ = [
    'activation_map',
    'anchor_points',
    'cumulative_fusion',
    'dense_logits',
    'instance_norm_mse',
    'non_local_dot_product',
    'patch_groups',
    'schedule_weight',
    'target_aware_attention',
]
