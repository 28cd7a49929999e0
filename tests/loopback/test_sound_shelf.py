"""The sounds that callers hear, over HTTP: recorded, heard, spoken, protected while in use; and a recording is heard in the next call."""

import base64
import io
import shutil
import wave
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import ClientSession, web

from api.audit.audit import Audit
from api.centre.plan_reading import PlanReader
from api.centre.prompts import prompts_of
from api.centre.sound_routes import SoundRoutes
from api.centre.sound_shelf import SoundShelf
from api.metrics import Metrics
from api.rest_limits import RestLimits, RestLimitSettings
from api.routes import PartHealth, make_app, make_runner
from api.settings.prompts import PromptsSection
from api.store import Store
from api.store.audit import AuditWanted
from media.messages import PrepareSounds
from media.prompt_settings import PromptSettings
from media.settings import RATE_HZ
from media.sound_library import SoundLibrary
from rooms.centre_plan import CentrePlan
from signaling.tokens import TokenIssuer
from tests.kit.people import AUDIT_KEYS, known_by
from tests.kit.vaults import VAULT

TOKENS = TokenIssuer("a secret for tests, long enough: 0123456789")
FLOW = """languages = ["en"]
start = "hello"

[steps.hello]
kind = "say"
say = "our-news"
next = "wait"

[steps.wait]
kind = "queue"
queue = "sales"
"""
PLAN = {"queues": '[sales]\nmusic = "waltz"\n', "flows/main": FLOW}


def tone(frequency_hz: float, *, seconds: float = 1.0, amplitude: float = 0.3, rate_hz: int = 8_000) -> bytes:
    """A WAV file, 8 kHz as telephones record it."""
    samples = amplitude * np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * rate_hz)) / rate_hz)
    data = io.BytesIO()
    with wave.open(data, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate_hz)
        sound.writeframes(np.rint(samples * 32_767).astype("<i2").tobytes())
    return data.getvalue()


def loudest_hz(data: bytes) -> float:
    with wave.open(io.BytesIO(data)) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (RATE_HZ, 1, 2)
        samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2")
    return float(np.argmax(np.abs(np.fft.rfft(samples)))) * RATE_HZ / len(samples)


class Site:
    """``folder`` of recordings; ``plan`` in force; ``library``: what callers hear."""

    def __init__(self, http: ClientSession, folder: Path, library: SoundLibrary, log: Audit) -> None:
        self._http, self.folder, self.library, self.log = http, folder, library, log

    async def ask(self, method: str, path: str = "", body: Any = None, *, role: str = "admin") -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {TOKENS.issue(role, role.title(), role).token}"}
        async with self._http.request(method, f"/api/v1/centre/sounds{path}", json=body, headers=headers) as answer:
            kind = answer.content_type
            return answer.status, await answer.json() if "json" in kind else await answer.read()

    async def put(self, path: str, data: bytes) -> tuple[int, Any]:
        return await self.ask("PUT", path, {"sound": base64.b64encode(data).decode()})

    async def row(self, name: str) -> dict[str, Any]:
        return next(row for row in (await self.ask("GET"))[1]["sounds"] if row["name"] == name)  # type: ignore[no-any-return]

    async def heard_hz(self, sound: str) -> float:
        frames = (await self.library.once(sound, lambda: None)).frame
        samples = np.concatenate([frames() for _ in range(25)])
        return float(np.argmax(np.abs(np.fft.rfft(samples)))) * RATE_HZ / len(samples)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async def healthy() -> Mapping[str, PartHealth]:
        return {}

    folder, section, made = tmp_path / "sounds", PromptsSection(speech=False), list[CentrePlan]()
    async with (
        Metrics() as metrics,
        Store.open(f"sqlite:///{tmp_path}/plan.sqlite3", vault=VAULT) as store,
        Audit(store.audit, AUDIT_KEYS) as log,
        SoundLibrary(PromptSettings(folder=folder, speech=False, within_s=30.0)) as library,
    ):

        async def renew(sound: str) -> None:
            library.prepare(PrepareSounds(renewed=(sound,)))

        shelf = SoundShelf(section, folder, None, lambda: made[0] if made else None, fixed={"prompt/es/recording-notice": "recording"})
        app = make_app(known_by(TOKENS), metrics, healthy, limits=RestLimits(RestLimitSettings(person={}), lambda: 0.0))
        SoundRoutes(shelf, log, renew).add_to(app)
        runner = make_runner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            async with ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as http:
                here = Site(http, folder, library, log)
                assert (await here.put("/en/our-news", tone(500)))[0] == 200
                reader = PlanReader(region="ES", prompts=lambda: {**prompts_of(PromptsSection()), **prompts_of(section, folder)})
                made.append(reader.read(PLAN, 1))
                yield here
        finally:
            await runner.cleanup()


async def test_a_sentence_is_recorded_heard_by_callers_and_recorded_anew(site: Site) -> None:
    sound = "prompt/en/our-news"
    assert await site.heard_hz(sound) == pytest.approx(500, abs=3)
    status, kept = await site.put("/en/our-news", tone(900, seconds=2.0))
    assert (status, kept["seconds"], kept["clipped"]) == (200, pytest.approx(2.0, abs=0.05), False)
    assert kept["level_dbfs"] == pytest.approx(-13.5, abs=1.0)
    assert await site.heard_hz(sound) == pytest.approx(900, abs=3), "who asks for it next hears what was recorded last"
    status, played = await site.ask("GET", "/en/our-news")
    assert status == 200 and loudest_hz(played) == pytest.approx(900, abs=3)
    row = await site.row("our-news")
    assert row["used_by"] == [{"kind": "flow", "name": "main"}] and not row["own"]
    assert (row["languages"]["en"]["source"], row["languages"]["es"]["source"]) == ("recorded", "missing")
    assert (await site.ask("GET", role="supervisor"))[0] == 403
    await site.log.written()
    noted = {(entry.event.kind, entry.event.who, entry.event.what) for entry in await site.log.entries(AuditWanted(), 9)}
    assert noted == {("sound_recorded", "admin", "en/our-news")}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"no sound at all", "no sound file"),
        (tone(500, amplitude=0.001), "nobody is heard"),
        (tone(500, seconds=101, rate_hz=2_000), "longer than 100 s"),
    ],
    ids=["text", "silence", "long"],
)
async def test_what_callers_could_not_hear_is_refused_and_what_was_there_stays(site: Site, data: bytes, why: str) -> None:
    status, problem = await site.put("/en/our-news", data)
    assert (status, problem["error"]["code"]) == (422, "bad_sound") and why in problem["error"]["message"]
    assert await site.heard_hz("prompt/en/our-news") == pytest.approx(500, abs=3)


async def test_what_is_in_use_stays_and_what_is_not_goes(site: Site) -> None:
    status, problem = await site.ask("DELETE", "/en/our-news")
    assert (status, problem["error"]["code"]) == (409, "sound_used") and "flow main" in problem["error"]["message"]
    assert (await site.put("/music/waltz", tone(300)))[0] == 200
    assert (await site.row("waltz"))["used_by"] == [{"kind": "queue", "name": "sales"}]
    assert (await site.ask("DELETE", "/music/waltz"))[0] == 409
    assert (await site.put("/es/our-news-2", tone(300)))[0] == 200
    assert (await site.ask("DELETE", "/es/our-news-2"))[0] == 204
    assert (await site.ask("DELETE", "/es/our-news-2"))[0] == 404
    assert (await site.row("recording-notice"))["used_by"] == [{"kind": "setting", "name": "recording"}]
    for path in ("/es/..%2Fsecrets", "/xx/our-news", "/es/Big", "/music/a.wav"):
        assert (await site.ask("DELETE", path))[0] == 404


def test_what_speech_would_say_in_its_place_may_go(tmp_path: Path) -> None:
    shelf = SoundShelf(PromptsSection(), tmp_path / "sounds", None, lambda: None, fixed={"prompt/es/recording-notice": "recording"})
    shelf.put("es", "recording-notice", tone(500))
    assert next(row for row in shelf.rows() if row.name == "recording-notice").languages["es"].source == "recorded"
    shelf.remove("es", "recording-notice")
    assert next(row for row in shelf.rows() if row.name == "recording-notice").languages["es"].source == "spoken"
    assert shutil.which("espeak-ng") and loudest_hz(shelf.speak("es", "Gracias por su llamada.")) > 0
