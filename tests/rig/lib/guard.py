"""Keeps one Asterisk: starts it, starts it again when told, and ends it with the process it works for.

The guard is the only parent of its Asterisk. When the guard dies, the kernel kills Asterisk; when the process it
watches dies, the guard ends Asterisk and itself. So no test run leaves a telephone exchange behind.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

PR_SET_PDEATHSIG = 1
SOFT, HARD = signal.SIGHUP, signal.SIGUSR1
_libc = ctypes.CDLL(None)


def die_with_parent():
    """For `preexec_fn`: the child is killed when its parent dies, however that dies."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def state(pid):
    """The process's state letter, None when it is gone. A killed process may stay as a zombie for long."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return None


def alive(pid):
    return state(pid) not in (None, "Z", "X")


def end(pid, first=signal.SIGTERM, reap=lambda: None):
    """Ends a process: first gently, after 5 s for good. Returns when it is gone."""
    for signum in (first, signal.SIGKILL):
        try:
            os.kill(pid, signum)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            reap()
            if not alive(pid):
                return
            time.sleep(0.02)


class Told(Exception):
    """A signal came."""


class _Guard:
    def __init__(self, folder, command, watched):
        self.folder, self.command, self.watched = folder, command, watched

    def run(self):
        for signum in (signal.SIGTERM, SOFT, HARD):
            signal.signal(signum, self._told)
        self._start()
        watching = select.poll()
        if self.watched:
            watching.register(os.pidfd_open(self.watched), select.POLLIN)
        while True:
            own = os.pidfd_open(self.asterisk.pid)
            watching.register(own, select.POLLIN)
            try:
                watching.poll()
                break  # The watched process is gone, or Asterisk ended by itself.
            except Told as told:
                signum = told.args[0]
            watching.unregister(own)
            os.close(own)
            if signum == signal.SIGTERM:
                break
            end(self.asterisk.pid, signal.SIGTERM if signum == SOFT else signal.SIGKILL, self.asterisk.poll)
            self._start()
        end(self.asterisk.pid, signal.SIGTERM, self.asterisk.poll)

    def _told(self, signum, _frame):
        raise Told(signum)

    def _start(self):
        with open(self.folder / "log/stdout", "ab") as out:
            self.asterisk = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                             cwd=self.folder, preexec_fn=die_with_parent)
        new = self.folder / "asterisk.pid.new"
        new.write_text(str(self.asterisk.pid))
        new.rename(self.folder / "asterisk.pid")


def launch(folder, command, watched):
    """Starts a guard in the background and returns its pid. `watched` 0: it works for nobody and stays."""
    (folder / "asterisk.pid").unlink(missing_ok=True)
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        log = os.open(folder / "log/guard", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        for own, other in ((0, nothing), (1, log), (2, log)):
            os.dup2(other, own)
        os.closerange(3, 256)
        _Guard(folder, command, watched).run()
        os._exit(0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)
