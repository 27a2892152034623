"""Runs the command lines in processes that have the libraries already.

Otherwise as :func:`tests.commands.run_tool`, which takes seconds more for
imports and for the layout of logged configs. That one starts every tool once,
and wherever memory or the environment is what is tested.
"""

import atexit
import functools
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.commands import ROOT

# Far above what a tool needs on a busy machine.
TIMEOUT = 600


def fork_tool(name: str, *arguments) -> str:
    """Runs ``tools/<name>`` and returns what it printed.

    Raises:
        AssertionError: It failed; the message is its output.
    """
    code, output = fork_tool_unchecked(name, *arguments)
    assert code == 0, output[-6000:]
    return output


def fork_tool_unchecked(name: str, *arguments) -> tuple[int, str]:
    """Runs ``tools/<name>`` and returns its exit code and what it printed."""
    server = _server()
    with tempfile.NamedTemporaryFile() as output:
        request = dict(
            script=str(ROOT / 'tools' / name),
            arguments=[str(argument) for argument in arguments],
            environment={**os.environ, 'PYTHONPATH': str(ROOT)},
            output=output.name,
            timeout=TIMEOUT,
        )
        print(json.dumps(request), file=server.stdin, flush=True)
        answer = server.stdout.readline()
        printed = Path(output.name).read_text()
    if not answer:
        raise RuntimeError('the tool server has ended')
    if int(answer) == -signal.SIGALRM:
        raise TimeoutError(f'{name} ran for {TIMEOUT} s: {printed[-6000:]}')
    return int(answer), printed


@functools.cache
def _server() -> subprocess.Popen:
    """One for this process; it ends with it."""
    server = subprocess.Popen(
        [sys.executable, '-m', 'tests.tool_server'],
        cwd=ROOT,
        env={
            **os.environ,
            'PYTHONPATH': str(ROOT),
            # CUDA that was looked for cannot be used in a fork.
            'PYTORCH_NVML_BASED_CUDA_CHECK': '1',
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(server.communicate)
    return server
