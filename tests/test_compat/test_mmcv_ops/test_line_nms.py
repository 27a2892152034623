import pytest
import torch
from mmcv.ops import line_nms

from . import reference

ROWS = 72


def draw(number, seed):
    """Lanes of some length, several close to each other."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape):
        return torch.rand(*shape, generator=generator)

    x = (uniform(number, 1) * 4).round() * 100 + uniform(number, ROWS) * 30
    start = (uniform(number, 1) * 0.6 * (ROWS - 1)).round() / (ROWS - 1)
    length = (uniform(number, 1) * ROWS).round()
    head = torch.cat((uniform(number, 2), start, x[:, :1], length), 1)
    return torch.cat((head, x), 1), uniform(number)


@pytest.mark.parametrize('top_k', [3, 100])
@pytest.mark.parametrize('threshold', [5.0, 12.0, 60.0])
@pytest.mark.parametrize('seed', range(4))
def test_close_lanes_go(seed, threshold, top_k, device):
    lanes, scores = draw(40, seed)
    keep, number, group = line_nms(
        lanes.to(device), scores.to(device), threshold, top_k
    )
    expected = reference.line_nms(lanes, scores, threshold, top_k)
    assert keep[:number].tolist() == expected
    assert len(keep) == 40 and not keep[number:].any()
    assert group[keep[:number]].tolist() == [*range(1, int(number) + 1)]


def test_group_is_the_last_kept_lane_that_it_overlaps():
    lanes, scores = draw(30, 7)
    keep, number, group = line_nms(lanes, scores, 20.0, 100)
    rank = {
        lane: place
        for place, lane in enumerate(
            scores.argsort(descending=True, stable=True).tolist()
        )
    }
    kept = keep[:number].tolist()
    for lane in range(30):
        expected = 0
        for place, other in enumerate(kept, 1):
            distance = reference.line_distance(
                lanes[other].tolist(), lanes[lane].tolist()
            )
            close = distance is not None and distance < 20
            if lane == other or (close and rank[other] < rank[lane]):
                expected = place
        assert group[lane] == expected


def test_lanes_without_a_common_row_stay():
    lanes, scores = draw(2, 0)
    lanes[0, 2], lanes[0, 4] = 0.0, 10
    lanes[1, 2], lanes[1, 4] = 0.5, 10
    lanes[:, 5:] = 1.0
    keep, number, _ = line_nms(lanes, scores, 50.0, 10)
    assert number == 2
    lanes[1, 2] = 0.1
    assert line_nms(lanes, scores, 50.0, 10)[1] == 1


def test_no_lane():
    lanes, scores = draw(0, 0)
    keep, number, group = line_nms(lanes, scores, 50.0, 10)
    assert number == 0 and len(keep) == len(group) == 0
