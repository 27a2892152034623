"""Runs a tool in a process that something happens to.

    python tests/test_reliability/with_fault.py kill 2.5 train.py CONFIG ...

The faults:

- ``kill SECONDS``: SIGKILL that many seconds after the start;
- ``step N``: SIGKILL before the n-th step of saving in the folder that
  ``--work-dir`` names (:mod:`tests.test_reliability.crash_points`);
- ``log FILE``: nothing but a list of these steps;
- ``file-size BYTES``: no file may become larger.
"""

import os
import resource
import runpy
import signal
import sys
import threading
import time
from pathlib import Path

from tests.commands import ROOT
from tests.test_reliability.crash_points import log_steps, stop_before


def _kill_later(seconds: float) -> None:
    def wait() -> None:
        time.sleep(seconds)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


def _work_dir() -> Path:
    return Path(sys.argv[sys.argv.index('--work-dir') + 1])


FAULTS = {
    'kill': lambda value: _kill_later(float(value)),
    'step': lambda value: stop_before(int(value), _work_dir()),
    'log': lambda value: log_steps(_work_dir(), Path(value)),
    'file-size': lambda value: resource.setrlimit(
        resource.RLIMIT_FSIZE, (int(value), int(value))
    ),
}


if __name__ == '__main__':
    _, fault, value, tool, *arguments = sys.argv
    script = str(ROOT / 'tools' / tool)
    sys.argv = [script, *arguments]
    sys.path[0] = str(ROOT / 'tools')
    FAULTS[fault](value)
    runpy.run_path(script, run_name='__main__')
