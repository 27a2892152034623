"""Pools regions with ``use_torchvision=True`` where torchvision is missing.

What breaks: ``mmcv.ops.RoIAlign(use_torchvision=True)``, which CrowdDet's
recipe has, imports torchvision in its forward: ``No module named
'torchvision'`` in the first iteration.

Here: where torchvision does not import, mmcv's own operator computes the same
mean of the same samples.

Upstream: none that we know of; the option is meant to need torchvision.
Probe: whether the layer's forward imports torchvision.
Applied when ``mmcv.ops.roi_align`` has been imported.
Delete when torchvision can be required.
"""

import functools
import sys

_MODULE = 'mmcv.ops.roi_align'


def needed() -> bool:
    """Whether the layer's forward imports torchvision."""
    forward = sys.modules[_MODULE].RoIAlign.forward
    return 'torchvision.ops' in forward.__code__.co_names or (
        'torchvision.ops' in forward.__code__.co_consts
    )


def apply() -> None:
    """Let the layer fall back to mmcv's operator."""
    module = sys.modules[_MODULE]
    original = module.RoIAlign.forward

    @functools.wraps(original)
    def forward(self, input, rois):
        if self.use_torchvision and not _imports():
            return module.roi_align(
                input,
                rois,
                self.output_size,
                self.spatial_scale,
                self.sampling_ratio,
                'avg',
                self.aligned,
            )
        return original(self, input, rois)

    module.RoIAlign.forward = forward


def _imports() -> bool:
    try:
        import torchvision.ops  # noqa: F401
    # One that was built for another torch raises a RuntimeError.
    except Exception:
        return False
    return True
