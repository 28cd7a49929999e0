"""The cable of a browser: what it and the server's media port say to each other runs through it, until it is pulled."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from playwright.async_api import BrowserContext

from api.demo_call.relay import Address, Direction, FlowRelay

_REDIRECT = """
(() => {
  const Native = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Native {
    async setRemoteDescription(description) {
      return super.setRemoteDescription({ type: description.type, sdp: await window.__throughTheCable(description.sdp) });
    }
  };
})();
"""


class _Wire(Direction):
    def __init__(self, cable: "Cable") -> None:
        super().__init__(None)
        self._cable = cable

    def carry(self, packet: bytes, deliver: Callable[[bytes], None]) -> None:
        if self._cable.plugged:
            super().carry(packet, deliver)


class Cable:
    """``plugged``: does anything get through?"""

    def __init__(self, context: BrowserContext, stack: AsyncExitStack) -> None:
        self.plugged = True
        self._context, self._stack = context, stack
        self._relays: dict[Address, FlowRelay] = {}

    async def pull(self) -> None:
        """No signalling, no media."""
        self.plugged = False
        await self._context.set_offline(True)

    async def plug(self) -> None:
        self.plugged = True
        await self._context.set_offline(False)

    async def through(self, sdp: str) -> str:
        """An answer with our door in place of the server's, and no way around it (RFC 8839, section 5.1: fields 3, 5 and 6)."""
        lines = []
        for line in sdp.splitlines():
            if line.startswith("a=candidate:"):
                fields = line.split(" ")
                if fields[2].lower() != "udp":
                    continue
                fields[4], port = (await self._relay((fields[4], int(fields[5])))).address
                fields[5] = str(port)
                line = " ".join(fields)
            lines.append(line)
        return "\r\n".join(lines) + "\r\n"

    async def _relay(self, target: Address) -> FlowRelay:
        if target not in self._relays:
            relay = FlowRelay(target)
            relay.inwards = relay.outwards = _Wire(self)
            self._relays[target] = await self._stack.enter_async_context(relay)
        return self._relays[target]


@asynccontextmanager
async def cable(context: BrowserContext) -> AsyncIterator[Cable]:
    """Of all pages that this browser opens from now on."""
    async with AsyncExitStack() as stack:
        its = Cable(context, stack)
        await context.expose_function("__throughTheCable", its.through)
        await context.add_init_script(_REDIRECT)
        yield its
