"""What every test shares."""

import logging

import pytest
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.visualization import Visualizer

import cankd_mm  # noqa: F401  (compatibility before any test imports MMRazor)


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
