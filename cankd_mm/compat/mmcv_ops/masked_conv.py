"""Convolution at chosen positions: ``masked_{im2col,col2im}_forward``.

``mmcv.ops.MaskedConv2d`` computes a convolution only where a mask is set,
which guided anchoring does when it predicts (Wang et al., "Region Proposal by
Guided Anchoring", https://arxiv.org/abs/1901.03278, section 3.5).

Legend: C channels, (H, W) size of the map, (h, w) of the kernel, M positions.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ['masked_col2im_forward', 'masked_im2col_forward']


def masked_im2col_forward(
    im: Tensor,
    mask_h_idx: Tensor,
    mask_w_idx: Tensor,
    col: Tensor,
    kernel_h: int,
    kernel_w: int,
    pad_h: int,
    pad_w: int,
) -> None:
    """Writes what the kernel covers at each position; 0 beyond the edge.

    Args:
        im: One map, (1, C, H, W).
        mask_h_idx: Rows of the positions, (M,).
        mask_w_idx: Their columns, (M,).
        col: Receives the values, (C * h * w, M).
        kernel_h: h.
        kernel_w: w.
        pad_h: Rows that the kernel reaches above its position.
        pad_w: Columns that it reaches to the left.
    """
    below, right = max(pad_h, kernel_h - 1), max(pad_w, kernel_w - 1)
    padded = F.pad(im.detach()[0], (pad_w, right, pad_h, below))
    offset_y = torch.arange(kernel_h, device=im.device).view(-1, 1, 1)
    offset_x = torch.arange(kernel_w, device=im.device).view(-1, 1)
    covered = padded[:, mask_h_idx + offset_y, mask_w_idx + offset_x]
    col.copy_(covered.flatten(0, 2))


def masked_col2im_forward(
    col: Tensor,
    mask_h_idx: Tensor,
    mask_w_idx: Tensor,
    im: Tensor,
    height: int,
    width: int,
    channels: int,
) -> None:
    """Writes a column of values to each position; the rest is not touched.

    Args:
        col: Values, (C, M).
        mask_h_idx: Rows of the positions, (M,).
        mask_w_idx: Their columns, (M,).
        im: Receives the values, (1, C, H, W).
        height: H.
        width: W.
        channels: C.
    """
    im[0, :, mask_h_idx, mask_w_idx] = col.detach().to(im)
