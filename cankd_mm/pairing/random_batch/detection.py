"""Random images with boxes, masks and texts, for MMDetection."""

import numpy as np
import torch
from mmengine.structures import InstanceData, PixelData
from torch import Tensor

from cankd_mm.pairing.random_batch.images import (
    generators,
    label_map,
    metainfo,
    random_image,
)
from cankd_mm.pairing.random_batch.labels import Labels

# Each box as fractions of the image: left, top, right, bottom.
_BOXES = (
    (0.1, 0.1, 0.5, 0.6),
    (0.3, 0.2, 0.9, 0.9),
    (0.55, 0.05, 0.95, 0.4),
)
_PROPOSALS = 50


def detection_batch(
    size: tuple[int, int],
    classes: int,
    labels: Labels,
    channels: int = 3,
    images: int = 2,
) -> dict:
    """Make images with three objects each, as a data loader gives them.

    Args:
        size: Height and width in pixels.
        classes: Labels are below this number.
        labels: What there is beside boxes.
        channels: Channels of an image.
        images: Number of images.
    """
    batch = dict(inputs=[], data_samples=[])
    for index, generator in enumerate(generators(images)):
        batch['inputs'].append(random_image(size, channels, generator))
        batch['data_samples'].append(
            _sample(size, classes, labels, index, generator)
        )
    return batch


def clip_batch(
    size: tuple[int, int],
    classes: int,
    labels: Labels,
    channels: int = 3,
    images: int = 2,
) -> dict:
    """Make a clip with a key frame, as a data loader of a tracker gives it.

    Args:
        size: Height and width in pixels.
        classes: Labels are below this number.
        labels: What there is beside boxes and identities.
        channels: Channels of an image.
        images: Number of frames, at least two.
    """
    from mmdet.structures import TrackDataSample

    frames = detection_batch(size, classes, labels, channels, images)
    clip = TrackDataSample()
    for index, sample in enumerate(frames['data_samples']):
        sample.set_metainfo(dict(frame_id=index, is_video_data=True))
        for instances in (sample.gt_instances, sample.ignored_instances):
            # A tracker's preprocessor makes no tensors of boxes.
            instances.bboxes = instances.bboxes.tensor
        count = len(sample.gt_instances)
        sample.gt_instances.instances_ids = torch.arange(count)
    clip.video_data_samples = frames['data_samples']
    clip.set_metainfo(
        dict(key_frames_inds=[0], ref_frames_inds=list(range(1, images)))
    )
    return dict(inputs=[torch.stack(frames['inputs'])], data_samples=[clip])


def _sample(size, classes, labels, index, generator):
    from mmdet.structures import DetDataSample
    from mmdet.structures.bbox import HorizontalBoxes

    height, width = size
    sides = torch.tensor([width, height, width, height])
    boxes = torch.tensor(_BOXES) * sides
    sample = DetDataSample(metainfo=metainfo(size, index))
    sample.gt_instances = InstanceData(
        bboxes=HorizontalBoxes(boxes),
        labels=torch.arange(len(boxes)) % classes,
    )
    sample.ignored_instances = InstanceData(
        bboxes=HorizontalBoxes(torch.zeros(0, 4)),
        labels=torch.zeros(0, dtype=torch.long),
    )
    if labels.masks:
        sample.gt_instances.masks = _masks(boxes, size, labels.polygons)
        sample.ignored_instances.masks = _masks(
            boxes[:0], size, labels.polygons
        )
    if labels.semantic:
        sample.gt_sem_seg = PixelData(
            sem_seg=label_map(size, classes, generator)
        )
    if labels.proposals:
        shape = (_PROPOSALS, 4)
        jitter = torch.randn(shape, generator=generator) * sides / 20
        proposals = boxes[torch.arange(_PROPOSALS) % len(boxes)] + jitter
        sample.proposals = InstanceData(
            # No preprocessor makes tensors of these boxes.
            bboxes=proposals.clamp(torch.zeros(4), sides),
            scores=torch.ones(_PROPOSALS),
        )
    if labels.texts:
        sample.set_metainfo(
            dict(
                text=tuple('abc'[: min(classes, 3)]),
                custom_entities=True,
                tokens_positive=None,
            )
        )
    return sample


def _masks(boxes: Tensor, size: tuple[int, int], polygons: bool):
    """Return the lower left half of each box."""
    from mmdet.structures.mask import BitmapMasks, PolygonMasks

    corners = [
        np.array([x1, y1, x1, y2, x2, y2]) for x1, y1, x2, y2 in boxes.tolist()
    ]
    masks = PolygonMasks([[polygon] for polygon in corners], *size)
    if polygons:
        return masks
    bits = masks.to_ndarray().astype(np.uint8)
    return BitmapMasks(bits.reshape(-1, *size), *size)
