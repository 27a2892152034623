"""Work on the side leaves every random stream as it was."""

import random

import numpy as np
import pytest
import torch

from cankd_mm.utils.random_state import preserved_random_state


def _draw() -> tuple:
    return random.random(), np.random.rand(), torch.rand(1).item()


def _seed() -> None:
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)


@pytest.mark.parametrize('fails', [False, True])
def test_streams_go_on_as_if_nothing_was_drawn(fails):
    _seed()
    expected = _draw()
    _seed()
    try:
        with preserved_random_state():
            _draw()
            if fails:
                raise KeyError
    except KeyError:
        pass
    assert _draw() == expected
