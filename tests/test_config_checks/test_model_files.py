"""Student and teacher can be read."""

import pytest


@pytest.mark.parametrize('name', ['architecture', 'teacher'])
def test_config_that_is_not_there(lint, name):
    _, findings = lint(
        f"model = dict({name}=dict(_delete_=True, cfg_path='no/where.py'))"
    )
    assert findings[0].startswith(f'error    model.{name}: ')
    assert "cfg_path='no/where.py'" in findings[0]
