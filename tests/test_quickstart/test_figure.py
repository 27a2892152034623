import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from cankd_mm.quickstart import figure
from cankd_mm.quickstart.evaluation import Prediction

TRUTH = np.array([[0, 0, 10, 10], [20, 20, 40, 40]], float)


def painted(boxes, labels, scores):
    """Colours of the boxes painted for a prediction, sorted."""
    axes = Figure().subplots()
    prediction = Prediction(
        image=np.zeros((48, 48, 3), np.uint8),
        boxes=np.asarray(boxes, float).reshape(-1, 4),
        labels=np.asarray(labels, int),
        scores=np.asarray(scores, float),
        true_boxes=TRUTH,
        true_labels=np.array([3, 7]),
    )
    figure._paint_prediction(axes, prediction)
    return sorted(to_hex(patch.get_edgecolor()) for patch in axes.patches)


def test_right_boxes_are_told_from_missed_ones():
    assert painted([TRUTH[0]], [3], [0.9]) == sorted(
        [figure._RIGHT, figure._MISSED]
    )


def test_wrong_digit_is_wrong_however_well_it_lies():
    assert painted([TRUTH[0]], [4], [0.9]) == sorted(
        [figure._WRONG, figure._MISSED, figure._MISSED]
    )


def test_of_two_boxes_on_one_place_the_surer_is_painted():
    boxes = [TRUTH[0], TRUTH[0]]
    assert painted(boxes, [3, 4], [0.9, 0.8]) == sorted(
        [figure._RIGHT, figure._MISSED]
    )
    assert painted(boxes, [3, 4], [0.8, 0.9]) == sorted(
        [figure._WRONG, figure._MISSED, figure._MISSED]
    )


def test_unsure_boxes_are_not_painted():
    assert painted([TRUTH[0]], [3], [0.2]) == [figure._MISSED] * 2


@pytest.mark.parametrize(
    'other, expected',
    [
        ((0, 0, 10, 10), 1),
        ((5, 0, 15, 10), 1 / 3),
        ((10, 0, 20, 10), 0),
        ((30, 30, 40, 40), 0),
    ],
)
def test_iou(other, expected):
    assert figure._iou((0, 0, 10, 10), other) == pytest.approx(expected)
