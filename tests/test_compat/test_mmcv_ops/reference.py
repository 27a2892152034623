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


def deform_conv_offset_gradient(x, offset, weight, grad, padding):
    """By the offsets of one image, stride 1, one group: (K, 2, h, w) lists.

    By mmcv's rule: a point counts where -1 < y < H and -1 < x < W, and its
    slope is that between the pixels that its coordinates, rounded down, name.
    """
    channels, height, width = x.shape
    outputs, _, kernel_h, kernel_w = weight.shape
    rows, columns = grad.shape[1:]
    offset = offset.view(-1, 2, rows, columns).tolist()
    x, weight, grad = x.tolist(), weight.tolist(), grad.tolist()

    def pixel(c, row, column):
        inside = 0 <= row < height and 0 <= column < width
        return x[c][row][column] if inside else 0.0

    def slope(c, y, z):
        if not (-1 < y < height and -1 < z < width):
            return 0.0, 0.0
        top, left = math.floor(y), math.floor(z)
        a, b = pixel(c, top, left), pixel(c, top, left + 1)
        d, e = pixel(c, top + 1, left), pixel(c, top + 1, left + 1)
        dy, dz = y - top, z - left
        return (
            (1 - dz) * (d - a) + dz * (e - b),
            (1 - dy) * (b - a) + dy * (e - d),
        )

    result = []
    for k in range(kernel_h * kernel_w):
        a, b = divmod(k, kernel_w)
        by_y = [[0.0] * columns for _ in range(rows)]
        by_x = [[0.0] * columns for _ in range(rows)]
        for i in range(rows):
            for j in range(columns):
                y = i - padding + a + offset[k][0][i][j]
                z = j - padding + b + offset[k][1][i][j]
                for c in range(channels):
                    slopes = slope(c, y, z)
                    factor = sum(
                        grad[o][i][j] * weight[o][c][a][b]
                        for o in range(outputs)
                    )
                    by_y[i][j] += factor * slopes[0]
                    by_x[i][j] += factor * slopes[1]
        result.append([by_y, by_x])
    return result


def packed(maps, size):
    """The first numbers of one image, in the order of memory: (C, h, w)."""
    numbers = iter(maps.flatten().tolist())
    return [
        [[next(numbers) for _ in range(size[1])] for _ in range(size[0])]
        for _ in range(len(maps))
    ]


def psa_mask(windows, size, kind):
    """One image: weights of each pair of positions, (P, H, W) lists."""
    height, width = windows.shape[1:]
    half = [(length - 1) // 2 for length in size]
    windows = windows.view(*size, height, width).tolist()
    result = [
        [[0.0] * width for _ in range(height)] for _ in range(height * width)
    ]
    for y in range(height):
        for x in range(width):
            for row in range(size[0]):
                for column in range(size[1]):
                    to_y, to_x = y + row - half[0], x + column - half[1]
                    if not (0 <= to_y < height and 0 <= to_x < width):
                        continue
                    value = windows[row][column][y][x]
                    if kind == 'collect':
                        result[to_y * width + to_x][y][x] = value
                    else:
                        result[y * width + x][to_y][to_x] = value
    return result


def masked_conv(x, mask, weight, bias, padding):
    """One image: the convolution where the mask is set, else 0."""
    height, width = x.shape[1:]
    outputs, channels, kernel_h, kernel_w = weight.shape
    rows = height + 2 * padding[0] - kernel_h + 1
    columns = width + 2 * padding[1] - kernel_w + 1
    x, weight, bias = x.tolist(), weight.tolist(), bias.tolist()

    def value(o, i, j):
        if not mask[i, j] > 0:
            return 0.0
        total = bias[o]
        for c in range(channels):
            for a in range(kernel_h):
                for b in range(kernel_w):
                    y, z = i - padding[0] + a, j - padding[1] + b
                    if 0 <= y < height and 0 <= z < width:
                        total += weight[o][c][a][b] * x[c][y][z]
        return total

    return [
        [[value(o, i, j) for j in range(columns)] for i in range(rows)]
        for o in range(outputs)
    ]


def carafe(x, weights, kernel, groups, scale):
    """One image: (C, s * H, s * W) nested lists."""
    channels, height, width = x.shape
    x, weights = x.tolist(), weights.tolist()
    radius = kernel // 2

    def value(c, i, j):
        group, total = c // (channels // groups), 0.0
        for a in range(kernel):
            for b in range(kernel):
                y, z = i // scale + a - radius, j // scale + b - radius
                if 0 <= y < height and 0 <= z < width:
                    entry = (group * kernel + a) * kernel + b
                    total += weights[entry][i][j] * x[c][y][z]
        return total

    return [
        [
            [value(c, i, j) for j in range(width * scale)]
            for i in range(height * scale)
        ]
        for c in range(channels)
    ]


def deform_roi_pool(features, roi, offset, size, scale, ratio, gamma):
    """One region: (C, h, w) nested lists; offset (2, h, w), or None."""
    image, *corners = roi.tolist()
    left, top, right, bottom = (c * scale - 0.5 for c in corners)
    height, width = bottom - top, right - left
    bin_height, bin_width = height / size[0], width / size[1]
    rows = ratio or math.ceil(bin_height)
    columns = ratio or math.ceil(bin_width)

    def pool(channel, i, j):
        total = 0.0
        for r in range(rows):
            for c in range(columns):
                y = top + bin_height * (i + (r + 0.5) / rows)
                x = left + bin_width * (j + (c + 0.5) / columns)
                if offset is not None:
                    x += gamma * width * float(offset[0, i, j])
                    y += gamma * height * float(offset[1, i, j])
                if not (-1 <= y <= len(channel)):
                    continue
                if not (-1 <= x <= len(channel[0])):
                    continue
                y = min(max(y, 0), len(channel) - 1)
                x = min(max(x, 0), len(channel[0]) - 1)
                total += bilinear(channel, y, x)
        return total / max(rows * columns, 1)

    return [
        [[pool(c, i, j) for j in range(size[1])] for i in range(size[0])]
        for c in features[int(image)].tolist()
    ]


def deform_roi_pool_offset_gradient(
    features, roi, offset, grad, size, scale, ratio, gamma
):
    """By the offsets of one region: (2, h, w) lists.

    By mmcv's rule: the slope at a sample is that of the plane through the
    four pixels of its value, taken at its own coordinates, which may lie up
    to a pixel beyond the edge.
    """
    image, *corners = roi.tolist()
    left, top, right, bottom = (c * scale - 0.5 for c in corners)
    height, width = bottom - top, right - left
    bin_height, bin_width = height / size[0], width / size[1]
    rows = ratio or max(math.ceil(bin_height), 0)
    columns = ratio or max(math.ceil(bin_width), 0)
    features, grad = features[int(image)].tolist(), grad.tolist()
    limits = len(features[0]), len(features[0][0])

    def neighbors(coordinate, limit):
        low = min(int(max(coordinate, 0)), limit - 1)
        return low, min(low + 1, limit - 1)

    result = [[[0.0] * size[1] for _ in range(size[0])] for _ in range(2)]
    for i in range(size[0]):
        for j in range(size[1]):
            for r in range(rows):
                for c in range(columns):
                    y = top + bin_height * (i + (r + 0.5) / rows)
                    x = left + bin_width * (j + (c + 0.5) / columns)
                    x += gamma * width * float(offset[0, i, j])
                    y += gamma * height * float(offset[1, i, j])
                    if not (-1 <= y <= limits[0] and -1 <= x <= limits[1]):
                        continue
                    y0, y1 = neighbors(y, limits[0])
                    x0, x1 = neighbors(x, limits[1])
                    for channel, g in zip(features, grad, strict=True):
                        a, b = channel[y0][x0], channel[y0][x1]
                        d, e = channel[y1][x0], channel[y1][x1]
                        by_x = (y1 - y) * (b - a) + (y - y0) * (e - d)
                        by_y = (x1 - x) * (d - a) + (x - x0) * (e - b)
                        factor = gamma * g[i][j] / (rows * columns)
                        result[0][i][j] += factor * width * by_x
                        result[1][i][j] += factor * height * by_y
    return result


def roi_pool(features, roi, size, scale):
    """One region: (C, h, w) lists of (value, row, column), or 0, None."""
    image, *corners = roi.tolist()
    left, top = (c * scale for c in corners[:2])
    right, bottom = ((c + 1) * scale for c in corners[2:])

    def span(start, end, part, parts, limit):
        step = (end - start) / parts
        first = math.floor(part * step + start)
        last = math.ceil((part + 1) * step + start)
        return range(max(first, 0), min(last, limit))

    def pool(channel, i, j):
        best = (0.0, None, None)
        if right <= left or bottom <= top:
            return best
        for y in span(top, bottom, i, size[0], len(channel)):
            for x in span(left, right, j, size[1], len(channel[0])):
                if best[1] is None or channel[y][x] > best[0]:
                    best = (channel[y][x], y, x)
        return best

    return [
        [[pool(c, i, j) for j in range(size[1])] for i in range(size[0])]
        for c in features[int(image)].tolist()
    ]


def nms_match(boxes, scores, threshold):
    left = scores.argsort(descending=True, stable=True).tolist()
    boxes, groups = boxes.tolist(), []
    while left:
        best, *left = left
        group = [i for i in left if iou(boxes[best], boxes[i]) >= threshold]
        groups.append([best, *group])
        left = [i for i in left if i not in group]
    return groups


def line_distance(a, b):
    """Mean distance of two lanes on the rows of both; None without any."""
    rows = len(a) - 5
    starts = [int(lane[2] * (rows - 1) + 0.5) for lane in (a, b)]
    ends = [
        start + int(lane[4]) - 1
        for start, lane in zip(starts, (a, b), strict=True)
    ]
    first, last = max(starts), min(*ends, rows - 1)
    if first < 0 or last < first:
        return None
    gaps = [abs(a[5 + i] - b[5 + i]) for i in range(first, last + 1)]
    return sum(gaps) / len(gaps)


def line_nms(lanes, scores, threshold, top_k):
    lanes, kept = lanes.tolist(), []
    for i in scores.argsort(descending=True, stable=True).tolist():
        if len(kept) == top_k:
            break
        distances = [line_distance(lanes[j], lanes[i]) for j in kept]
        if all(d is None or d >= threshold for d in distances):
            kept.append(i)
    return kept
