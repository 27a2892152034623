"""``tools/check_env.py`` in the environment of the tests."""

from tests.commands import run_tool


def test_environment_of_the_tests_is_ready():
    output = run_tool('check_env.py')
    assert 'stack: OneDL' in output or 'stack: stock' in output
    assert 'mmrazor               1.0.0         supported' in output
    assert output.strip().endswith('Ready.')
