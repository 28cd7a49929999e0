"""Claims: Redis and nodes die, freeze and fill up, and live calls and chat go on; what is taken away from a person is so at all nodes.

Two real nodes (``centralita serve`` with its demo line) with one Redis and one database. ``faults``: on each node people in live calls with
sound (WebRTC by the load generator's own peers: DTLS, SRTP, an echo that gives every packet back), people who watch presence, and two who
write numbered messages in a room of each node, each message again until it is acknowledged. Then Redis is killed with -9 and begun
again empty, frozen, and brought to its memory limit, one node loses the right to hear, and one node is killed with -9. The gaps of the
calls are compared with those of the same calls before: both hold what this machine's scheduler does to all. Presence is right when each
node shows exactly the people that it can know of. A request that nobody answers or refuses in 20 s counts as one that waits for ever.

``revocations``: a person's page is open at both nodes; a session of theirs is ended, or their role changed, at one of them, and the time is
taken until each page is put out.
"""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import Any

import aiohttp
import numpy as np

from api.load.caller import Caller, CallFailed
from api.load.python_loop import PythonLoop
from api.load.run import voice_of
from api.load.streams import Counts, Endpoint
from benchmarks.cluster import Installation, Page, Redis, ServingNode, Waits, Writer, history, took_s
from benchmarks.report import CannotRun, Options, Row
from media.dtls import Certificate
from rooms.audio import KNOWN_CODECS
from signaling.tokens import TokenIssuer

_GIVE_UP_S = 30.0
_QUIET_S = 1.0
_PAUSE_S = 60.0
_CODEC = KNOWN_CODECS["pcma"]
_ECHO = "600"
_PASSWORD = "correct horse battery staple 7!"
_PLENTY = dict.fromkeys(
    ("admin_per_hour", "person_per_minute", "person_at_once", "public_per_hour", "address_per_hour", "address_at_once"), 1_000_000
)


class _Crowd:
    """Who is at one node: callers, a page that watches, one that writes. ``people``: their names."""

    def __init__(self, node: ServingNode, tokens: TokenIssuer, names: tuple[str, str], calls: int, waits: Waits) -> None:
        self.node, self.tokens, self.waits = node, tokens, waits
        self.watcher_name, self.writer_name = names
        self.callers = [f"{node.name}-caller-{number}" for number in range(calls)]
        self.people = {*self.callers, *names}
        self.loop = PythonLoop()
        self.watcher: Page
        self.writer: Page

    def token(self, name: str) -> str:
        return self.tokens.issue(name, name, "agent").token

    async def come(self, stack: AsyncExitStack, http: aiohttp.ClientSession, urls: list[str]) -> None:
        """``urls``: where their pages connect to, the first that takes them; callers only know the first."""
        for name in (self.watcher_name, self.writer_name):
            page = await stack.enter_async_context(Page(http, self.token(name), urls, self.waits))
            if name == self.watcher_name:
                self.watcher = page
                await page.watch()
            else:
                self.writer = page
        stack.push_async_callback(self._part)
        stack.enter_context(self.loop)
        certificate, voice = Certificate.create(), voice_of(_CODEC)
        for name in self.callers:
            caller = Caller(http, urls[0], self.token(name), _CODEC, certificate)
            stack.push_async_callback(caller.end)
            self.loop.add([await caller.call(_ECHO)], [voice], speakers=[0])

    async def _part(self) -> None:
        await asyncio.gather(*map(_part, self.loop.endpoints))

    def sees(self, people: set[str]) -> Callable[[], bool]:
        return lambda: self.watcher.people == people


class _Scene:
    def __init__(self, stack: AsyncExitStack, redis: Redis, one: _Crowd, two: _Crowd, http: aiohttp.ClientSession) -> None:
        self.stack, self.redis, self.one, self.two, self.http = stack, redis, one, two, http
        self.rows: list[Row] = []
        self.before: dict[str, float] = {}
        self._extra = 0

    @property
    def everybody(self) -> set[str]:
        return self.one.people | self.two.people

    async def presence_right(self, case: str, wanted: dict[_Crowd, set[str]]) -> None:
        """How long until these nodes show exactly these people, and who is shown wrongly then."""
        took = [took_s(crowd.sees(people), _GIVE_UP_S) for crowd, people in wanted.items()]
        self.rows.append(Row(case, "presence right", max(await asyncio.gather(*took)), "s", goal="<= 5"))
        ghosts = sum(len(crowd.watcher.people - people) for crowd, people in wanted.items())
        self.rows.append(Row(case, "ghosts", ghosts, "people", goal="<= 0"))

    async def open_windows(self, *crowds: _Crowd) -> None:
        await asyncio.gather(*(crowd.loop.open_window() for crowd in crowds))

    async def close_windows(self, case: str, *crowds: _Crowd) -> None:
        await asyncio.gather(*(crowd.loop.close_window() for crowd in crowds))
        counted: list[Counts] = [crowd.loop.counts() for crowd in crowds]
        gap_ms = 1000 * max(counts.longest_gap_s for counts in counted)
        if not self.before:
            self.before = {"gap": gap_ms}
        names = ("calls before", self.before["gap"], "<= peer + 60")
        self.rows.append(Row(case, "longest gap in a live call", gap_ms, "ms", *names))
        share = sum(counts.lost for counts in counted) / max(1, sum(counts.sent for counts in counted))
        self.rows.append(Row(case, "of the live calls' packets lost", 100 * share, "%", goal="<= 0.1"))

    async def new_call(self, case: str) -> None:
        """One more person calls from the first node, and hangs up."""
        self._extra += 1
        name = f"late-caller-{self._extra}"
        caller = Caller(self.http, self.one.node.url, self.one.token(name), _CODEC, Certificate.create())
        begun_s, connected = time.monotonic(), True
        try:
            endpoint = await caller.call(_ECHO)
            self.rows.append(Row(case, "a new call connected after", time.monotonic() - begun_s, "s", goal="<= 5"))
            await _part(endpoint)
        except CallFailed:
            connected = False
            self.rows.append(Row(case, "new calls that failed", 1, "calls", goal="<= 0"))
        if connected:
            await caller.end()


async def _part(endpoint: Endpoint) -> None:
    if endpoint.close is not None:
        await endpoint.close()
    endpoint.sock.close()


async def _faults(calls: int, quick: bool) -> list[Row]:
    waits, rest = Waits(), Waits()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="centralita-faults-")))
        redis = stack.enter_context(Redis())
        installation = Installation(folder)
        _of_its_own(redis)
        urls = {"one": redis.url, "two": redis.url.replace("//", "//two:two@")}
        nodes = await _served(stack, installation, urls)
        tokens = TokenIssuer(installation.secret)
        http = await stack.enter_async_context(aiohttp.ClientSession())
        one = _Crowd(nodes[0], tokens, ("wanda", "ana"), calls, waits)
        two = _Crowd(nodes[1], tokens, ("wade", "ben"), calls, waits)
        scene = _Scene(stack, redis, one, two, http)
        pages = await stack.enter_async_context(AsyncExitStack())
        await one.come(pages, http, [nodes[0].url])
        await two.come(pages, http, [nodes[1].url, nodes[0].url])
        await scene.presence_right("both nodes", {one: scene.everybody, two: scene.everybody})
        rooms = [await _room(one.writer, two.writer, "ben"), await _room(two.writer, one.writer, "ana")]
        at_home = [Writer(one.writer, "ana", rooms[0]), Writer(two.writer, "ben", rooms[1])]
        from_afar = [Writer(one.writer, "ana-afar", rooms[1]), Writer(two.writer, "ben-afar", rooms[0])]
        at_work = [asyncio.create_task(writer.write()) for writer in at_home + from_afar]
        at_work += [asyncio.create_task(_probe(http, node, tokens, rest)) for node in nodes]
        try:
            for happens in (_quiet, _redis_killed, _node_killed) if quick else _EVERYTHING:
                await happens(scene)
        finally:
            for task in at_work:
                task.cancel()
            await asyncio.gather(*at_work, return_exceptions=True)
        scene.rows += await _chat_rows(at_home, from_afar, one.writer)
        case = "during all this"
        scene.rows.append(Row(case, "requests answered or refused", waits.answered, ""))
        scene.rows.append(Row(case, "requests that wait for ever", waits.unanswered + rest.unanswered, "", goal="<= 0"))
        scene.rows.append(Row(case, "longest wait of a page for an answer", waits.longest_s, "s", goal="<= 16"))
        scene.rows.append(Row(case, "longest wait of a REST request", rest.longest_s, "s", goal="<= 2"))
        scene.rows.append(Row(case, "errors in the log of the node that lived", nodes[0].faults, "lines", goal="<= 0"))
        return scene.rows


async def _served(
    stack: AsyncExitStack, installation: Installation, urls: dict[str, str], more: Mapping[str, Mapping[str, Any]] | None = None
) -> list[ServingNode]:
    """Nodes by name, each with its address of the Redis, in order: the first makes the database."""
    return [await stack.enter_async_context(installation.node(name, url, more)) for name, url in urls.items()]


def _of_its_own(redis: Redis) -> None:
    """The second node has a user of its own, so that it alone can be made deaf. A Redis that was begun again does not know it any more."""
    redis.do("ACL SETUSER two on >two ~* &* +@all")


async def _quiet(scene: _Scene) -> None:
    await scene.open_windows(scene.one, scene.two)
    await asyncio.sleep(_QUIET_S)
    await scene.close_windows("nothing happens", scene.one, scene.two)


async def _alone(scene: _Scene, case: str) -> None:
    one, two = scene.one, scene.two
    await scene.presence_right(f"{case}: alone", {one: one.people, two: two.people})
    health = await one.node.cluster()
    scene.rows.append(Row(f"{case}: alone", "says so, and is ready", int(health["ready"] and "alone" in health["detail"]), "", goal=">= 1"))


async def _redis_killed(scene: _Scene) -> None:
    one, two, case = scene.one, scene.two, "Redis killed with -9"
    await scene.open_windows(one, two)
    scene.redis.kill()
    await _alone(scene, case)
    await scene.new_call(case)
    scene.redis.start()
    _of_its_own(scene.redis)
    await scene.presence_right(f"{case}: back, empty", {one: scene.everybody, two: scene.everybody})
    await scene.close_windows(case, one, two)


async def _redis_frozen(scene: _Scene) -> None:
    one, two, case = scene.one, scene.two, f"Redis frozen for {_PAUSE_S:g} s"
    await scene.open_windows(one, two)
    scene.redis.send(SIGSTOP)
    await _alone(scene, case)
    await scene.new_call(case)
    await asyncio.sleep(_PAUSE_S)
    scene.redis.send(SIGCONT)
    await scene.presence_right(f"{case}: thawed", {one: scene.everybody, two: scene.everybody})
    await scene.close_windows(case, one, two)


async def _redis_full(scene: _Scene) -> None:
    one, two, case = scene.one, scene.two, "Redis at its memory limit"
    await scene.open_windows(one, two)
    scene.redis.limit_memory()
    await took_s(lambda: _says(one.node, "memory limit"), _GIVE_UP_S)
    async with Page(scene.http, two.token("lena"), [two.node.url], two.waits):
        people = scene.everybody | {"lena"}
        await scene.presence_right(f"{case}: somebody comes", {one: people, two: people})
    await scene.presence_right(f"{case}: and goes", {one: scene.everybody, two: scene.everybody})
    await scene.new_call(case)
    scene.redis.limit_memory(0)
    await scene.close_windows(case, one, two)


async def _deaf(scene: _Scene) -> None:
    one, two, case = scene.one, scene.two, "a node that Redis does not let hear"
    await scene.open_windows(one, two)
    scene.redis.do("ACL SETUSER two resetchannels")
    scene.redis.do("CLIENT KILL USER two")

    async def unfit() -> bool:
        return not await two.node.is_ready()

    scene.rows.append(Row(case, "not ready", await took_s(unfit, _GIVE_UP_S), "s", goal="<= 5"))
    scene.rows.append(Row(case, "the other one ready", int(await one.node.is_ready()), "", goal=">= 1"))
    scene.redis.do("ACL SETUSER two allchannels")
    scene.rows.append(Row(case, "ready again", await took_s(two.node.is_ready, _GIVE_UP_S), "s", goal="<= 5"))
    await scene.presence_right(f"{case}: it hears again", {one: scene.everybody, two: scene.everybody})
    await scene.close_windows(case, one, two)


async def _node_killed(scene: _Scene) -> None:
    one, two, case = scene.one, scene.two, "a node killed with -9"
    await scene.open_windows(one)
    await two.node.kill()
    people = one.people | {two.watcher_name, two.writer_name}
    await scene.presence_right(f"{case}: its pages come to the other", {one: people})
    await scene.new_call(case)
    await scene.close_windows(case, one)


_EVERYTHING = (_quiet, _redis_killed, _redis_frozen, _redis_full, _deaf, _node_killed)


async def _says(node: ServingNode, words: str) -> bool:
    return words in (await node.cluster())["detail"]


async def _room(host: Page, guest: Page, invited: str) -> str:
    answer = await host.ask("room.create", {"name": "Faults", "invited": [{"identity": invited}], "capacity": 10})
    if "ok" not in answer:
        raise CannotRun(f"no room was made: {answer}")
    room_id: str = answer["ok"]["room_id"]
    for page in (host, guest):
        answer = await page.ask("room.join", {"room_id": room_id})
        if "ok" not in answer:
            raise CannotRun(f"nobody can join the room: {answer}")
    return room_id


async def _probe(http: aiohttp.ClientSession, node: ServingNode, tokens: TokenIssuer, waits: Waits) -> None:
    """A request over REST now and then, as long as the node lives."""
    headers = {"Authorization": "Bearer " + tokens.issue(f"probe-{node.name}", "Probe", "agent").token}
    while True:
        begun_s = time.monotonic()
        try:
            async with asyncio.timeout(20.0), http.get(f"{node.url}/api/v1/account", headers=headers) as answer:
                await answer.read()
            waits.note(time.monotonic() - begun_s, True)
        except TimeoutError:
            waits.note(time.monotonic() - begun_s, False)
        except aiohttp.ClientError:
            return
        await asyncio.sleep(1.1)


async def _chat_rows(at_home: list[Writer], from_afar: list[Writer], reader: Page) -> list[Row]:
    """``at_home``: who wrote on the node that the room was made on. Others cannot as long as that node is not to be reached."""
    kept = [message for writer in at_home for message in await history(reader, writer.room_id)]
    writers = at_home + from_afar
    acknowledged = [message for writer in writers for message in writer.acknowledged]
    case = f"{len(acknowledged)} messages acknowledged during all this"
    rows = [
        Row(case, "of them lost", len(set(acknowledged) - set(kept)), "messages", goal="<= 0"),
        Row(case, "in their room's history twice", len(kept) - len(set(kept)), "messages", goal="<= 0"),
        Row(case, "told twice to a page", len(reader.messages) - len(set(reader.messages)), "messages", goal="<= 0"),
        Row(case, "longest until one was acknowledged, in rooms of one's node", _longest_s(at_home), "s", goal="<= 16"),
        Row(case, "the same, in rooms of the other node", _longest_s(from_afar), "s"),
    ]
    refusals = [code for writer in writers for code in writer.refusals]
    return rows + [Row(case, f"attempts refused: {code}", refusals.count(code), "") for code in sorted(set(refusals))]


def _longest_s(writers: list[Writer]) -> float:
    return max(writer.longest_s for writer in writers)


# --- revocations ------------------------------------------------------------------------------------------------------------------------


async def _revocations(rounds: int) -> list[Row]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="centralita-revocations-")))
        redis = stack.enter_context(Redis())
        installation = Installation(folder)
        nodes = await _served(stack, installation, dict.fromkeys(("one", "two"), redis.url), {"limits": _PLENTY})
        http = await stack.enter_async_context(aiohttp.ClientSession())
        adding = [sys.executable, "-m", "api", "user", "add", "root", "--role", "admin", "--password", _PASSWORD, "--config"]
        await asyncio.to_thread(subprocess.run, [*adding, str(nodes[0].configuration)], check=True, capture_output=True)
        boss = await _sign_in(http, nodes[0], "root")
        took: dict[tuple[str, str], list[float]] = {}
        for number in range(rounds):
            for what in ("session ended", "role taken away"):
                await _put(http, nodes[0], boss, {"name": "Ana", "role": "supervisor", "password": _PASSWORD, "disabled": False})
                token = await _sign_in(http, nodes[number % 2], "ana")
                async with Page(http, token, [nodes[0].url], Waits()) as here, Page(http, token, [nodes[1].url], Waits()) as there:
                    begun_s = time.monotonic()
                    if what == "session ended":
                        await _rest(http, "DELETE", nodes[0].url + "/api/v1/users/ana/sessions", boss)
                    else:
                        await _put(http, nodes[0], boss, {"role": "agent"})
                    for where, page in (("the same node", here), ("the other node", there)):
                        await took_s(lambda page=page: bool(page.closings), 10.0)
                        after_s = page.closings[0][0] - begun_s if page.closings else 10.0
                        took.setdefault((what, where), []).append(after_s)
        rows = []
        for (what, where), seconds in took.items():
            case = f"{what}, an open connection of {where}, {rounds} rounds"
            rows.append(Row(case, "ended after, p50", 1000 * float(np.median(seconds)), "ms"))
            rows.append(Row(case, "ended after, longest", 1000 * max(seconds), "ms", goal="<= 1000"))
        return rows


async def _sign_in(http: aiohttp.ClientSession, node: ServingNode, user: str) -> str:
    found = await _rest(http, "POST", f"{node.url}/api/v1/sign-in", "", {"user": user, "password": _PASSWORD})
    return str(found["token"])


async def _put(http: aiohttp.ClientSession, node: ServingNode, boss: str, wanted: dict[str, Any]) -> None:
    await _rest(http, "PUT", f"{node.url}/api/v1/users/ana", boss, wanted)


async def _rest(http: aiohttp.ClientSession, method: str, url: str, token: str, body: Any = None) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with http.request(method, url, json=body, headers=headers) as answer:
        if answer.status >= 300:
            raise CannotRun(f"{method} {url}: {answer.status} {await answer.text()}")
        found: dict[str, Any] = await answer.json() if answer.status != 204 and answer.content_length != 0 else {}
        return found


def run(options: Options) -> list[Row]:
    wanted = options.only or ("revocations", "faults")
    rows: list[Row] = []
    if "revocations" in wanted:
        rows += asyncio.run(_revocations(3 if options.quick else 50))
    if "faults" in wanted:
        rows += asyncio.run(_faults(1 if options.quick else 5, options.quick))
    return rows
