"""Runs a command as the terminal's foreground job, so that Ctrl+C reaches it alone.

``make`` is in the same process group as its recipe: on Ctrl+C it would die by the signal although the server stopped cleanly. Here the
command gets a process group of its own; signals sent to us are passed on, and its exit status is ours.

    python deploy/foreground.py COMMAND [ARGUMENT ...]
"""

import os
import signal
import sys


def main(command: list[str]) -> int:
    """Exit status of the command; 128 + signal number where a signal ended it. Raises OSError when it cannot be started."""
    terminal = _own_terminal()
    if terminal is None:
        os.execvp(command[0], command)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # else giving the terminal back stops us
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os.tcsetpgrp(terminal, os.getpid())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        os.execvp(command[0], command)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _frame: os.kill(child, received))
    _, status = os.waitpid(child, 0)
    os.tcsetpgrp(terminal, os.getpgrp())
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _own_terminal() -> int | None:
    """Descriptor of the terminal where we are its foreground job, else None: then there is nothing to hand over."""
    try:
        return 0 if os.tcgetpgrp(0) == os.getpgrp() else None
    except OSError:
        return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
