"""Non-maximum suppression of lanes: ``line_nms_forward``.

Zheng et al., "CLRNet: Cross Layer Refinement Network for Lane Detection",
https://arxiv.org/abs/2203.10350. Two lanes overlap if the mean distance of
their points, on the rows that both cross, is below a threshold.

Legend: N lanes, K rows. A lane is (background score, score, start in 0 to 1,
x of the start, length in rows, K times x).
"""

import torch
from torch import Tensor

__all__ = ['line_nms_forward']

_HEAD = 5


def line_nms_forward(
    boxes: Tensor, scores: Tensor, thresh: float, top_k: int
) -> list[Tensor]:
    """Greedy non-maximum suppression.

    Lanes are compared in the order of their scores, also where they are not
    sorted; mmcv's kernel then takes one of each pair from its place in the
    input.

    Args:
        boxes: Lanes, (N, 5 + K).
        scores: Scores, (N,).
        thresh: Mean distance below which the worse lane goes.
        top_k: How many lanes are kept at most.

    Returns:
        Indices of the kept lanes, best first, filled up with 0, (N,); their
        number; and for every lane the number, from 1, of the last kept lane
        that it overlaps with or is, 0 for none, (N,).
    """
    boxes, scores = boxes.detach().float(), scores.detach()
    order = scores.argsort(descending=True, stable=True)
    lanes = boxes[order]
    rows = lanes.shape[1] - _HEAD
    # Rows that a lane crosses; the conversions cut off decimals.
    start = (lanes[:, 2] * (rows - 1) + 0.5).long()
    end = (start + lanes[:, 4].long() - 1).clamp(max=rows - 1)
    row = torch.arange(rows, device=lanes.device)
    removed = torch.zeros_like(order, dtype=torch.bool)
    keep = torch.zeros_like(order)
    group = torch.zeros_like(order)
    number = 0
    for rank in range(len(lanes)):
        if removed[rank]:
            continue
        first = torch.maximum(start[rank], start[rank + 1 :])
        last = torch.minimum(end[rank], end[rank + 1 :])
        common = (row >= first[:, None]) & (row <= last[:, None])
        gap = (lanes[rank, _HEAD:] - lanes[rank + 1 :, _HEAD:]).abs()
        distance = torch.where(common, gap, 0).sum(1)
        overlaps = distance < thresh * (last - first + 1)
        overlaps &= (first >= 0) & (last >= first)
        removed[rank + 1 :] |= overlaps
        keep[number] = order[rank]
        number += 1
        group[order[rank + 1 :][overlaps]] = number
        group[order[rank]] = number
        if number == top_k:
            break
    return [keep, torch.tensor(number, device=keep.device), group]
