"""Reads MATLAB files."""

from pathlib import Path

import numpy as np
from scipy.io import loadmat


def load_mat(path: Path, variable: str) -> np.ndarray:
    """Reads a variable of a ``.mat`` file.

    Raises:
        ValueError: The file has no such variable.
    """
    content = loadmat(path, variable_names=[variable])
    if variable not in content:
        raise ValueError(f'no variable {variable} in it')
    return content[variable]
