from cankd_mm.pairing.features import Level
from cankd_mm.pairing.match import by_stage, by_stride


def levels(source, *strides, channels=8):
    return [
        Level(
            source,
            index,
            (1, channels, 64 // stride, 64 // stride),
            (64, 64),
            True,
        )
        for index, stride in enumerate(strides)
    ]


def indices(matches):
    return [(m.student.index, m.teacher.index) for m in matches.pairs]


def test_levels_of_one_stride_belong_together():
    matches = by_stride(levels('neck', 8, 16, 32), levels('neck', 4, 8, 16))
    assert indices(matches) == [(0, 1), (1, 2)]


def test_what_has_no_counterpart_is_described():
    matches = by_stride(levels('neck', 8, 16, 32), levels('fpn', 4, 8, 16))
    assert matches.left_out == (
        "the student's neck[2] (stride 32): the teacher has no level of this "
        'stride',
        "the teacher's fpn[0] (stride 4): the student has no level of this "
        'stride',
    )


def test_of_several_levels_of_a_stride_the_last_is_matched():
    matches = by_stride(
        levels('backbone', 4, 8, 16), levels('backbone', 4, 8, 8, 8)
    )
    assert indices(matches) == [(0, 0), (1, 3)]


def test_the_students_order_is_kept():
    matches = by_stride(levels('neck', 32, 16, 8), levels('neck', 8, 16, 32))
    assert indices(matches) == [(0, 2), (1, 1), (2, 0)]


def test_equally_many_stages_are_matched_in_their_order():
    matches = by_stage(
        levels('backbone', 4, 8, 16, 32), levels('backbone', 4, 8, 8, 8)
    )
    assert indices(matches) == [(0, 0), (1, 1), (2, 2), (3, 3)]


def test_other_numbers_of_stages_are_matched_by_stride():
    matches = by_stage(
        levels('backbone', 8, 16, 32), levels('backbone', 4, 8, 16, 32)
    )
    assert indices(matches) == [(0, 1), (1, 2), (2, 3)]


def test_a_match_tells_what_it_needs():
    (a,), (b,) = levels('neck', 8), levels('neck', 8, channels=16)
    (match,) = by_stride([a], [b]).pairs
    assert match.needs_projection and not match.needs_resizing


def test_a_level_whose_stride_another_one_took_is_said_to_be_so():
    matches = by_stride(levels('neck', 8), levels('backbone', 8, 8))
    assert matches.left_out == (
        "the teacher's backbone[0] (stride 8): a later level of this stride "
        'is compared',
    )
