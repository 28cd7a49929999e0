"""A person with a real Firefox: keys, a microphone that sounds 1,000 Hz, and a page that may write no error to its console.

It is spoken to by W3C's WebDriver BiDi; what that has no command for is asked in the page. The browser brings the protocol along, so
nothing else is installed.
"""

import asyncio
import itertools
import json
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

from api.demo_call.process import ChildProcess

MICROPHONE_HZ = 1_000.0
"""Of the tone that Firefox has in place of a microphone."""
WITHIN_S = 30.0
STARTS_WITHIN_S = 60.0
_PREFERENCES: dict[str, bool | int | str] = {
    "media.navigator.streams.fake": True,  # a tone in place of a microphone
    "media.navigator.audio.fake_frequency": round(MICROPHONE_HZ),
    "media.navigator.permission.disabled": True,  # nobody is asked
    "media.autoplay.default": 0,
    "media.peerconnection.ice.loopback": True,  # a server on this very machine
    "intl.locale.requested": "en-GB",
    "browser.shell.checkDefaultBrowser": False,
    "browser.safebrowsing.downloads.remote.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "app.normandy.enabled": False,
    "extensions.update.enabled": False,
    "services.settings.server": "",  # nothing is fetched from outside
    "media.gmp-manager.updateEnabled": False,
}
_UNTIL = """async (source, within_ms) => {
  const test = new Function(`return (${source})`);
  const end = Date.now() + within_ms;
  for (;;) {
    const found = await test();
    if (found) return JSON.stringify(found);
    if (Date.now() > end) return 'null';
    await new Promise((go) => setTimeout(go, 50));
  }
}"""


def program() -> str:
    """Debian's where it is installed, else the one that Playwright brought."""
    brought = sorted((Path.home() / ".cache" / "ms-playwright").glob("firefox-*/firefox/firefox"))
    return shutil.which("firefox-esr") or str(brought[-1] if brought else "/usr/bin/firefox-esr")


class Firefox:
    """``complaints``: what the page wrote to its console as errors, or threw."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self.complaints: list[str] = []
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._page = ""

    async def command(self, method: str, **parameters: Any) -> Any:
        """Raises RuntimeError with the browser's words."""
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        return await asyncio.wait_for(answer, STARTS_WITHIN_S)

    async def read_on(self) -> None:
        """Takes answers and what the console is told, until the connection closes."""
        async for message in self._socket:
            if message.type is not WSMsgType.TEXT:
                continue
            told = json.loads(message.data)
            if (answer := self._waiting.pop(told.get("id") or 0, None)) is not None:
                if told["type"] == "success":
                    answer.set_result(told["result"])
                else:
                    answer.set_exception(RuntimeError(f"{told['error']}: {told['message']}"))
            elif told.get("method") == "log.entryAdded" and told["params"]["level"] == "error":
                self.complaints.append(told["params"]["text"])

    async def begin(self) -> None:
        await self.command("session.new", capabilities={})
        await self.command("session.subscribe", events=["log.entryAdded"])
        contexts = (await self.command("browsingContext.getTree"))["contexts"]
        self._page = contexts[0]["context"]

    async def open(self, url: str) -> None:
        await self.command("browsingContext.navigate", context=self._page, url=url, wait="complete")

    async def reload(self) -> None:
        await self.command("browsingContext.reload", context=self._page, wait="complete")

    async def until(self, expression: str) -> Any:
        """What this expression of the page comes to, as soon as that is true. Raises AssertionError where it is not in time."""
        arguments = [{"type": "string", "value": expression}, {"type": "number", "value": 1_000 * WITHIN_S}]
        told = await self.command(
            "script.callFunction",
            functionDeclaration=_UNTIL,
            awaitPromise=True,
            target={"context": self._page},
            arguments=arguments,
            userActivation=True,
        )
        assert told["type"] == "success", told["exceptionDetails"]["text"]
        found = json.loads(told["result"]["value"])
        assert found is not None, f"the page never came to {expression}"
        return found

    async def there(self, selector: str) -> None:
        """Returns once something shown matches this."""
        await self.until(f"document.querySelector({json.dumps(selector)})?.checkVisibility()")

    async def press(self, selector: str) -> None:
        """A button, as who is read the page to does it: wherever it is moved in this moment."""
        await self.there(selector)
        await self.until(f"(document.querySelector({json.dumps(selector)}).click(), true)")

    async def fill(self, selector: str, text: str) -> None:
        """By keys."""
        await self.there(selector)
        found = f"document.querySelector({json.dumps(selector)})"
        await self.until(f"({found}.focus(), document.activeElement === {found})")
        keys = [{"type": kind, "value": letter} for letter in text for kind in ("keyDown", "keyUp")]
        await self.command("input.performActions", context=self._page, actions=[{"type": "key", "id": "keys", "actions": keys}])
        await self.until(f"{found}.value === {json.dumps(text)}")

    async def sign_in(self, url: str, user: str, password: str) -> None:
        await self.open(url)
        await self.fill("#user", user)
        await self.fill("#password", password)
        await self.press("[data-do=sign-in]")
        await self.there("[data-ready=true]")


@asynccontextmanager
async def firefox(folder: Path) -> AsyncIterator[Firefox]:
    """Its profile lies in ``folder``. Raises AssertionError on leaving where the page complained."""
    profile = folder / "firefox"
    profile.mkdir(parents=True)
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in _PREFERENCES.items()]
    (profile / "user.js").write_text("".join(lines))
    command = [program(), "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0", "about:blank"]
    environment = {"HOME": str(profile), "MOZ_CRASHREPORTER_DISABLE": "1", "DBUS_SESSION_BUS_ADDRESS": "", "DISPLAY": ""}
    process = ChildProcess("Firefox", command, log=folder / "firefox.log", directory=folder, environment=environment)
    async with process, ClientSession() as http:
        address = re.sub(r"/*$", "/session", (await process.said(r"WebDriver BiDi listening on (ws://\S+)", STARTS_WITHIN_S)).group(1))
        async with http.ws_connect(address, max_msg_size=0) as socket:
            someone = Firefox(socket)
            reading = asyncio.create_task(someone.read_on(), name="what Firefox says")
            try:
                await someone.begin()
                yield someone
                assert not someone.complaints, f"the page wrote errors to its console: {someone.complaints}"
                await someone.command("browser.close")
            finally:
                await socket.close()
                await reading
