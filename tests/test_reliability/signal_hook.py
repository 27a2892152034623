"""Ends a training from inside, at a moment that is always the same."""

import os
import signal

from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class SignalHook(Hook):
    """Send a signal to the own process after an iteration.

    Args:
        number: The signal.
        after: Iterations before it.
        rank: Which of several processes does it.
    """

    def __init__(self, number: int, after: int, rank: int = 0) -> None:
        self.number = number
        self.after = after
        self.rank = rank

    def after_train_iter(self, runner, *args, **kwargs) -> None:
        """Count and send."""
        if runner.iter + 1 == self.after and get_rank() == self.rank:
            if self.number == signal.SIGINT:
                # The shell's background jobs ignore it.
                signal.signal(self.number, signal.default_int_handler)
            os.kill(os.getpid(), self.number)
