"""mmcv's compiled operators without a compiler.

mmcv keeps its C++ and CUDA operators in ``mmcv._ext``. No wheel carries it
for current torch, and compiling it takes about half an hour. Where it is
missing, ``apply`` lets Python find a ``mmcv._ext`` that computes the operators
detectors need with torchvision's kernels or plain torch.

Upstream: https://github.com/open-mmlab/mmcv/issues/3303
Delete when wheels with ``mmcv._ext`` exist for the supported torch versions.
"""

import sys

from cankd_mm.compat.mmcv_ops.provider import FINDER, find_compiled

__all__ = ['apply', 'needed']


def needed() -> bool:
    """Tells whether mmcv is installed without its compiled operators."""
    return find_compiled() is False


def apply() -> None:
    """Makes ``mmcv._ext`` importable where mmcv was installed without it.

    A compiled ``mmcv._ext``, or one that is already imported, stays as it is.
    """
    if FINDER in sys.meta_path or 'mmcv._ext' in sys.modules or not needed():
        return
    # Last in line: whatever else knows a `mmcv._ext` goes first.
    sys.meta_path.append(FINDER)
