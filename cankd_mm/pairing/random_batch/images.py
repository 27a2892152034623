"""Random images, and what every data set states about them."""

import torch
from torch import Tensor

_IGNORED = 255


def generators(images: int) -> list[torch.Generator]:
    """Return a random generator for each image of a batch."""
    return [torch.Generator().manual_seed(seed) for seed in range(images)]


def random_image(
    size: tuple[int, int], channels: int, generator: torch.Generator
) -> Tensor:
    """Draw an image as a data loader gives it.

    Args:
        size: Height and width in pixels.
        channels: Channels of the image.
        generator: Where the numbers come from.

    Shape:
        - output: (channels, H, W), of 8 bits
    """
    shape = (channels, *size)
    return torch.randint(256, shape, dtype=torch.uint8, generator=generator)


def metainfo(size: tuple[int, int], index: int) -> dict:
    """Return the metainfo of an image that no pipeline has changed.

    Args:
        size: Height and width in pixels.
        index: The image's place in its batch.
    """
    return dict(
        img_id=index,
        img_path=f'{index}.jpg',
        seg_map_path=f'{index}.png',
        img_shape=size,
        ori_shape=size,
        pad_shape=size,
        scale_factor=(1.0, 1.0),
        flip=False,
        flip_direction=None,
        # CenterNet undoes its own padding: top, bottom, left, right.
        border=(0, size[0], 0, size[1]),
    )


def label_map(
    size: tuple[int, int], classes: int, generator: torch.Generator
) -> Tensor:
    """Draw labels for squares of 8 x 8 pixels, the first one ignored.

    Args:
        size: Height and width in pixels.
        classes: Labels are below this number.
        generator: Where the numbers come from.

    Shape:
        - output: (1, H, W), of 8 bits
    """
    height, width = size
    squares = (1, -(-height // 8), -(-width // 8))
    labels = torch.randint(
        min(classes, _IGNORED), squares, dtype=torch.uint8, generator=generator
    )
    labels[:, 0, 0] = _IGNORED
    labels = labels.repeat_interleave(8, 1).repeat_interleave(8, 2)
    return labels[:, :height, :width]
