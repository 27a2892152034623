"""Keeps what libraries say from the findings."""

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

from mmengine.logging import MMLogger


@contextmanager
def quiet() -> Iterator[None]:
    """No log, no warning, and nothing printed.

    The libraries print what they miss when they are imported, which may be
    the first time that a check looks something up.
    """
    logger = MMLogger.get_current_instance()
    level = logger.level
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter('ignore')
        logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            logger.setLevel(level)
