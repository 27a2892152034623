"""The types that autocast has on the CPU with the installed torch."""

import warnings

import pytest
import torch


def _on_cpu(dtype: torch.dtype) -> bool:
    """Whether torch can cast to ``dtype``; 2.1 knows bfloat16 alone."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            with torch.autocast('cpu', dtype=dtype):
                return True
    except RuntimeError:
        return False


# Parameters of tests.
BFLOAT16 = torch.bfloat16
FLOAT16 = pytest.param(
    torch.float16,
    marks=pytest.mark.skipif(
        not _on_cpu(torch.float16),
        reason='this torch has no autocast to float16 on the CPU',
    ),
)
