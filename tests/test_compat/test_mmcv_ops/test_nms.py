import numpy as np
import pytest
import torch
from mmcv.ops import batched_nms, nms, nms_match, soft_nms

from cankd_mm.compat import mmcv_ops

from . import reference

pytestmark = pytest.mark.usefixtures('backend')
ordered = pytest.mark.skipif(
    not mmcv_ops.needed(), reason='compiled mmcv sorts equal scores at will'
)


def random_boxes(count, spread=60.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    centre = torch.rand(count, 2, generator=generator) * spread
    size = torch.rand(count, 2, generator=generator) * 30 + 5
    boxes = torch.cat((centre - size / 2, centre + size / 2), 1)
    return boxes, torch.rand(count, generator=generator)


@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('threshold', [0.1, 0.5, 0.7])
# Below, at and above the block size of the CPU, and several blocks.
@pytest.mark.parametrize('count', [1, 2, 128, 129, 500])
def test_nms_equals_the_greedy_rule(count, threshold, offset, device):
    boxes, scores = random_boxes(count)
    dets, kept = nms(
        boxes.to(device), scores.to(device), threshold, offset=offset
    )
    assert kept.tolist() == reference.nms(boxes, scores, threshold, offset)
    assert torch.equal(dets[:, :4].cpu(), boxes[kept.cpu()])
    assert torch.equal(dets[:, 4].cpu(), scores[kept.cpu()])


def test_nms_follows_chains_of_any_length():
    # Every box overlaps its neighbours alone, so that every second one stays.
    left = torch.arange(300.0) * 4
    boxes = torch.stack((left, left * 0, left + 10, left * 0 + 10), 1)
    _, kept = nms(boxes, torch.linspace(1, 0, 300), 0.4)
    assert kept.tolist() == list(range(0, 300, 2))


@ordered
@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, None])
def test_nms_of_thousands_of_boxes_with_equal_scores(dtype, offset, device):
    # The first block's boxes are compared with the rest in two parts.
    boxes, scores = random_boxes(2600, spread=80.0)
    boxes, scores = boxes.to(dtype), (scores * 20).round().to(dtype)
    _, kept = nms(boxes.to(device), scores.to(device), 0.5, offset=offset)
    expected = reference.nms(boxes, scores, 0.5, offset)
    assert kept.tolist() == expected
    assert max(expected) > 2200


@pytest.mark.parametrize('offset', [0, 1])
def test_nms_keeps_the_best_of_identical_boxes(offset, device):
    boxes = torch.tensor([[3.0, 4, 9, 8]]).repeat(2500, 1)
    scores = torch.rand(2500, generator=torch.Generator().manual_seed(0))
    scores[2100] = 2
    _, kept = nms(boxes.to(device), scores.to(device), 0.9, offset=offset)
    assert kept.tolist() == [2100]


def test_nms_of_no_boxes(device):
    boxes = torch.zeros(0, 4, device=device)
    dets, kept = nms(boxes, boxes[:, 0], 0.5)
    assert dets.shape == (0, 5)
    assert kept.shape == (0,)
    assert kept.dtype == torch.int64


@ordered
def test_nms_takes_the_first_of_equal_scores():
    boxes, _ = random_boxes(40)
    boxes = boxes.repeat(2, 1)
    _, kept = nms(boxes, torch.ones(80), 0.5)
    assert kept.tolist() == reference.nms(boxes, torch.ones(80), 0.5)
    assert kept.max() < 40


@pytest.mark.parametrize('threshold', [0.6, 0.3])
def test_nms_keeps_a_box_whose_iou_equals_the_threshold(threshold):
    # 3/5 and 3/10, which round up in float32 and so exceed the double.
    width = 5.0 if threshold == 0.6 else 10.0
    boxes = torch.tensor([[0, 0, width, 1], [0, 0, 3, 1]])
    _, kept = nms(boxes, torch.tensor([0.9, 0.8]), threshold)
    assert kept.tolist() == [0, 1]


def test_nms_keeps_boxes_without_area():
    boxes = torch.tensor([[3.0, 1, 3, 1]] * 3)
    _, kept = nms(boxes, torch.tensor([0.1, 0.3, 0.2]), 0.5)
    assert kept.tolist() == [1, 2, 0]


def test_nms_filters_by_score_and_number():
    boxes, scores = random_boxes(100)
    _, kept = nms(boxes, scores, 0.5, score_threshold=0.4, max_num=5)
    expected = [
        i for i in reference.nms(boxes, scores, 0.5) if scores[i] > 0.4
    ]
    assert kept.tolist() == expected[:5]


def test_nms_takes_arrays():
    boxes, scores = random_boxes(50)
    dets, kept = nms(boxes.numpy(), scores.numpy(), 0.5)
    assert isinstance(dets, np.ndarray)
    assert kept.tolist() == reference.nms(boxes, scores, 0.5)


@pytest.mark.parametrize('split', [10000, 100])
def test_batched_nms_compares_within_a_class(split, device):
    boxes, scores = random_boxes(200)
    classes = torch.randint(
        3, (200,), generator=torch.Generator().manual_seed(1)
    )
    config = dict(type='nms', iou_threshold=0.5, split_thr=split)
    _, kept = batched_nms(
        boxes.to(device), scores.to(device), classes.to(device), config
    )
    expected = []
    for label in range(3):
        members = (classes == label).nonzero()[:, 0]
        chosen = reference.nms(boxes[members], scores[members], 0.5)
        expected += members[chosen].tolist()
    expected.sort(key=lambda i: -scores[i])
    assert kept.tolist() == expected


@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('min_score', [0.0, 0.05, 0.4])
@pytest.mark.parametrize('method', ['naive', 'linear', 'gaussian'])
def test_soft_nms_equals_the_rule(method, min_score, offset, device):
    boxes, scores = random_boxes(60)
    dets, kept = soft_nms(
        boxes.to(device), scores.to(device), 0.3, 0.5, min_score, method,
        offset,
    )  # fmt: skip
    expected = reference.soft_nms(
        boxes.double(), scores.double(), 0.3, 0.5, min_score, method, offset
    )
    if method == 'naive':  # scores of zero tie
        expected = [pair for pair in expected if pair[1] > 0]
        kept, dets = kept[: len(expected)], dets[: len(expected)]
    assert kept.tolist() == [i for i, _ in expected]
    assert torch.equal(dets[:, :4].cpu(), boxes[kept.cpu()])
    torch.testing.assert_close(
        dets[:, 4].cpu().double(),
        torch.tensor([score for _, score in expected], dtype=torch.double),
        rtol=1e-5,
        atol=1e-6,
    )


def test_soft_nms_of_no_boxes():
    dets, kept = soft_nms(torch.zeros(0, 4), torch.zeros(0))
    assert dets.shape == (0, 5)
    assert kept.shape == (0,)


def test_soft_nms_fills_the_place_of_dropped_boxes_from_the_end():
    # Boxes 1 and 2 are dropped; 4 takes the place of 1 and 3 that of 2, and
    # so 4 is the first of the two equal scores, as in mmcv.
    same, one, other = [0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]
    boxes = torch.tensor([same, same, same, one, other]).float()
    scores = torch.tensor([0.9, 0.8, 0.7, 0.5, 0.5])
    dets, kept = soft_nms(boxes, scores, 0.5, min_score=0.1, method='naive')
    assert kept.tolist() == [0, 4, 3]
    assert torch.equal(dets[:, :4], boxes[kept])


def test_batched_soft_nms_lowers_scores():
    boxes, scores = random_boxes(50)
    config = dict(type='soft_nms', iou_threshold=0.3, min_score=0.05)
    dets, kept = batched_nms(boxes, scores, torch.zeros(50).long(), config)
    expected = reference.soft_nms(boxes, scores, 0.3, 0.5, 0.05, 'linear')
    assert kept.tolist() == [i for i, _ in expected]
    assert (dets[:, 4] <= scores[kept]).all()
    assert (dets[:, 4] < scores[kept]).any()


@pytest.mark.parametrize('threshold', [0.3, 0.5, 0.7])
@pytest.mark.parametrize('seed', range(3))
def test_nms_match_groups_what_the_best_suppress(seed, threshold):
    boxes, scores = random_boxes(60, seed=seed)
    dets = torch.cat((boxes, scores[:, None]), 1)
    expected = reference.nms_match(boxes, scores, threshold)
    found = nms_match(dets, threshold)
    assert [group.tolist() for group in found] == expected
    found = nms_match(dets.numpy(), threshold)
    assert [group.tolist() for group in found] == expected


def test_nms_match_joins_at_exactly_the_threshold():
    # IoU of the first two is 0.5; the third has no area.
    dets = torch.tensor(
        [[0, 0, 2, 2, 0.9], [0, 0, 2, 1, 0.8], [1, 1, 1, 1, 0.7]]
    )
    assert [g.tolist() for g in nms_match(dets, 0.5)] == [[0, 1], [2]]
    assert [g.tolist() for g in nms_match(dets, 0.51)] == [[0], [1], [2]]
    assert nms_match(dets[:0], 0.5) == []
