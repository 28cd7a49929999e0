"""An agent who uses Firefox: signs in, takes a call from a real telephone, is heard and hears, reloads the page in mid-call, hangs up.

Who hears whom is told by tones at the telephone's ear, and by what Firefox itself counts of what it plays.
"""

import asyncio
from pathlib import Path

from api.demo_call.kamailio import DOMAIN, kamailio
from media.icelite import local_addresses
from tests.kit.caller import caller
from tests.kit.firefox import MICROPHONE_HZ, firefox
from tests.kit.server import running_server

CUSTOMER, CUSTOMER_HZ, PASSWORD = "+34600111222", 440.0, "a password for tests"
HEARD = """(async () => {
  const peer = Object.values(window.centralita?.peers ?? {})[0];
  const counted = peer && [...(await peer.pc.getStats()).values()];
  const came = counted?.find((entry) => entry.type === 'inbound-rtp' && entry.kind === 'audio');
  const went = counted?.find((entry) => entry.type === 'outbound-rtp' && entry.kind === 'audio');
  return came?.totalAudioEnergy > 0.01 && came.packetsReceived > 50 && went?.packetsSent > 50 && { peer: peer.id, came, went };
})()"""
"""The telephone's tone is as loud as -12 dBFS: half a second of it, and no comfort noise in hours, comes to so much (W3C webrtc-stats)."""


async def test_an_agent_with_firefox_talks_with_a_telephone_and_goes_on_after_a_reload(tmp_path: Path) -> None:
    async with (
        kamailio(tmp_path / "kamailio", {"ours": "pwours", CUSTOMER: PASSWORD}) as pbx,
        running_server(
            tmp_path / "server",
            {
                "sip": {
                    **{"enabled": True, "server": pbx.host, "port": pbx.port, "domain": DOMAIN, "listen_host": "127.0.0.1"},
                    **{"extension": "1001", "auth_id": "ours", "password": "pwours"},
                },
                "media": {"hosts": list(local_addresses()[:1])},
                "media.voice": {"noise": "off", "echo": "off", "gain": "off"},  # a steady tone is noise
            },
        ) as server,
        firefox(tmp_path) as agent,
        caller((pbx.host, pbx.port), CUSTOMER, CUSTOMER_HZ, domain=DOMAIN, password=PASSWORD) as customer,
    ):
        await server.line_is_up("pbx")
        await agent.sign_in(f"{server.url}/?processing=off", server.user, server.password)
        calling = asyncio.create_task(customer.calls("1001", "Clara"))
        await agent.press("[data-do=accept]")
        await calling
        await customer.hears(MICROPHONE_HZ)
        first = await agent.until(HEARD)
        await agent.reload()
        again = await agent.until(HEARD)
        assert again["peer"] != first["peer"], "another connection of the same call"
        await customer.hears(MICROPHONE_HZ)
        assert not customer.was_hung_up_on
        await agent.press("[data-do=hang-up]")
        await customer.is_hung_up_on()
        await agent.there("[data-call-id][data-state=ended]")
