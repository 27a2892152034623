"""Batches of random images, as a data loader gives them."""

import torch
from mmengine.structures import InstanceData, PixelData

# Whatever the data set, it has as many classes.
_NUM_CLASSES = 4


def detection_batch(batch: int, size: tuple[int, int]) -> dict:
    """Images with ten boxes each.

    Args:
        batch: Number of images.
        size: Their height and width.
    """
    from mmdet.structures import DetDataSample

    generator = torch.Generator().manual_seed(0)
    height, width = size
    samples = []
    for _ in range(batch):
        low = torch.rand(10, 2, generator=generator) * 0.6
        high = low + 0.05 + torch.rand(10, 2, generator=generator) * 0.3
        scale = torch.tensor([width, height])
        sample = DetDataSample(metainfo=_meta(size))
        sample.gt_instances = InstanceData(
            bboxes=torch.cat([low * scale, high * scale], 1),
            labels=torch.randint(0, _NUM_CLASSES, (10,), generator=generator),
        )
        samples.append(sample)
    return dict(inputs=_images(batch, size, generator), data_samples=samples)


def segmentation_batch(batch: int, size: tuple[int, int]) -> dict:
    """Images with label maps.

    Args:
        batch: Number of images.
        size: Their height and width.
    """
    from mmseg.structures import SegDataSample

    generator = torch.Generator().manual_seed(0)
    samples = []
    for _ in range(batch):
        sample = SegDataSample(metainfo=_meta(size))
        labels = torch.randint(
            0, _NUM_CLASSES, (1, *size), generator=generator
        )
        sample.gt_sem_seg = PixelData(data=labels)
        samples.append(sample)
    return dict(inputs=_images(batch, size, generator), data_samples=samples)


def _meta(size: tuple[int, int]) -> dict:
    return dict(
        img_shape=size, ori_shape=size, scale_factor=(1.0, 1.0), img_id=0
    )


def _images(
    batch: int, size: tuple[int, int], generator: torch.Generator
) -> list[torch.Tensor]:
    shape = (3, *size)
    return [
        torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
        for _ in range(batch)
    ]
