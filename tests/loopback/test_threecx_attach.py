"""``centralita threecx attach`` as a new administrator would use it, against the emulated 3CX: the command itself, answer by answer."""

import asyncio
import ssl
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from typer.testing import CliRunner, Result

from api.__main__ import app
from api.load.caller import Caller
from api.settings.tree import Settings
from media.dtls import Certificate
from pbx.threecx.double import Double
from pbx.threecx.double.directory import Principal, Reaction, demo_directory
from rooms.audio import PCMA
from signaling.tokens import TokenIssuer
from tests.kit.certificate import self_signed
from tests.kit.server import running_server

SECRET = "demo-secret"


@pytest.fixture
async def pbx() -> AsyncIterator[Double]:
    async with Double() as pbx:
        pbx.directory.dns["200"].reaction = Reaction(answer_after_s=0.05)
        yield pbx


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("CENTRALITA_SECRETS_DIR", raising=False)
    return tmp_path / "centralita.toml"


async def attach(config: Path, *answers: str, options: tuple[str, ...] = ()) -> Result:
    """The command with these answers typed, in a thread: it is as synchronous as a person."""
    arguments = ["threecx", "attach", "--config", str(config), *options]
    return await asyncio.to_thread(CliRunner().invoke, app, arguments, "".join(f"{answer}\n" for answer in answers))


def add_to(path: Path, text: str) -> None:
    path.write_text("# ours\n" + path.read_text() + text)


def text_of(path: Path) -> str:
    return path.read_text()


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


async def test_from_nothing_to_a_call_in_eight_answers(pbx: Double, config: Path) -> None:
    result = await attach(config, pbx.url, "", SECRET, "", "", "", "", "")
    assert result.exit_code == 0, result.output
    assert "200 answered the test call" in result.output and "1.5 s of sound came from it and went back" in result.output
    assert SECRET not in result.output
    (audio,) = (each for each in pbx.audio.values() if each.posted)
    assert any(audio.posted) and audio.ended_cleanly
    secrets = config.parent / "secrets"
    assert {path.name: path.stat().st_mode & 0o777 for path in secrets.iterdir()} == {"threecx__secret": 0o600, "sip__password": 0o600}
    assert files_in(config.parent) == {"centralita.toml", "secrets/threecx__secret", "secrets/sip__password"}
    settings = Settings.load(config, {"CENTRALITA_SECRETS_DIR": str(secrets)})
    work = settings.threecx_work()
    assert work is not None and work.pbx.secret == SECRET and work.pbx.bases == (pbx.url,) and work.import_people
    user = next(row for row in pbx.records.sets["Users"] if row["Number"] == settings.sip.extension)
    assert (settings.sip.enabled, settings.sip.auth_id) == (True, user["AuthID"])
    assert settings.sip.password.get_secret_value() == user["AuthPassword"] == text_of(secrets / "sip__password").strip()
    assert user["ForwardingProfiles"][0]["AvailableRoute"]["NotRegisteredExternal"]["Number"] == "801"
    assert "CENTRALITA_SECRETS_DIR" in result.output


async def test_a_second_run_needs_no_word_and_changes_nothing(pbx: Double, config: Path) -> None:
    await attach(config, pbx.url, "", SECRET, "", "", "", "-", "")
    add_to(config, "\n[server]\nport = 8081 # kept\n")
    before, users = text_of(config), len(pbx.records.sets["Users"])
    result = await attach(config, *[""] * 6, "-", "", options=("--secrets-dir", str(config.parent / "secrets")))
    assert result.exit_code == 0, result.output
    assert text_of(config) == before and len(pbx.records.sets["Users"]) == users


async def test_nothing_is_written_before_the_last_answer(pbx: Double, config: Path) -> None:
    users = len(pbx.records.sets["Users"])
    result = await attach(config, pbx.url, "", SECRET, "", "", "", "", "no")
    assert result.exit_code == 2 and "Nothing was written" in result.output
    assert files_in(config.parent) == set() and len(pbx.records.sets["Users"]) == users


@pytest.mark.parametrize(("way", "mode"), [("trunk", "registrar"), ("address", "address")])
async def test_a_trunk_is_made_with_its_template_and_once(pbx: Double, config: Path, way: str, mode: str) -> None:
    for _ in range(2):
        result = await attach(config, pbx.url, "", SECRET, way, "192.0.2.9:5070", "800", "-", "yes")
        assert result.exit_code == 0, result.output
    made = [row for row in pbx.records.sets["Trunks"] if row["Gateway"]["Name"] == "Centralita"]
    assert [(row["Gateway"]["Host"], row["Gateway"]["Port"], row["AuthID"]) for row in made] == [("192.0.2.9", 5070, "centralita")]
    assert (made[0]["Gateway"]["SupportReinvite"], made[0]["Gateway"]["SupportReplaces"]) == (False, False)
    template = text_of(config.parent / "centralita.pv.xml")
    assert 'name="RegistrarHost">192.0.2.9<' in template and '<codec rfcname="pcma" />' in template
    written = tomllib.loads(text_of(config))["sip"]
    assert (written["mode"], written["listen_port"], written["public_host"], written["max_calls"]) == (mode, 5070, "192.0.2.9", 8)


async def test_a_client_without_rights_is_told_what_to_do_by_hand(config: Path) -> None:
    directory = demo_directory()
    directory.principals["870"] = Principal("870", SECRET, monitored=frozenset({"200"}), role="users")
    directory.dns["200"].reaction = Reaction(answer_after_s=0.05)
    async with Double(directory) as pbx:
        result = await attach(config, pbx.url, "", SECRET, "", "203", "", "-", "yes")
    assert result.exit_code == 0, result.output
    assert "the client's role: users" in result.output and "Forward calls of 203" in result.output
    assert tomllib.loads(text_of(config))["threecx"]["in_step"] is False


@pytest.mark.parametrize(
    ("principal", "told"),
    [
        (Principal("870", "another"), "believed"),
        (Principal("871", SECRET), "threecx.client_id"),
    ],
)
async def test_a_client_that_is_not_let_in_is_told_why(config: Path, principal: Principal, told: str) -> None:
    directory = demo_directory()
    directory.principals = {principal.client_id: principal}
    async with Double(directory) as pbx:
        result = await attach(config, pbx.url, "870", SECRET)
    assert result.exit_code == 2 and "refuses our client id and secret" in result.output and files_in(config.parent) == set()


async def test_scopes_that_are_missing_are_named(config: Path) -> None:
    directory = demo_directory()
    directory.principals["870"] = Principal("870", SECRET, call_control=False, xapi=False)
    async with Double(directory) as pbx:
        result = await attach(config, pbx.url, "", SECRET, "", "203", "demo203 secret203", "yes")
    assert result.exit_code == 0, result.output
    assert "tick Call Control" in result.output and "tick XAPI" in result.output and "Enterprise" in result.output
    assert "Make a test call yourself" in result.output
    assert text_of(config.parent / "secrets" / "sip__password") == "secret203\n"


async def test_an_address_where_nobody_is_is_told_with_what_to_do(config: Path) -> None:
    for address, told in (("127.0.0.1:1", "check the port"), ("http://pbx.example.com", "only https"), ("ftp://x", "give a name")):
        result = await attach(config, address)
        assert result.exit_code == 2 and told in result.output.replace("\n", " "), result.output


async def test_a_certificate_of_its_own_is_told_and_taken_where_it_is_given(config: Path, tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    async with Double(tls=tls) as pbx:
        result = await attach(config, pbx.url)
        assert result.exit_code == 2 and "is not trusted" in result.output and "--ca-file" in result.output
        result = await attach(config, pbx.url, "", SECRET, "", "", "", "-", "", options=("--ca-file", str(certificate)))
    assert result.exit_code == 0, result.output
    assert "its certificate is good" in result.output
    written = tomllib.loads(text_of(config))["threecx"]
    assert (written["ca_file"], written["bases"]) == (str(certificate), [pbx.url])


async def test_a_test_call_that_nobody_takes_is_told_and_the_rest_stands(pbx: Double, config: Path) -> None:
    pbx.directory.max_calls = 0
    result = await attach(config, pbx.url, "", SECRET, "", "", "", "", "")
    assert result.exit_code == 1 and "the test call was not made" in result.output and "centralita.toml" in files_in(config.parent)


async def test_what_was_attached_registers_and_carries_a_call(config: Path, tmp_path: Path) -> None:
    """The server itself, on the settings that were written: from nothing to a call."""
    async with Double(sip_port=0) as pbx:
        pbx.directory.others = Reaction(answer_after_s=0.02)
        result = await attach(config, pbx.url, "", SECRET, "", "", "", "-", "")
        assert result.exit_code == 0, result.output
        written = tomllib.loads(text_of(config))
        written["sip"]["password"] = text_of(config.parent / "secrets" / "sip__password").strip()
        written["threecx"]["secret"] = SECRET
        async with running_server(tmp_path / "server", written, demo=False) as server:
            await server.line_is_up("pbx")
            tokens = TokenIssuer(text_of(server.data_dir / "token.secret").strip())
            async with aiohttp.ClientSession() as http:
                caller = Caller(http, server.url, tokens.issue("ana", "Ana", "agent").token, PCMA, Certificate.create())
                endpoint = await caller.call("+34600111222")
                assert [leg.party.number for leg in pbx.calls.of(written["sip"]["extension"])] == ["+34600111222"]
                await caller.end()
                assert endpoint.close is not None
                await endpoint.close()
                endpoint.sock.close()
            _, metrics = await server.get("/metrics")
            assert "centralita_threecx_now_up 1.0" in metrics and "centralita_threecx_now_most_calls 8.0" in metrics
