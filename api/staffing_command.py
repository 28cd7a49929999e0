"""``centralita staffing``: how many agents a number of calls needs (``rooms/erlang.py``)."""

import math
from typing import Annotated

import typer

from rooms.erlang import Expected, agents_needed, expected


def staffing(
    calls: Annotated[float, typer.Argument(help="Calls that arrive ...")],
    handle_s: Annotated[float, typer.Argument(help="Seconds that a call takes an agent, wrap-up included.")],
    minutes: Annotated[float, typer.Option(help="... in so many minutes.", min=1)] = 30,
    service_level: Annotated[float, typer.Option(help="Percent that are to be served in time.")] = 80,
    within_s: Annotated[float, typer.Option(help="What is in time, seconds.", min=0)] = 20,
    patience_s: Annotated[
        float, typer.Option(help="After so many seconds callers give up on the mean (Erlang A); 0: never (Erlang C).")
    ] = 0,
) -> None:
    """Tell how many agents are needed, and what callers have to expect of two fewer to three more. For callers of one kind who come evenly;
    agents on a break come on top."""
    patience = patience_s or math.inf
    rate = calls / minutes / 60
    try:
        needed = agents_needed(rate, handle_s, service_level / 100, patience, within_s=within_s)
        found = {agents: expected(rate, handle_s, agents, patience, within_s=within_s) for agents in range(max(1, needed - 2), needed + 4)}
    except ValueError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    typer.echo(f"{needed} agents. {rate * handle_s:.1f} calls are held at a time.\n")
    typer.echo(f"agents  within {within_s:g} s  mean wait  have to wait  give up  busy")
    for agents, told in found.items():
        typer.echo(_line(agents, told, within_s))


def _line(agents: int, told: Expected, within_s: float) -> str:
    wait = "without end" if math.isinf(told.wait_s) else f"{told.wait_s:.0f} s"
    within = f"{100 * told.service_level:.1f} %"
    return (
        f"{agents:6}  {within:>{9 + len(f'{within_s:g}')}}  {wait:>9}  {100 * told.wait_probability:10.1f} %"
        f"  {100 * told.abandoned:5.1f} %  {100 * told.occupancy:.0f} %"
    )
