"""The program of a media worker in a process of its own: ``python -m api.media_process LEVEL FORMAT SUPPRESSOR``, started by the hub alone.

Standard input is its end of the control link. It ends when the hub closes the other end, and dies with the hub. Signals that reach the
hub's whole group or service (Ctrl+C, a stop by the init system) are the hub's affair: it says when calls are over.
"""

import ctypes
import signal
import socket
import sys

_PR_SET_PDEATHSIG = 1


def main(level: str, form: str, suppressor: str) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    # Not before the signals: this takes seconds.
    import uvloop

    from api import logs
    from api.garbage import collect_seldom
    from api.media_plane import suppressor_maker
    from media.rehearsal import load_kernels
    from media.worker_service import WorkerService

    logs.set_up(level, form)
    make_suppressor = suppressor_maker(suppressor)
    load_kernels(make_suppressor)  # a spare does it before it is needed

    async def serve() -> None:
        await WorkerService(socket.socket(fileno=0), make_suppressor, collect_seldom).run()

    uvloop.run(serve())


if __name__ == "__main__":
    main(*sys.argv[1:])
