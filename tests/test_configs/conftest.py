"""What the tests of configs share."""

import functools

import pytest
from mmengine.config import utils


@pytest.fixture(scope='module', autouse=True)
def metafiles_are_read_once():
    """MMEngine reads all of a library for every ``package::path``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils, 'load', functools.cache(utils.load))
        yield
