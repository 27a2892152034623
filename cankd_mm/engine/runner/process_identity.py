"""Identifies a process beyond its number, which systems use again."""

import os
import socket
from pathlib import Path


def visible_processes() -> str | None:
    """Identify the set of processes that this one can look up.

    Two processes with the same answer see each other under the numbers they
    have themselves. A host's name is not enough: containers share it without
    sharing process numbers, and after a restart every number is new.

    Returns:
        Host, start of the system and process namespace; None where the
        system does not report them (anything but Linux).
    """
    try:
        boot = Path('/proc/sys/kernel/random/boot_id').read_text().strip()
        namespace = os.readlink('/proc/self/ns/pid')
    except OSError:
        return None
    return f'{socket.gethostname()} {boot} {namespace}'


def process_start(pid: int) -> int | None:
    """Return when a process started, in clock ticks since the system did.

    Args:
        pid: Number of the process.

    Returns:
        None for a process that has ended, whether or not its parent has
        collected it.
    """
    try:
        stat = Path(f'/proc/{pid}/stat').read_text()
    except OSError:
        return None
    # The name, in parentheses, may hold anything, parentheses too.
    fields = stat.rpartition(')')[2].split()
    state, start = fields[0], int(fields[19])
    return None if state in 'ZX' else start
