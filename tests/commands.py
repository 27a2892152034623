"""Runs the command lines as a user does: in processes of their own."""

import os
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def run(*command, timeout: float = 600, **environment) -> str:
    """Runs a command in the repository root and returns what it printed.

    Raises:
        AssertionError: The command failed; the message is its output.
    """
    code, output = run_unchecked(*command, timeout=timeout, **environment)
    assert code == 0, output[-6000:]
    return output


def run_unchecked(
    *command, timeout: float = 600, **environment
) -> tuple[int, str]:
    """Runs a command and returns its exit code and what it printed."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env={
            **os.environ,
            'PYTHONPATH': str(ROOT),
            'PYTHON': sys.executable,
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    return done.returncode, done.stdout


def run_tool(name: str, *arguments, **environment) -> str:
    """Runs ``tools/<name>`` with the Python that runs the tests."""
    return run(sys.executable, f'tools/{name}', *arguments, **environment)


def launch(script: str, *arguments, **environment) -> str:
    """Runs a launch script of ``tools/`` on CPUs, at a port that is free."""
    code, output = launch_unchecked(script, *arguments, **environment)
    assert code == 0, output[-6000:]
    return output


def launch_unchecked(
    script: str, *arguments, **environment
) -> tuple[int, str]:
    """Runs a launch script and returns its exit code and what it printed."""
    return run_unchecked(
        *('bash', f'tools/{script}', *arguments),
        PORT=_free_port(),
        CUDA_VISIBLE_DEVICES='',
        **environment,
    )


def launch_environment(processes: int) -> list[dict[str, str]]:
    """The environments of processes that form a group, as torchrun sets."""
    port = _free_port()
    return [
        {
            **os.environ,
            'PYTHONPATH': str(ROOT),
            'CUDA_VISIBLE_DEVICES': '',
            'MASTER_ADDR': '127.0.0.1',
            'MASTER_PORT': port,
            'WORLD_SIZE': str(processes),
            'RANK': str(rank),
            'LOCAL_RANK': str(rank),
        }
        for rank in range(processes)
    ]


def _free_port() -> str:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return str(probe.getsockname()[1])
