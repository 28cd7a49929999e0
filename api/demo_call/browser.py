"""The agent of the demo call: a person with a real browser, whose microphone is a file and whose ears are a recorder.

The page is the real one. From outside come only the microphone's file, a recorder on what the page plays, and, where the hop to the
browser is to be impaired, the relay's address in place of the server's in the answer.
"""

import base64
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from playwright.async_api import BrowserContext, ConsoleMessage, Error, Page, async_playwright

from api.demo_call.process import PeerFailure
from api.demo_call.speech import PLAYED_HZ, Samples

Redirect = Callable[[str, int], Awaitable[tuple[str, int]]]
"""The server's media address to the address the browser is to use instead."""
_WAIT_MS = 30_000
_FLAGS = (
    "--use-fake-device-for-media-stream=fps=10",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
)

# Runs in the page before its own scripts. Every remote audio track is recorded from its first sample: an AudioWorklet copies what the
# page plays. Chromium lets a remote stream flow into Web Audio only while a media element plays it, hence the muted one.
_EARS = """
(() => {
  const ears = (window.__ears = []);
  let context = null;
  async function record(track) {
    context ??= new AudioContext({ sampleRate: %(rate)d });
    await context.audioWorklet.addModule(URL.createObjectURL(new Blob([%(recorder)s], { type: 'text/javascript' })));
    const stream = new MediaStream([track]);
    const element = new Audio();
    element.muted = true;
    element.srcObject = stream;
    element.play();
    const recorder = new AudioWorkletNode(context, 'recorder', { numberOfOutputs: 0, channelCount: 1, channelCountMode: 'explicit' });
    const ear = { chunks: [], element, recorder };
    recorder.port.onmessage = (event) => ear.chunks.push(event.data);
    context.createMediaStreamSource(stream).connect(recorder);
    ears.push(ear);
  }
  const quality = (window.__quality = new Map());
  setInterval(() => {
    for (const notice of Object.values(window.centralita?.state.quality ?? {})) quality.set(notice.at, notice.legs);
  }, 250);
  const Native = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Native {
    constructor(...parameters) {
      super(...parameters);
      this.addEventListener('track', (event) => event.track.kind === 'audio' && record(event.track));
    }
    async setRemoteDescription(description) {
      const sdp = window.__redirect ? await window.__redirect(description.sdp) : description.sdp;
      return super.setRemoteDescription({ type: description.type, sdp });
    }
  };
})();
"""

_RECORDER = """
registerProcessor('recorder', class extends AudioWorkletProcessor {
  constructor() { super(); this.block = new Float32Array(4800); this.filled = 0; }
  process([[samples]]) {
    if (!samples) return true;
    for (const sample of samples) {
      this.block[this.filled++] = sample;
      if (this.filled === this.block.length) { this.port.postMessage(this.block.slice()); this.filled = 0; }
    }
    return true;
  }
});
"""

# One recording per track; that of the track which spoke loudest is what the agent heard, the others are of calls gone by.
_TAKE_HEARD = """
() => {
  const power = (all) => all.reduce((sum, sample) => sum + sample * sample, 0);
  let loudest = new Float32Array(0);
  for (const ear of window.__ears) {
    const chunks = ear.chunks.splice(0);
    const all = new Float32Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
    let at = 0;
    for (const chunk of chunks) { all.set(chunk, at); at += chunk.length; }
    if (power(all) >= power(loudest)) loudest = all;
  }
  const bytes = new Uint8Array(loudest.buffer);
  let text = '';
  for (let from = 0; from < bytes.length; from += 32768) text += String.fromCharCode(...bytes.subarray(from, from + 32768));
  return btoa(text);
}
"""

_TAKE_QUALITY = """
() => {
  const taken = JSON.stringify([...window.__quality.values()].flat());
  window.__quality.clear();
  return JSON.parse(taken);
}
"""

_COUNTERS = """
async () => {
  const total = { packetsReceived: 0, packetsLost: 0, concealedSamples: 0, totalSamplesReceived: 0 };
  for (const peer of Object.values(window.centralita.peers)) {
    for (const entry of (await peer.pc.getStats()).values()) {
      if (entry.type === 'inbound-rtp' && entry.kind === 'audio') for (const name in total) total[name] += entry[name] ?? 0;
    }
  }
  return total;
}
"""


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """``speech``: a 48 kHz mono WAV. ``codec``: the one the browser offers, or None for all. ``redirect``: the relay on its hop."""

    url: str
    user: str
    password: str
    speech: Path
    codec: str | None = None
    redirect: Redirect | None = None


class Agent:
    """A signed-in agent. Every console error of the page is kept in ``complaints``."""

    def __init__(self, page: Page, settings: AgentSettings) -> None:
        self.page = page
        self.complaints: list[str] = []
        self._settings = settings
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    async def sign_in(self) -> None:
        codec = f"&codec={self._settings.codec}" if self._settings.codec else ""
        await self.page.goto(f"{self._settings.url}/?processing=off{codec}")
        await self.page.fill("#user", self._settings.user)
        await self.page.fill("#password", self._settings.password)
        await self.page.click("[data-do=sign-in]")
        await self.page.wait_for_selector("[data-ready=true]", timeout=_WAIT_MS)

    async def dial(self, number: str) -> None:
        await self.page.fill("#number", number)
        await self.page.click("[data-do=dial]")

    async def accept(self) -> None:
        await self.page.click("[data-do=accept]", timeout=_WAIT_MS)

    async def hang_up(self) -> None:
        await self.page.click("[data-do=hang-up]", timeout=_WAIT_MS)

    async def call_is(self, state: str) -> str:
        """Waits for a call in this state; its id. Raises PeerFailure quoting what the page shows."""
        try:
            card = await self.page.wait_for_selector(f"[data-call-id][data-state={state}]", timeout=_WAIT_MS)
        except Error:
            shown = (await self.page.inner_text("#main"))[:600].replace("\n", " | ")
            raise PeerFailure(f"the page shows no call that is {state}; it shows: {shown}") from None
        return str(await card.get_attribute("data-call-id")) if card is not None else ""

    async def no_call(self) -> None:
        """Waits until no call is left that is not ended."""
        await self.page.wait_for_function("() => window.centralita.state.calls.every((call) => call.state === 'ended')", timeout=_WAIT_MS)

    async def reload(self) -> None:
        await self.page.reload()

    async def marks(self) -> dict[str, float]:
        """Milliseconds of the latest of each performance mark since the last :meth:`forget_marks`."""
        found: dict[str, float] = await self.page.evaluate(
            "() => Object.fromEntries(performance.getEntriesByType('mark').map((mark) => [mark.name, mark.startTime]))"
        )
        return found

    async def forget_marks(self) -> None:
        await self.page.evaluate("() => performance.clearMarks()")

    async def mark(self, name: str) -> float:
        """Waits for a performance mark; its milliseconds."""
        await self.page.wait_for_function("(name) => performance.getEntriesByName(name).length", arg=name, timeout=_WAIT_MS)
        return (await self.marks())[name]

    async def clock_of(self, mark_ms: float) -> float:
        """A mark's time in ms since the epoch."""
        origin: float = await self.page.evaluate("() => performance.timeOrigin")
        return origin + mark_ms

    async def heard(self) -> Samples:
        """What the agent heard since the last call of this, float32 at 48 kHz."""
        data = base64.b64decode(await self.page.evaluate(_TAKE_HEARD))
        return np.frombuffer(data, np.float32)

    async def counters(self) -> dict[str, float]:
        """What the browser counted of what it received, W3C webrtc-stats names, summed over its connections."""
        found: dict[str, float] = await self.page.evaluate(_COUNTERS)
        return found

    async def take_quality(self) -> list[dict[str, Any]]:
        """The server's samples of each leg (``side``, ``loss``, ``concealed_ms``, ``mos``, ...) since the last call of this."""
        found: list[dict[str, Any]] = await self.page.evaluate(_TAKE_QUALITY)
        return found


def chromium_path() -> str | None:
    """Debian's Chromium where it is installed, else None: then Playwright's own build is taken."""
    return next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)


@asynccontextmanager
async def browser_context(speech: Path, **options: Any) -> AsyncIterator[BrowserContext]:
    """One browser with one microphone: the file (absolute path) is given at launch, so each persona needs a browser of its own."""
    flags = [*_FLAGS, f"--use-file-for-fake-audio-capture={speech}"]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path(), args=flags)
        try:
            context = await browser.new_context(**{"permissions": ["microphone"], "locale": "en-GB", **options})
            yield context
            await context.close()
        finally:
            await browser.close()


@asynccontextmanager
async def agent(settings: AgentSettings) -> AsyncIterator[Agent]:
    """A browser with the agent signed in on the real page."""
    async with browser_context(settings.speech, bypass_csp=True) as context:  # the recorder's module is not of the page's origin
        await context.add_init_script(_EARS % {"rate": PLAYED_HZ, "recorder": json.dumps(_RECORDER)})
        if settings.redirect is not None:
            await context.expose_function("__redirect", _redirecting(settings.redirect))
        person = Agent(await context.new_page(), settings)
        await person.sign_in()
        yield person


def _redirecting(redirect: Redirect) -> Callable[[str], Awaitable[str]]:
    async def rewrite(sdp: str) -> str:
        """The answer with the relay's address in each candidate (RFC 8839, section 5.1: fields 5 and 6 of the line)."""
        lines = []
        for line in sdp.splitlines():
            if line.startswith("a=candidate:"):
                fields = line.split(" ")
                fields[4], port = await _moved(redirect, fields[4], int(fields[5]))
                fields[5] = str(port)
                line = " ".join(fields)
            lines.append(line)
        return "\r\n".join(lines) + "\r\n"

    return rewrite


async def _moved(redirect: Redirect, host: str, port: int) -> tuple[str, int]:
    return await redirect(host, port)
