"""Random images with label maps, for MMSegmentation."""

import torch
from mmengine.structures import PixelData

from cankd_mm.pairing.random_batch.images import (
    generators,
    label_map,
    metainfo,
    random_image,
)
from cankd_mm.pairing.random_batch.labels import Labels


def segmentation_batch(
    size: tuple[int, int],
    classes: int,
    labels: Labels,
    channels: int = 3,
    images: int = 2,
) -> dict:
    """Make images with label maps, as a data loader gives them.

    Args:
        size: Height and width in pixels.
        classes: Labels are below this number, or ignored.
        labels: What there is beside label maps.
        channels: Channels of an image.
        images: Number of images.
    """
    from mmseg.structures import SegDataSample

    batch = dict(inputs=[], data_samples=[])
    for index, generator in enumerate(generators(images)):
        batch['inputs'].append(random_image(size, channels, generator))
        sample = SegDataSample(metainfo=metainfo(size, index))
        sample.gt_sem_seg = PixelData(
            data=label_map(size, classes, generator).long()
        )
        if labels.edges:
            edges = torch.rand(1, *size, generator=generator) < 0.1
            sample.gt_edge_map = PixelData(data=edges.long())
        batch['data_samples'].append(sample)
    return batch
