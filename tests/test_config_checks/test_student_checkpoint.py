"""The student alone is written beside each checkpoint."""

import pytest

NO_HOOKS = 'custom_hooks = []\n'


def test_hook_is_missing(lint):
    body = NO_HOOKS + 'default_hooks = dict(student_checkpoint=None)'
    assert lint(body) == (0, [])
    _, findings = lint(body, '--verbose')
    assert any('StudentCheckpointHook' in finding for finding in findings)


@pytest.mark.parametrize(
    'body',
    [
        "custom_hooks = [dict(type='StudentCheckpointHook')]",
        NO_HOOKS
        + "default_hooks = dict(student=dict(type='StudentCheckpointHook'))",
    ],
)
def test_hook_is_there(lint, body):
    _, findings = lint(body, '--verbose')
    assert not any('StudentCheckpointHook' in f for f in findings)
