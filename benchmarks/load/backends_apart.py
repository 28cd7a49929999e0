"""Backends as they are elsewhere: a process that speaks HTTP, and answers in 100 ms, never, with 500, or with 10 MB.

``python -m benchmarks.load.backends_apart``: the first line that it prints is its port; it lives as long as its standard input.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

ANSWER_S = 0.1
_HUGE = b'{"people":[' + b'{"id":"1","name":"x","numbers":[]},' * 300_000 + b"]}"


async def _quick(request: web.Request) -> web.Response:
    """Whoever asks is known, with a trip and a ticket."""
    await asyncio.sleep(ANSWER_S)
    number = request.query.get("number", "")
    person = {"id": number[-9:], "name": f"Customer {number[-4:]}", "numbers": [number]}
    trips = [{"ref": f"R-{number[-6:]}", "title": "Lisbon and the Algarve", "due": "1249.50"}]
    tickets = [{"id": f"T-{number[-6:]}", "title": "Luggage did not arrive"}]
    return web.json_response({"people": [person], "trips": trips, "tickets": tickets})


async def _hangs(request: web.Request) -> web.Response:
    await asyncio.sleep(3_600)
    return web.Response()


async def _fails(request: web.Request) -> web.Response:
    return web.Response(status=500, text="<html>Internal Server Error</html>")


async def _huge(request: web.Request) -> web.StreamResponse:
    """Without saying how long it is."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    try:
        for at in range(0, len(_HUGE), 65_536):
            await response.write(_HUGE[at : at + 65_536])
    except ConnectionError:
        return response
    await response.write_eof()
    return response


async def _serve() -> None:
    app = web.Application()
    for name, answer in {"quick": _quick, "hangs": _hangs, "fails": _fails, "huge": _huge}.items():
        app.router.add_get(f"/{name}/lookup", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


@asynccontextmanager
async def backends_apart() -> AsyncIterator[str]:
    """Their address, as ``http://127.0.0.1:PORT``."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.load.backends_apart", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(await process.stdout.readline())}"
    finally:
        process.stdin.close()
        await process.wait()


if __name__ == "__main__":
    asyncio.run(_serve())
