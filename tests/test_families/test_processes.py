"""The time limit, and what a process leaves."""

import subprocess
import sys
import time

from tests.commands import ROOT

# In a process of its own: a fork of one that has used threads may hang.
SCRIPT = """
import json, os, subprocess, sys, time
from tests.families.processes import run_all

def function(task, save):
    save(dict(pid=os.getpid(), task=task))
    if task == 'hangs':
        child = subprocess.Popen(['sleep', '600'])
        save(dict(pid=os.getpid(), child=child.pid))
        time.sleep(600)
    if task == 'raises':
        raise ValueError('no')
    if task == 'dies':
        os.kill(os.getpid(), 9)

tasks = ['hangs', 'works', 'raises', 'dies', 'works too']
for task, record in run_all(function, tasks, jobs=2, timeout=3):
    print(json.dumps([task, record]), flush=True)
"""


def _is_running(pid: int) -> bool:
    state = subprocess.run(
        ['ps', '-o', 'stat=', '-p', str(pid)], capture_output=True, text=True
    ).stdout.strip()
    return bool(state) and not state.startswith('Z')


def test_a_hanging_family_is_killed_and_the_others_are_tried():
    import json

    output = subprocess.run(
        [sys.executable, '-c', SCRIPT],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    records = dict(map(json.loads, output.splitlines()))
    assert records.keys() == {'hangs', 'works', 'raises', 'dies', 'works too'}
    assert records['works']['ended'] == records['works too']['ended'] == ''
    assert records['works']['task'] == 'works'
    assert records['raises']['ended'].startswith('exit code 1')
    assert 'no' in records['raises']['ended']
    assert records['dies']['ended'].startswith('exit code -9')
    hung = records['hangs']
    assert hung['ended'] == 'timeout'
    assert 3 <= hung['total_seconds'] < 30
    time.sleep(0.1)
    assert not _is_running(hung['pid'])
    assert not _is_running(hung['child'])
