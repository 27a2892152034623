"""Small random images with the labels that a model trains on."""

import numpy as np
import torch
from mmengine.structures import InstanceData, PixelData

from tests.families.labels import Labels

BATCH = 2
_IGNORED = 255
# Each box as fractions of the image: left, top, right, bottom.
_BOXES = (
    (0.1, 0.1, 0.5, 0.6),
    (0.3, 0.2, 0.9, 0.9),
    (0.55, 0.05, 0.95, 0.4),
)


def detection_batch(
    size: int, classes: int, labels: Labels, channels: int = 3
) -> dict:
    """Images with three objects each, as a data loader gives them.

    Args:
        size: Height and width in pixels.
        classes: Labels are below this number.
        labels: What there is beside boxes.
        channels: Channels of an image.
    """
    from mmdet.structures import DetDataSample
    from mmdet.structures.bbox import HorizontalBoxes

    batch = dict(inputs=[], data_samples=[])
    for index, generator in enumerate(_generators()):
        batch['inputs'].append(_image(size, channels, generator))
        boxes = torch.tensor(_BOXES) * size
        sample = DetDataSample(metainfo=_metainfo(size, index))
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
                sem_seg=_label_map(size, classes, generator)
            )
        if labels.proposals:
            jitter = torch.randn(50, 4, generator=generator) * size / 20
            proposals = boxes[torch.arange(50) % len(boxes)] + jitter
            sample.proposals = InstanceData(
                # No preprocessor makes tensors of these boxes.
                bboxes=proposals.clamp(0, size),
                scores=torch.ones(50),
            )
        if labels.texts:
            sample.set_metainfo(
                dict(
                    text=tuple('abc'[: min(classes, 3)]),
                    custom_entities=True,
                    tokens_positive=None,
                )
            )
        batch['data_samples'].append(sample)
    return batch


def segmentation_batch(
    size: int, classes: int, labels: Labels, channels: int = 3
) -> dict:
    """Images with label maps, as a data loader gives them.

    Args:
        size: Height and width in pixels.
        classes: Labels are below this number, or ignored.
        labels: What there is beside label maps.
        channels: Channels of an image.
    """
    from mmseg.structures import SegDataSample

    batch = dict(inputs=[], data_samples=[])
    for index, generator in enumerate(_generators()):
        batch['inputs'].append(_image(size, channels, generator))
        sample = SegDataSample(metainfo=_metainfo(size, index))
        sample.gt_sem_seg = PixelData(
            data=_label_map(size, classes, generator).long()
        )
        if labels.edges:
            edges = torch.rand(1, size, size, generator=generator) < 0.1
            sample.gt_edge_map = PixelData(data=edges.long())
        batch['data_samples'].append(sample)
    return batch


def clip_batch(size: int, classes: int, labels: Labels) -> dict:
    """Two frames of a clip, as a data loader of a tracker gives them.

    Args:
        size: Height and width in pixels.
        classes: Labels are below this number.
        labels: What there is beside boxes and identities.
    """
    from mmdet.structures import TrackDataSample

    frames = detection_batch(size, classes, labels)
    clip = TrackDataSample()
    for index, sample in enumerate(frames['data_samples']):
        sample.set_metainfo(dict(frame_id=index, is_video_data=True))
        for instances in (sample.gt_instances, sample.ignored_instances):
            # A tracker's preprocessor makes no tensors of boxes.
            instances.bboxes = instances.bboxes.tensor
        count = len(sample.gt_instances)
        sample.gt_instances.instances_ids = torch.arange(count)
    clip.video_data_samples = frames['data_samples']
    clip.set_metainfo(dict(key_frames_inds=[0], ref_frames_inds=[1]))
    return dict(
        inputs=[torch.stack(frames['inputs'])],
        data_samples=[clip],
    )


def _generators() -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in range(BATCH)]


def _image(
    size: int, channels: int, generator: torch.Generator
) -> torch.Tensor:
    shape = (channels, size, size)
    return torch.randint(256, shape, dtype=torch.uint8, generator=generator)


def _metainfo(size: int, index: int) -> dict:
    return dict(
        img_id=index,
        img_path=f'{index}.jpg',
        seg_map_path=f'{index}.png',
        img_shape=(size, size),
        ori_shape=(size, size),
        pad_shape=(size, size),
        scale_factor=(1.0, 1.0),
        flip=False,
        flip_direction=None,
        # CenterNet undoes its own padding.
        border=(0, size, 0, size),
    )


def _label_map(
    size: int, classes: int, generator: torch.Generator
) -> torch.Tensor:
    """Squares of 8 x 8 pixels, the first one ignored."""
    side = -(-size // 8)
    drawn = (min(classes, _IGNORED), (1, side, side))
    labels = torch.randint(*drawn, dtype=torch.uint8, generator=generator)
    labels[:, 0, 0] = _IGNORED
    labels = labels.repeat_interleave(8, 1).repeat_interleave(8, 2)
    return labels[:, :size, :size]


def _masks(boxes: torch.Tensor, size: int, polygons: bool):
    """The lower left half of each box."""
    from mmdet.structures.mask import BitmapMasks, PolygonMasks

    corners = [
        np.array([x1, y1, x1, y2, x2, y2]) for x1, y1, x2, y2 in boxes.tolist()
    ]
    masks = PolygonMasks([[polygon] for polygon in corners], size, size)
    if polygons:
        return masks
    bits = masks.to_ndarray().astype(np.uint8)
    return BitmapMasks(bits.reshape(-1, size, size), size, size)
