"""Forks a process for every tool that a test runs.

    python -m tests.tool_server

Reads requests (JSON, one a line) and answers with an exit code each. The
libraries are imported once, here: that takes longer than most tools run.
"""

import gc
import json
import os
import random
import runpy
import signal
import sys
from importlib import import_module
from importlib.util import find_spec
from typing import TextIO

import numpy as np

import cankd_mm  # noqa: F401  (before anything of MMRazor)
from tests.unformatted_configs import leave_configs_unformatted

HEAVY = (
    'mmdet.datasets',
    'mmdet.evaluation',
    'mmdet.models',
    'mmdet.visualization',
    'mmrazor.engine',
    'mmrazor.models',
    'mmseg.datasets',
    'mmseg.evaluation',
    'mmseg.models',
    'mmseg.visualization',
)


def import_libraries() -> None:
    """Imports what tools import in the end."""
    for name in HEAVY:
        if find_spec(name.partition('.')[0]) is not None:
            import_module(name)


def next_request(answers: TextIO) -> dict:
    """Waits for requests; returns each of them in a process of its own."""
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            answers.close()
            return json.loads(line)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), file=answers, flush=True)
    raise SystemExit


def run(
    script: str,
    arguments: list[str],
    environment: dict[str, str],
    output: str,
    timeout: int,
) -> None:
    """Runs a script as ``python script arguments >output 2>&1`` does."""
    signal.alarm(timeout)
    for path, flags, copies in (
        (os.devnull, os.O_RDONLY, (0,)),
        (output, os.O_WRONLY | os.O_APPEND, (1, 2)),
    ):
        file = os.open(path, flags)
        for copy in copies:
            os.dup2(file, copy)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [script, *arguments]
    sys.path[0] = os.path.dirname(script)
    # Processes draw seeds of their own, which their siblings do not share.
    random.seed()
    np.random.seed()
    runpy.run_path(script, run_name='__main__')


if __name__ == '__main__':
    # Libraries print what they miss while they are imported.
    standard_output = os.fdopen(os.dup(1), 'w')
    os.dup2(2, 1)
    leave_configs_unformatted()
    import_libraries()
    # Else each fork's first collection copies the memory of all libraries.
    gc.collect()
    gc.freeze()
    run(**next_request(standard_output))
