"""An image that is not finite, for configs with ``custom_imports``."""

import os

import numpy as np
from mmengine.registry import TRANSFORMS


@TRANSFORMS.register_module(force=True)
class NanImage:
    """Fills one image with NaN, in one process of a distributed run.

    Args:
        name: The end of its path, '' for every image.
        rank: The process.
    """

    def __init__(self, name: str, rank: int = 0) -> None:
        self.name = name
        self.rank = str(rank)

    def __call__(self, results: dict) -> dict:
        results['img'] = results['img'].astype(np.float32)
        if (
            results['img_path'].endswith(self.name)
            and os.environ.get('RANK', '0') == self.rank
        ):
            results['img'][:] = np.nan
        return results
