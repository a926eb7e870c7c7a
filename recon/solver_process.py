"""Runs jobs of `recon.solve_child` in processes of their own, so that a native crash is a message."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import recon
from recon.errors import CameraSolveError
from recon.events import Listener, StageProgress

COMMAND = (sys.executable, "-m", "recon.solve_child")
LOG_NAME = "log.txt"
STAGE = "cameras"
PROCESSES = min(4, os.cpu_count() or 1)
"""That work for a shot at the same time. Threads in one would do for matching, but then one run in fifty has
other matches in a pair or two when the machine is busy."""

Progress = Callable[[int, int | None, str], None]


_idle: dict[Path, list[subprocess.Popen[str]]] = {}
"""Children that wait for a job, by their log."""


@contextlib.contextmanager
def kept_running(work: Path) -> Generator[None]:
    """Within, a child that has done a job for the folder `work` is kept for the next one. To start one takes
    0.3 s, and a clip may take ten."""
    log = work / LOG_NAME
    _idle[log] = []
    try:
        yield
    finally:
        for child in _idle.pop(log):
            _stop(child)


def run_job(job: dict[str, Any], work: Path, on_progress: Progress) -> None:
    """Run a job to its end.

    Args:
        job: "kind" and what that kind needs (see `recon.solve_child`).
        work: Folder of the log; pycolmap's own words go into `log.txt` there.
        on_progress: Called with (done, total, note).

    Raises:
        CameraSolveError: The child failed or died; the message says how.
    """
    log = work / LOG_NAME
    try:
        child = _idle[log].pop()
    except (KeyError, IndexError):
        child = _start(log)
    done = False
    try:
        done, problem = _listen(child, job, on_progress)
        code = 0 if done else child.wait()
    finally:
        if done and log in _idle:
            _idle[log].append(child)
        else:
            _stop(child)  # also on Ctrl-C: nothing keeps computing in the background
    if code < 0:
        raise CameraSolveError(
            f"the camera solver stopped ({_signal_name(-code)}) while working on {job['kind']}; "
            f"its log is {log}; run the same command again, or use other frames (--fps, --start, --end)"
        )
    if not done:
        raise CameraSolveError(
            f"the camera solver gave up on {job['kind']}: {problem or f'exit code {code}'}; its log is {log}"
        )


def run_jobs(jobs: Sequence[dict[str, Any]], work: Path, on_progress: Progress) -> None:
    """Run jobs, PROCESSES at a time, each as `run_job` does; the first one tells of its progress."""
    told = [on_progress, *(len(jobs) - 1) * [lambda done, total, note: None]]
    with ThreadPoolExecutor(PROCESSES) as pool:
        runs = [pool.submit(run_job, job, work, tell) for job, tell in zip(jobs, told, strict=True)]
        for run in runs:
            run.result()


def progress(on_event: Listener) -> Progress:
    """What a job of the child tells, told to the stage's listener."""
    return lambda done, total, note: on_event(StageProgress(STAGE, done, total, note))


def _start(log: Path) -> subprocess.Popen[str]:
    # A run from a checkout finds `recon` as this process did, whatever the current folder is.
    root = str(Path(recon.__file__).parent.parent)
    paths = [root, os.environ.get("PYTHONPATH", "")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}
    pipe = subprocess.PIPE
    with log.open("a") as sink:
        return subprocess.Popen(COMMAND, stdin=pipe, stdout=pipe, stderr=sink, text=True, env=env)


def _stop(child: subprocess.Popen[str]) -> None:
    child.kill()
    child.wait()
    for stream in (child.stdin, child.stdout):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):
                stream.close()


def _listen(child: subprocess.Popen[str], job: dict[str, Any], on_progress: Progress) -> tuple[bool, str]:
    """Send the job, pass progress on; whether it was done, and the child's last error ("" for none)."""
    assert child.stdin is not None
    assert child.stdout is not None
    problem = ""
    try:
        child.stdin.write(json.dumps(job) + "\n")
        child.stdin.flush()  # and stays open: the child ends when it closes
    except BrokenPipeError:
        return False, problem
    for line in child.stdout:
        try:
            message = json.loads(line)
        except json.JSONDecodeError:
            continue
        if "finished" in message:
            return True, ""
        if "error" in message:
            problem = " ".join(str(message["error"]).split())
        else:
            on_progress(message["done"], message["total"], message["note"])
    return False, problem


def _signal_name(number: int) -> str:
    try:
        return f"signal {number}, {signal.Signals(number).name}"
    except ValueError:
        return f"signal {number}"
