"""The teacher sees images as in its own training."""

import pytest

KEY = 'model.teacher.data_preprocessor'


@pytest.mark.parametrize(
    'change, text',
    [
        ('mean=[103.53, 116.28, 123.675]', 'mean (103.53, 116.28, 123.675)'),
        ('std=[1.0, 1.0, 1.0]', 'std (1.0, 1.0, 1.0)'),
        ('bgr_to_rgb=True', 'swaps_channels True'),
    ],
)
def test_other_normalisation(lint, change, text):
    body = f'model = dict(teacher=dict(data_preprocessor=dict({change})))'
    assert lint(body) == (0, [])
    code, (finding,) = (
        lint(body, '--verbose')[0],
        [f for f in lint(body, '--verbose')[1] if KEY in f],
    )
    assert code == 0 and finding.startswith('info') and text in finding
    _, (finding,) = lint(f'{body[:-1]}, type="mmrazor.FpnTeacherDistill")')
    assert finding.startswith(f'warning  {KEY}') and text in finding


def test_equal_normalisation_in_other_words(lint):
    assert lint("""
model = dict(type='mmrazor.FpnTeacherDistill', teacher=dict(
    data_preprocessor=dict(mean=(60, 60, 60), std=(60, 60, 60))))
""") == (0, [])
