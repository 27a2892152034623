"""Work on the side that leaves the random streams as they were."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def preserved_random_state(
    devices: Sequence[int] | None = None,
) -> Iterator[None]:
    """Restores Python's, NumPy's and torch's random state on leaving.

    Building a teacher or drying a forward draws random numbers. Inside this
    context they cost the student nothing: it sees the stream that it would
    have seen without them.

    Args:
        devices: GPUs whose streams are restored, all of them by default.
            Work that stays off the GPUs names none, and so does not start
            CUDA.
    """
    python_state, numpy_state = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
