"""What every test shares."""

import functools
import logging
import runpy

import pytest
from mmengine.config import utils
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.runner import set_random_seed
from mmengine.visualization import Visualizer

import cankd_mm  # noqa: F401  (compatibility before any test imports MMRazor)
from tests.commands import ROOT
from tests.reliability_table import (
    pytest_terminal_summary,  # noqa: F401  (pytest finds it here)
)
from tests.unformatted_configs import leave_configs_unformatted


def pytest_addoption(parser):
    parser.addoption(
        '--slow', action='store_true', help='also run tests that take minutes'
    )


def pytest_collection_modifyitems(config, items):
    if not config.getoption('--slow'):
        skip = pytest.mark.skip(reason='takes minutes: run with --slow')
        for item in items:
            if 'slow' in item.keywords:
                item.add_marker(skip)


@pytest.fixture(scope='session', autouse=True)
def quick_libraries():
    """Saves what takes longer than many a test and none is about."""
    leave_configs_unformatted()
    # MMEngine reads all of a library for every `package::path`.
    utils.load = functools.cache(utils.load)


@pytest.fixture(scope='session', autouse=True)
def no_downloaded_weights(tmp_path_factory):
    """Keeps what this machine has downloaded from changing what is found."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('TORCH_HOME', str(tmp_path_factory.mktemp('cache')))
        yield


@pytest.fixture(autouse=True)
def own_random_numbers():
    """Draws the same numbers whatever ran before, and in which process."""
    set_random_seed(0)


@pytest.fixture(autouse=True)
def own_globals(monkeypatch):
    """Keeps what a runner leaves in the process from other tests."""
    for manager in (DefaultScope, MessageHub, MMLogger, Visualizer):
        monkeypatch.setattr(
            manager, '_instance_dict', manager._instance_dict.copy()
        )


@pytest.fixture
def logged():
    """Messages of MMEngine's current logger, as they come."""
    messages = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    yield messages
    logger.removeHandler(handler)


@pytest.fixture(scope='session')
def check_config():
    """``main`` of ``tools/check_config.py``, in this process."""
    return runpy.run_path(str(ROOT / 'tools' / 'check_config.py'))['main']
