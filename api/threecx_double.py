"""``centralita threecx-double``: an emulated 3CX PBX to develop and test against, and what of it is confirmed or assumed."""

import asyncio
import signal
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pbx.threecx.double import Double, Manners


def threecx_double(
    host: Annotated[str, typer.Option(help="Address to serve on, as its clients reach it.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of its APIs; 0 takes a free one.")] = 5004,
    certificate: Annotated[Path | None, typer.Option(help="PEM file with certificate and key: HTTPS instead of HTTP.")] = None,
    sip_port: Annotated[int, typer.Option(help="UDP port of its SIP; 0 takes a free one.")] = 5060,
    switch: Annotated[list[str] | None, typer.Option("--set", help="A switch of what is assumed, as NAME=CHOICE; may be repeated.")] = None,
    behaviours: Annotated[
        bool, typer.Option("--behaviours", help="List what it does, on what that rests, and the switches; then end.")
    ] = False,
) -> None:
    """Run an emulated 3CX v20 PBX until Ctrl+C. It is for development and tests: its secrets are known to everybody."""
    from api.srtp_guard import SrtpGuard
    from pbx.threecx.double import Double, Manners, UnknownManner

    if host in ("0.0.0.0", "::"):
        raise typer.BadParameter("name one address: SIP and RTP tell it to others", param_hint="--host")
    try:
        manners = Manners().with_(**dict(_parted(text) for text in switch or []))
    except UnknownManner as error:
        raise typer.BadParameter(str(error), param_hint="--set") from None
    if behaviours:
        _list(manners)
        return
    try:
        tls = _tls(certificate) if certificate is not None else None
        asyncio.run(_run(host, Double(manners=manners, host=host, port=port, tls=tls, sip_port=sip_port, guard=SrtpGuard)))
    except OSError as error:
        typer.echo(f"The emulator cannot start. {error}", err=True)
        raise typer.Exit(1) from None


def _tls(certificate: Path) -> ssl.SSLContext:
    """Raises ``OSError`` (``ssl.SSLError`` too) for a file that is none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def _parted(text: str) -> tuple[str, str]:
    name, equals, choice = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is not NAME=CHOICE", param_hint="--set")
    return name, choice


def _list(manners: "Manners") -> None:
    from pbx.threecx.double.stage import listed

    for behaviour in listed(manners):
        choices = behaviour["choices"]
        switched = f"  [{'|'.join(choices)}; now {behaviour['now']}]" if isinstance(choices, list) and choices else ""
        typer.echo(f"{behaviour['basis']:9}  {behaviour['name']:24} {behaviour['what']}{switched}")


async def _run(host: str, double: "Double") -> None:
    async with double as pbx:
        typer.echo(f"An emulated 3CX v20 PBX serves {pbx.url}")
        for principal in pbx.directory.principals.values():
            typer.echo(
                f"API client {principal.client_id}, secret {principal.secret}; it monitors {', '.join(sorted(principal.monitored))}."
            )
        typer.echo(f"SIP over UDP: {host}:{pbx.sip.port}. Extensions register with Auth ID and password:")
        for dn in pbx.directory.dns.values():
            signs_in = f"{dn.auth_id} / {dn.auth_password}" if dn.auth_id else ""
            typer.echo(f"  {dn.number:6} {dn.kind.value:14} {dn.name:14} {signs_in}")
        for number, destination in pbx.directory.dids.items():
            typer.echo(f"  {number} leads to {destination}")
        typer.echo(
            f"To let things happen: {pbx.url}/double/..., header X-Double-Key: {pbx.stage.key} (pbx/threecx/double/stage.py says what)."
        )
        typer.echo("Not everything is certain of a real 3CX: --behaviours lists what is confirmed and what is assumed.")
        stop = asyncio.Event()
        for each in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(each, stop.set)
        await stop.wait()
