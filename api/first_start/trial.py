"""Does a PBX take this registration? It is tried for real, for some seconds, and told in words."""

import asyncio

from pbx.sip_settings import SipTrunkSettings
from pbx.sip_trunk import SipTrunk
from pbx.trunk import StatusChanged, TrunkEvent, TrunkStatus

WITHIN_S = 15.0


async def registers(settings: SipTrunkSettings, within_s: float = WITHIN_S) -> TrunkStatus:
    """How the line stood when it was ready, when nothing more is tried, or when the time was over."""
    settled = asyncio.Event()

    def hear(event: TrunkEvent) -> None:
        if isinstance(event, StatusChanged) and (event.status.ready or event.status.stuck):
            settled.set()

    async with SipTrunk(settings, hear) as trunk:
        try:
            async with asyncio.timeout(within_s):
                while not (trunk.status.ready or trunk.status.stuck):
                    settled.clear()
                    await settled.wait()
        except TimeoutError:
            pass
        return trunk.status
