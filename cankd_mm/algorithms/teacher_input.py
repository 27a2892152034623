"""Gives a teacher the input normalisation it was trained with."""

from dataclasses import dataclass

import torch
from mmengine.structures import BaseDataElement
from torch import nn


@dataclass(frozen=True)
class _Normalisation:
    """``(image - mean) / std`` in a channel order."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    swaps_channels: bool

    @classmethod
    def of(cls, preprocessor: nn.Module | None) -> '_Normalisation | None':
        # mmengine's, mmdet's, mmseg's and mmpretrain's preprocessors have no
        # common base with these attributes.
        if not hasattr(preprocessor, '_enable_normalize'):
            return None
        swaps = any(
            getattr(preprocessor, name, False)
            for name in ('_channel_conversion', 'channel_conversion', 'to_rgb')
        )
        if not preprocessor._enable_normalize:
            return cls((0.0,), (1.0,), swaps)
        return cls(
            tuple(preprocessor.mean.flatten().tolist()),
            tuple(preprocessor.std.flatten().tolist()),
            swaps,
        )


class TeacherInput(nn.Module):
    r"""Turns a batch normalised for the student into one for the teacher.

    .. math:: x_t = (x_s \sigma_s + \mu_s - \mu_t) / \sigma_t

    Padding gets the teacher's value, as data preprocessors pad after they
    normalise. Where the teacher has no image preprocessor of its own, or the
    same one, the batch is handed on untouched. Our completion.

    Args:
        student: The student's data preprocessor.
        teacher: The teacher's data preprocessor.

    Shape:
        - Input: (B, C, H, W)
        - Output: (B, C, H, W)
    """

    def __init__(
        self, student: nn.Module | None, teacher: nn.Module | None
    ) -> None:
        super().__init__()
        ours, theirs = _Normalisation.of(student), _Normalisation.of(teacher)
        self.is_identity = ours is None or theirs is None or ours == theirs
        if self.is_identity:
            return
        # As mmdet and as mmseg call it.
        self.padding = getattr(
            teacher, 'pad_value', getattr(teacher, 'pad_val', 0)
        )
        self.flips_channels = ours.swaps_channels != theirs.swaps_channels
        for name, values in (
            ('student_mean', ours.mean),
            ('student_std', ours.std),
            ('teacher_mean', theirs.mean),
            ('teacher_std', theirs.std),
        ):
            value = torch.tensor(values).view(-1, 1, 1)
            self.register_buffer(name, value, persistent=False)

    def forward(
        self,
        inputs: torch.Tensor,
        data_samples: list[BaseDataElement] | None = None,
    ) -> torch.Tensor:
        """Normalises ``inputs`` again; ``data_samples`` tell the padding."""
        if self.is_identity:
            return inputs
        images = inputs * self.student_std + self.student_mean
        if self.flips_channels:
            images = images.flip(1)
        images = (images - self.teacher_mean) / self.teacher_std
        for image, sample in zip(images, data_samples or (), strict=False):
            height, width = sample.metainfo.get(
                'img_shape', images.shape[-2:]
            )[:2]
            image[:, height:] = self.padding
            image[:, :, width:] = self.padding
        return images
