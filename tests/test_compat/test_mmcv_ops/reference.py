"""The operators as their definitions say, slowly, in float64."""

import math


def iou(a, b, offset=0):
    width = min(a[2], b[2]) - max(a[0], b[0]) + offset
    height = min(a[3], b[3]) - max(a[1], b[1]) + offset
    inter = max(width, 0) * max(height, 0)
    area_a, area_b = (
        (box[2] - box[0] + offset) * (box[3] - box[1] + offset)
        for box in (a, b)
    )
    return inter / (area_a + area_b - inter)


def nms(boxes, scores, threshold, offset=0):
    boxes, kept = boxes.tolist(), []
    for i in scores.argsort(descending=True, stable=True).tolist():
        if all(iou(boxes[i], boxes[j], offset) <= threshold for j in kept):
            kept.append(i)
    return kept


def soft_nms(boxes, scores, threshold, sigma, min_score, method, offset=0):
    """For scores that never tie."""
    left = dict(enumerate(zip(boxes.tolist(), scores.tolist(), strict=True)))
    kept = []
    while left:
        best = max(left, key=lambda i: left[i][1])
        box, score = left.pop(best)
        kept.append((best, score))
        for i, (other, value) in list(left.items()):
            overlap = iou(box, other, offset)
            if method == 'gaussian':
                value *= math.exp(-(overlap**2) / sigma)
            elif overlap >= threshold:
                value *= 1 - overlap if method == 'linear' else 0
            left[i] = (other, value)
            if value < min_score:
                del left[i]
    return kept


def bilinear(image, y, x):
    """Value of a map that is zero outside, (H, W) nested lists."""
    top, left = math.floor(y), math.floor(x)
    value = 0.0
    for row in (top, top + 1):
        for column in (left, left + 1):
            if 0 <= row < len(image) and 0 <= column < len(image[0]):
                weight = (1 - abs(y - row)) * (1 - abs(x - column))
                value += weight * image[row][column]
    return value


def roi_align(features, roi, size, scale, ratio, mode, aligned):
    """One region: (C, h, w) nested lists."""
    image, *corners = roi.tolist()
    left, top, right, bottom = (
        c * scale - (0.5 if aligned else 0) for c in corners
    )
    height, width = bottom - top, right - left
    if not aligned:
        height, width = max(height, 1), max(width, 1)
    bin_height, bin_width = height / size[0], width / size[1]
    rows = ratio or math.ceil(bin_height)
    columns = ratio or math.ceil(bin_width)

    def pool(channel, i, j):
        samples = []
        for r in range(rows):
            for c in range(columns):
                y = top + bin_height * (i + (r + 0.5) / rows)
                x = left + bin_width * (j + (c + 0.5) / columns)
                inside = -1 <= y <= len(channel) and -1 <= x <= len(channel[0])
                y = min(max(y, 0), len(channel) - 1)
                x = min(max(x, 0), len(channel[0]) - 1)
                samples.append(bilinear(channel, y, x) if inside else 0.0)
        if mode == 'avg':
            return sum(samples) / max(len(samples), 1)
        return max(samples, default=-10000.0)

    return [
        [[pool(c, i, j) for j in range(size[1])] for i in range(size[0])]
        for c in features[int(image)].tolist()
    ]


def deform_conv(
    x, offset, mask, weight, stride, padding, dilation, groups, offset_groups
):
    """One image: (O, h, w) nested lists."""
    channels, kernel = len(x), weight.shape[2:]
    outputs, per_group = weight.shape[:2]
    x, weight = x.tolist(), weight.tolist()
    height, width = offset.shape[-2:]
    shape = (offset_groups, kernel[0], kernel[1], -1, height, width)
    offset, mask = offset.view(shape).tolist(), mask.view(shape).tolist()

    def value(o, i, j):
        total = 0.0
        for c in range(per_group):
            channel = o // (outputs // groups) * per_group + c
            g = channel // (channels // offset_groups)
            for a in range(kernel[0]):
                for b in range(kernel[1]):
                    dy, dx = (offset[g][a][b][k][i][j] for k in (0, 1))
                    y = i * stride[0] - padding[0] + a * dilation[0] + dy
                    z = j * stride[1] - padding[1] + b * dilation[1] + dx
                    total += (
                        weight[o][c][a][b]
                        * mask[g][a][b][0][i][j]
                        * bilinear(x[channel], y, z)
                    )
        return total

    return [
        [[value(o, i, j) for j in range(width)] for i in range(height)]
        for o in range(outputs)
    ]


def ms_deform_attn(levels, locations, weights):
    """One image, query and head: (D,) list.

    ``levels`` holds one map per level, (D, H, W) nested lists.
    """
    result = [0.0] * len(levels[0])
    for level, points, factors in zip(
        levels, locations.tolist(), weights.tolist(), strict=True
    ):
        height, width = len(level[0]), len(level[0][0])
        for (x, y), factor in zip(points, factors, strict=True):
            for d, channel in enumerate(level):
                result[d] += factor * bilinear(
                    channel, y * height - 0.5, x * width - 0.5
                )
    return result
