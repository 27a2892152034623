"""Runs a tool several times at once: separately, or as one distributed run.

    python tests/forked_together.py single|ranks COUNT OUTPUT TOOL ARGUMENTS...

The processes are forked from this one, which the tool server forks in turn
(``tests.forked_tools``), so that they have the libraries already. What number
N prints goes to ``OUTPUT.N``; the last line is a list of exit codes.
"""

import os
import random
import runpy
import signal
import socket
import sys
import traceback

import numpy as np

# Far above what these runs need. Ranks that do not agree wait for each other.
TIMEOUT = 240


def start(number: int, output: str, tool: str, arguments: list[str]) -> int:
    """Forks a process that runs a tool; returns its id."""
    pid = os.fork()
    if pid:
        return pid
    signal.alarm(TIMEOUT)
    file = os.open(f'{output}.{number}', os.O_WRONLY | os.O_CREAT)
    for copy in (1, 2):
        os.dup2(file, copy)
    os.environ.update(RANK=str(number), LOCAL_RANK=str(number))
    sys.argv = [tool, *arguments]
    random.seed()
    np.random.seed()
    code = 0
    try:
        runpy.run_path(tool, run_name='__main__')
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main() -> None:
    """Starts all of them and waits for them."""
    mode, count, output, tool, *arguments = sys.argv[1:]
    if mode == 'ranks':
        with socket.socket() as probe:
            probe.bind(('127.0.0.1', 0))
            port = probe.getsockname()[1]
        os.environ.update(
            WORLD_SIZE=count, MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port)
        )
        arguments += ['--launcher', 'pytorch']
    pids = [
        start(number, output, tool, arguments) for number in range(int(count))
    ]
    codes = {}
    while len(codes) < len(pids):
        pid, status = os.wait()
        codes[pid] = os.waitstatus_to_exitcode(status)
        if mode == 'ranks' and codes[pid]:
            # As torchrun does.
            for other in set(pids) - set(codes):
                os.kill(other, signal.SIGTERM)
    print([codes[pid] for pid in pids])


if __name__ == '__main__':
    main()
