"""Non-maximum suppression: ``nms``, ``nms_match``, ``softnms``.

Legend: N boxes in (x1, y1, x2, y2).
"""

import numpy as np
import torch
from torch import Tensor

from cankd_mm.compat.mmcv_ops.common import torchvision_ops

__all__ = ['nms', 'nms_match', 'softnms']

# Boxes settled at a time: a GPU wants few steps.
_BLOCK = {'cpu': 128}
_GPU_BLOCK = 1024
# Blocks that the kept boxes of one are compared with at a time: this bounds
# the memory, and a CPU wants the overlaps in its cache.
_WIDTH = 16


def nms(
    boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int
) -> Tensor:
    """Greedy non-maximum suppression.

    Args:
        boxes: Boxes, (N, 4).
        scores: Scores, (N,).
        iou_threshold: A box goes if its IoU with a better one exceeds this.
        offset: 1 where a box includes its last pixel, else 0.

    Returns:
        Indices of the kept boxes, best score first.

    Shape:
        - Output: (K,), int64.
    """
    boxes, scores = boxes.detach(), scores.detach()
    if boxes.dtype in (torch.float16, torch.bfloat16):
        boxes = boxes.float()
    # mmcv compares in float32: an IoU of exactly 3/5 does not exceed 0.6.
    iou_threshold = float(np.float32(iou_threshold))
    compiled = torchvision_ops(boxes)
    if compiled is not None and offset == 0:
        return compiled.nms(boxes, scores.to(boxes), iou_threshold)
    return _greedy_nms(boxes, scores, iou_threshold, offset)


def _greedy_nms(boxes, scores, iou_threshold, offset):
    index = scores.argsort(descending=True, stable=True)
    block = _BLOCK.get(boxes.device.type, _GPU_BLOCK)
    x1, y1, x2, y2 = boxes[index].unbind(1)
    area = (x2 - x1 + offset) * (y2 - y1 + offset)
    boxes = torch.stack((x1, y1, x2, y2, area))
    kept = [index[:0]]
    while len(index):
        best, rest = boxes[:, :block], boxes[:, block:]
        over = _iou(best, best, offset) > iou_threshold
        keep = _resolve(over.triu_(1))
        kept.append(index[:block][keep])
        if not rest.shape[1]:
            break
        # Only what was kept suppresses: few boxes, where many overlap.
        best = best[:, keep]
        left = [
            ~(_iou(best, part, offset) > iou_threshold).any(0)
            for part in rest.split(_WIDTH * block, 1)
        ]
        left = torch.cat(left)
        boxes, index = rest[:, left], index[block:][left]
    return torch.cat(kept)


def _iou(first: Tensor, second: Tensor, offset: int) -> Tensor:
    """IoU of boxes in rows x1, y1, x2, y2, area: (5, M), (5, N) -> (M, N)."""
    first = first[:, :, None]
    width = torch.minimum(first[2], second[2])
    width.sub_(torch.maximum(first[0], second[0])).add_(offset).clamp_(min=0)
    inter = torch.minimum(first[3], second[3])
    inter.sub_(torch.maximum(first[1], second[1])).add_(offset).clamp_(min=0)
    inter.mul_(width)
    return inter / (first[4] + second[4]).sub_(inter)


def _resolve(over: Tensor) -> Tensor:
    """Says which boxes of a block stay.

    ``over[i, j]``, i < j: box i, if it stays, suppresses box j. All boxes
    apply the rule at once until nothing changes. Every round settles one box
    more at least, and long chains, which would need many rounds, are rare.
    """
    keep = ~over.any(0)
    while True:
        update = ~over[keep].any(0)
        if torch.equal(update, keep):
            return keep
        keep = update


def nms_match(dets: Tensor, iou_threshold: float) -> list[list[int]]:
    """Greedy non-maximum suppression that keeps what is suppressed.

    Args:
        dets: Boxes and scores on the CPU, (N, 5).
        iou_threshold: A box joins the group of a better one whose IoU with it
            is at least this.

    Returns:
        Groups of indices, each with its best box first and the others in the
        order of their scores; the best group first.
    """
    index = dets[:, 4].detach().argsort(descending=True, stable=True).numpy()
    x1, y1, x2, y2 = dets[:, :4].detach().float().numpy()[index].T
    table = np.stack((x1, y1, x2, y2, (x2 - x1) * (y2 - y1)))
    iou_threshold = np.float32(iou_threshold)
    groups = []
    with np.errstate(invalid='ignore', divide='ignore'):
        while len(index):
            iou = _row_iou(table[:4, 0], table[4, 0], table, 0)
            joins = iou >= iou_threshold
            joins[0] = True
            groups.append(index[joins].tolist())
            table, index = table[:, ~joins], index[~joins]
    return groups


def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Soft-NMS: lowers the scores of overlapping boxes.

    Bodla et al., "Soft-NMS - Improving Object Detection With One Line of
    Code", https://arxiv.org/abs/1704.04503. mmcv calls it on the CPU only.

    Args:
        boxes: Boxes, (N, 4).
        scores: Scores, (N,).
        dets: Buffer for the kept boxes and their new scores, (N, 5); its
            first K rows are written.
        iou_threshold: IoU from which scores are lowered (methods 0 and 1).
        sigma: Width of the Gaussian (method 2).
        min_score: Boxes whose score falls below are dropped.
        method: 0 drops overlapping boxes, 1 lowers their score linearly with
            the IoU, 2 by a Gaussian of the IoU.
        offset: 1 where a box includes its last pixel, else 0.

    Returns:
        Indices of the kept boxes, best new score first.

    Shape:
        - Output: (K,), int64.
    """
    index = np.arange(len(boxes))
    # x1, y1, x2, y2, score, area: one column per box
    table = np.empty((6, len(boxes)), np.float32)
    table[:4] = boxes.detach().t().numpy()
    table[4] = scores.detach().numpy()
    table[5] = (table[2] - table[0] + offset) * (table[3] - table[1] + offset)
    done = 0
    with np.errstate(invalid='ignore', divide='ignore'):
        while done < len(index):
            best = done + _first_maximum(table[4, done:])
            swap, back = [done, best], [best, done]
            table[:, swap], index[swap] = table[:, back], index[back]
            top, done = table[:, done], done + 1
            rest = table[:, done:]
            rest[4] *= _soft_weight(
                _row_iou(top, top[5], rest[[0, 1, 2, 3, 5]], offset),
                iou_threshold,
                sigma,
                method,
            )
            order = done + _compaction(~(rest[4] < min_score))
            order = np.concatenate([np.arange(done), order])
            table, index = table[:, order], index[order]
    dets[: len(index)] = torch.from_numpy(table[:5].T.copy()).to(dets)
    return torch.from_numpy(index).to(boxes.device)


def _first_maximum(scores: np.ndarray) -> int:
    best = scores.argmax()
    if np.isnan(scores[best]):  # degenerate boxes; NaN is no maximum here
        best = 0 if np.isnan(scores[0]) else np.nanargmax(scores)
    return int(best)


def _row_iou(box, area, others, offset):
    """IoU of a box with others in rows x1, y1, x2, y2, area."""
    width = np.minimum(box[2], others[2]) - np.maximum(box[0], others[0])
    height = np.minimum(box[3], others[3]) - np.maximum(box[1], others[1])
    inter = np.maximum(width + offset, 0) * np.maximum(height + offset, 0)
    return inter / (area + others[4] - inter)


def _soft_weight(iou, iou_threshold, sigma, method):
    if method == 2:
        return np.exp(-(iou * iou) / np.float32(sigma))
    overlaps = iou >= np.float32(iou_threshold)
    return np.where(overlaps, 1 - iou if method == 1 else 0, 1)


def _compaction(keep: np.ndarray) -> np.ndarray:
    """Order after each dropped box was replaced by the last one kept.

    The order decides between equal scores, so that it has to be mmcv's.
    """
    count = int(keep.sum())
    order = np.arange(count)
    order[~keep[:count]] = count + np.flatnonzero(keep[count:])[::-1]
    return order
