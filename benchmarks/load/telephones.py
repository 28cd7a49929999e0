"""The open pages of many agents, in one process: ``python -m benchmarks.load.telephones URL``. Each accepts whatever rings there, at once.

It is given one session token per line, then an empty line; it says ``ready`` once all are signed in, and on SIGTERM one line of JSON:
``accepted``, and ``refused``, by the codes of the errors. They have no media: who accepts has as long as ``agent_media_s`` for that.
A page's Socket.IO is written out here, because what is measured is the server, and a library's client costs several times as much.
"""

import asyncio
import json
import signal
import sys
from collections import Counter
from collections.abc import Sequence

import aiohttp
import msgspec
import uvloop

_AT_ONCE = 20
_NOTICE = '42["notice",'


class _Notice(msgspec.Struct):
    type: str
    call_id: str = ""
    state: str = ""


_NOTICES = msgspec.json.Decoder(tuple[str, _Notice])


class _Telephone:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._rang = ""
        self.accepted = 0
        self.refused: Counter[str] = Counter()

    @classmethod
    async def signed_in(cls, http: aiohttp.ClientSession, url: str, token: str) -> "_Telephone":
        socket = await http.ws_connect(f"{url}/socket.io/?EIO=4&transport=websocket")
        await socket.receive_str()
        await socket.send_str("40" + json.dumps({"token": token}))
        answer = await socket.receive_str()
        if not answer.startswith("40"):
            raise SystemExit(f"the server lets nobody in: {answer}")
        while '"session.snapshot"' not in await socket.receive_str():  # what rings before it would be told in it
            pass
        return cls(socket)

    async def work(self) -> None:
        async for message in self._socket:
            said = message.data
            if said == "2":
                await self._socket.send_str("3")
            elif said.startswith(_NOTICE):
                await self._hear(_NOTICES.decode(said[2:])[1])
            elif said.startswith("43"):
                answer = json.loads(said[said.index("[") :])[0]
                if "error" in answer:
                    self.refused[answer["error"]["code"]] += 1
                else:
                    self.accepted += 1

    async def _hear(self, notice: _Notice) -> None:
        if notice.type == "call.state" and notice.state == "ringing" and notice.call_id != self._rang:
            self._rang = notice.call_id
            await self._socket.send_str('421["call.accept",' + json.dumps({"call_id": notice.call_id}) + "]")


async def _serve(url: str, tokens: Sequence[str]) -> None:
    done = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, done.set)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        telephones: list[_Telephone] = []
        for begin in range(0, len(tokens), _AT_ONCE):
            some = tokens[begin : begin + _AT_ONCE]
            telephones += await asyncio.gather(*(_Telephone.signed_in(http, url, token) for token in some))
        work = [asyncio.create_task(telephone.work()) for telephone in telephones]
        print("ready", flush=True)
        await done.wait()
        refused = sum((telephone.refused for telephone in telephones), Counter[str]())
        print(json.dumps({"accepted": sum(telephone.accepted for telephone in telephones), "refused": refused}), flush=True)
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1], list(iter(lambda: sys.stdin.readline().strip(), ""))))
