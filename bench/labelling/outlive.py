"""A process that ends in order when its parent is killed.

In: nothing. Out: in the child a Stop that is set when the parent is gone, however it went, kill -9
included, or when Ctrl-C was pressed; the parent waits, and ends with the child's exit code. So whoever
kills `bench data label` kills the one that waits: the one that asks takes no new work, writes down what
is still to come, and ends.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from bench.errors import EXIT_INTERRUPTED


class Stop:
    """Whether no new work is to be begun."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def __bool__(self) -> bool:
        return self._event.is_set()

    def set(self) -> None:
        """Begin no new work from now on."""
        self._event.set()


def outlive_parent() -> Stop:
    """Returns in the child only; the parent ends the process with the child's exit code.

    Call it before threads are started. Where the system cannot fork, this process goes on by itself.
    """
    if not hasattr(os, "fork"):
        return Stop()
    read_end, write_end = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        os.close(read_end)
        sys.exit(_exit_code(child, write_end))
    os.close(write_end)
    os.setsid()  # Ctrl-C and the end of a terminal reach the parent alone
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stop = Stop()
    threading.Thread(target=_watch, args=(read_end, stop), daemon=True, name="parent").start()
    return stop


def _watch(read_end: int, stop: Stop) -> None:
    os.read(read_end, 1)  # nobody writes: it returns when the parent's end is closed
    stop.set()


def _exit_code(child: int, write_end: int) -> int:
    interrupted = False
    while True:
        try:
            _, status = os.waitpid(child, 0)
        except KeyboardInterrupt:
            if interrupted:
                return EXIT_INTERRUPTED
            interrupted = True
            os.close(write_end)
            sys.stderr.write("waiting for the answers under way; Ctrl-C again leaves them to end alone\n")
            continue
        if interrupted:
            return EXIT_INTERRUPTED
        return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)
