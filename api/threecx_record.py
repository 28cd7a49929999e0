"""``centralita threecx record``: what a real 3CX tells of a call, kept without numbers and names, and where the emulator does otherwise."""

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pbx.threecx.double.trace import Trace
    from pbx.threecx.session import PbxSession
    from pbx.threecx.settings import ThreeCxSettings


def record(
    url: Annotated[str, typer.Option(help="Address of the PBX, such as https://pbx.example.com:5001.")],
    client_id: Annotated[str, typer.Option(help="An API client of its own: the server's would lose its token to this program.")],
    file: Annotated[Path, typer.Argument(help="Where the trace goes, a line of JSON each.")],
    flow: Annotated[str, typer.Option(help="Which of the usual calls is made meanwhile; list names them all.")] = "",
    seconds: Annotated[float, typer.Option(help="How long to listen; Ctrl+C ends it earlier.")] = 120.0,
    secret: Annotated[str, typer.Option(prompt=True, hide_input=True, help="The client's secret. Asked for where not given.")] = "",
    verify: Annotated[bool, typer.Option("--verify/--no-verify", help="Check the PBX's certificate.")] = True,
) -> None:
    """Record what the PBX's event socket tells and what reading it shows, and compare it with what the emulator does.

    Numbers, names, devices and digits are replaced before anything is written. Exit status 0: as emulated, or nothing to compare with;
    1: the PBX does otherwise, and the differences are printed; 2: it could not be recorded.
    """
    from pbx.threecx.double.flows import FLOWS, play
    from pbx.threecx.double.trace import Trace, differences
    from pbx.threecx.faults import ThreeCxFault
    from pbx.threecx.settings import ThreeCxSettings

    known = {each.name: each for each in FLOWS}
    if flow and flow not in known:
        names = "; ".join(f"{each.name} ({each.basis.value}): {each.what}" for each in FLOWS)
        raise typer.BadParameter(f"choose of {names}", param_hint="--flow")
    trace = Trace(flow, known[flow].basis.value if flow else "")
    typer.echo(known[flow].what if flow else "Make the call now.")
    try:
        asyncio.run(_listen(ThreeCxSettings((url,), client_id, secret, verify=verify), trace, seconds))
    except ThreeCxFault as fault:
        typer.echo(str(fault), err=True)
        raise typer.Exit(2) from None
    finally:
        file.write_text(trace.write(), encoding="utf-8")
    typer.echo(f"{len(trace.lines)} lines in {file}")
    found = differences(trace, play(known[flow])) if flow else []
    for line in found:
        typer.echo(line)
    if any(line[0] in "+-" for line in found):
        raise typer.Exit(1)


async def _listen(settings: "ThreeCxSettings", trace: "Trace", seconds: float) -> None:
    """Raises ``ThreeCxFault``."""
    from pbx.threecx.session import PbxSession

    began = asyncio.get_running_loop().time()
    async with PbxSession(settings) as session:
        # Time is up, or Ctrl+C: what was heard until then is the trace.
        with contextlib.suppress(TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(seconds), session.socket("/callcontrol/ws") as texts:
                async for text in texts:
                    entity = trace.frame(asyncio.get_running_loop().time() - began, text)
                    if entity is not None:
                        await _read(session, trace, entity, began)
        trace.pbx = session.version


async def _read(session: "PbxSession", trace: "Trace", entity: str, began: float) -> None:
    from pbx.threecx.faults import Forbidden, Gone, Rejected

    status, body = 200, None
    try:
        body = await session.get(entity)
    except Forbidden:
        status = 403
    except Gone:
        status = 404
    except Rejected as rejected:
        status = rejected.status
    trace.read(asyncio.get_running_loop().time() - began, entity, status, body)
