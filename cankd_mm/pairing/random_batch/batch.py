"""Chooses what kind of images and labels a model is trained with."""

from torch import nn

from cankd_mm.pairing.random_batch.detection import (
    clip_batch,
    detection_batch,
)
from cankd_mm.pairing.random_batch.labels import Labels
from cankd_mm.pairing.random_batch.lanes import lane_batch
from cankd_mm.pairing.random_batch.segmentation import segmentation_batch

_SEGMENTOR, _TRACKER = 'BaseSegmentor', 'BaseMOTModel'


def random_batch(
    model: nn.Module,
    labels: Labels,
    classes: int,
    size: tuple[int, int],
    images: int = 2,
) -> dict:
    """Make images and labels as a data loader gives them to a model.

    Equal arguments make equal batches; no random state is used.

    Args:
        model: Who trains on them.
        labels: What there is beside boxes or label maps.
        classes: Labels are below this number.
        size: Height and width in pixels; lane lines have their own.
        images: Number of images.
    """
    if labels.lines:
        return lane_batch(images)
    make = detection_batch
    if is_segmentor(model):
        make = segmentation_batch
    elif _is_a(model, _TRACKER):
        make = clip_batch
    mean = getattr(model.data_preprocessor, 'mean', None)
    channels = 3 if mean is None else mean.numel()
    return make(tuple(size), classes, labels, channels, images)


def is_segmentor(model: nn.Module) -> bool:
    """Whether a model is one of MMSegmentation's."""
    return _is_a(model, _SEGMENTOR)


def _is_a(model: nn.Module, name: str) -> bool:
    # Its class is not imported: the library may not be installed.
    return any(kind.__name__ == name for kind in type(model).__mro__)
