"""``centralita threecx record`` against the emulated 3CX: as it would be recorded on a real one."""

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from api.__main__ import app
from pbx.threecx.double import Double
from pbx.threecx.double.trace import read_trace

CALLER = "+34600111222"


async def recorded(pbx: Double, file: Path, *options: str) -> asyncio.Task[Result]:
    """The command as it listens, in a thread."""
    arguments = ["threecx", "record", str(file), "--url", pbx.url, "--client-id", "870", "--secret", "demo-secret", *options]
    running = asyncio.create_task(asyncio.to_thread(CliRunner().invoke, app, arguments), name="record")
    await pbx.until(lambda: pbx.listeners == 1)
    return running


@pytest.mark.parametrize("answered", [True, False])
async def test_a_call_is_recorded_and_compared_with_the_emulated_one(tmp_path: Path, answered: bool) -> None:
    file = tmp_path / "trace.jsonl"
    async with Double() as pbx:
        running = await recorded(pbx, file, "--flow", "pstn_to_extension")
        with pbx.acting() as calls:
            trunk = calls.arrive(CALLER, "+34910000001", name="Rosa Sol")
        (leg,) = pbx.calls.of("200")
        read = "GET", f"/callcontrol/200/participants/{leg.id}"
        await pbx.until(lambda: read in pbx.requests)
        if answered:
            with pbx.acting() as calls:
                calls.answer(leg)
            await pbx.until(lambda: pbx.requests.count(read) >= 2)
        with pbx.acting() as calls:
            calls.drop(trunk)
        await pbx.until(lambda: pbx.untold == 0)
        pbx.cut_sockets()
        result = await running
    text = file.read_text()
    assert "Rosa" not in text and "600111222" not in text
    shape = read_trace(text).shape()
    assert shape[0] == "200 Ringing with externalline" and shape[-1] == "200 removed"
    assert result.exit_code == (0 if answered else 1), result.output
    assert ("- 200 Connected with externalline" in result.output) is not answered


async def test_who_is_not_let_in_or_names_no_flow_is_told(tmp_path: Path) -> None:
    async with Double() as pbx:
        arguments = ["threecx", "record", str(tmp_path / "a"), "--url", pbx.url, "--client-id", "870", "--secret"]
        refused = await asyncio.to_thread(CliRunner().invoke, app, [*arguments, "wrong"])
        unknown = await asyncio.to_thread(CliRunner().invoke, app, [*arguments, "demo-secret", "--flow", "nonsense"])
    assert refused.exit_code == 2 and "secret" in refused.output
    assert unknown.exit_code == 2 and "pstn_to_extension" in unknown.output
