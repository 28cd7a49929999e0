"""``centralita flow``: call flows checked as files, and gone through dry as a caller would hear them."""

import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from api.command_settings import ConfigFile, load
from api.settings.tree import Settings
from rooms.centre_plan import ANY, CentrePlan, NumberEntry
from rooms.flows.conditions import FactValue
from rooms.flows.flow import Flow, Hours

flow_app = typer.Typer(no_args_is_help=True, help="Call flows: what callers hear and where they are led.")

Files = Annotated[list[Path], typer.Argument(help="Flows, TOML or JSON. One in a plan's folder (DIR/flows/NAME.toml) is checked with it.")]


@flow_app.command("check")
def check_flows(files: Files, config: ConfigFile = None) -> None:
    """Tell everything that is wrong with these flows, each with its line; status 1 when something is."""
    settings = load(config)
    folders = {folder for path in files if (folder := _folder_of(path)) is not None}
    plans = [_plan_in(folder, settings) for folder in sorted(folders)]
    alone = [path for path in files if _folder_of(path) is None]
    flows = _flows_alone(alone, settings) if alone else {}
    typer.echo(f"Nothing is wrong: {len(flows) + sum(len(plan.flows) for plan in plans)} flows.")


@flow_app.command("try")
def try_flow(
    target: Annotated[
        str, typer.Argument(help="A flow's file, a plan's folder, or a flow of the plan in force; empty: where --to leads.")
    ] = "",
    at: Annotated[
        str, typer.Option(help="When the call comes, as 2026-12-24T18:00 in the time of the flow's calendar; default: now.")
    ] = "",
    caller: Annotated[str, typer.Option("--from", help="The caller's number; default: withheld.")] = "",
    called: Annotated[str, typer.Option("--to", help="The number dialled.")] = "",
    language: Annotated[str, typer.Option(help="Of the caller, if it is known.")] = "",
    press: Annotated[str, typer.Option(help="Digits for each question, as 1,2,4711#; - for nothing, ! before digits that interrupt.")] = "",
    fact: Annotated[list[str] | None, typer.Option(help="What is known of the caller, as vip=true; several times.")] = None,
    outcome: Annotated[list[str] | None, typer.Option(help="How a step or a kind of them ends, as queue=timeout; several times.")] = None,
    answer: Annotated[list[str] | None, typer.Option(help="What a webhook answers, as STEP.FACT=VALUE; several times.")] = None,
    config: ConfigFile = None,
) -> None:
    """Tell what a caller hears who does this, and where they end. Nobody is called."""
    from api.centre.plan_trial import TriedCall, try_call
    from signaling.refusal import Refusal

    settings = load(config)
    plan, name = _found(target, settings)
    if name:
        plan = replace(plan, entries=(NumberEntry(ANY, name),))
    facts: dict[str, FactValue] = {key: _value(value) for key, value in _pairs(fact, "--fact")}
    answers: dict[str, dict[str, FactValue]] = {}
    for key, value in _pairs(answer, "--answer"):
        step, _, known = key.rpartition(".")
        answers.setdefault(step, {})[known] = _value(value)
    call = TriedCall(
        called=called or name,
        caller=caller,
        at=_moment(at, plan, name),
        facts={**facts, "language": language} if language else facts,
        presses=press.split(",") if press else [],
        outcomes=dict(_pairs(outcome, "--outcome")),
        answers=answers,
    )
    try:
        way = try_call(plan, call, region=settings.dialing.region, now=time.time())
    except Refusal as refusal:
        raise typer.BadParameter(str(refusal), param_hint="--outcome") from None
    if way.refused:
        typer.echo(f"refused: {way.refused}")
    elif not way.flow:
        raise typer.BadParameter(f"No flow begins at {called!r}: name one, or a number of the plan.", param_hint="--to")
    for line in way.lines:
        typer.echo(line)


# ---------------------------------------------------------------- which plan, which flow


def _folder_of(path: Path) -> Path | None:
    """The plan's folder in which this flow stands."""
    folder = path.absolute().parent
    return folder.parent if folder.name == "flows" else None


def _found(target: str, settings: Settings) -> tuple[CentrePlan, str]:
    """A plan, and the name of a flow in it; empty: the number dialled decides."""
    path = Path(target)
    if target and path.is_dir():
        return _plan_in(path, settings), ""
    if target and path.is_file():
        folder = _folder_of(path)
        plan = CentrePlan(flows=_flows_alone([path], settings)) if folder is None else _plan_in(folder, settings)
        return plan, path.stem
    plan = _plan_in_force(settings)
    if target and target not in plan.flows:
        raise typer.BadParameter(
            f"There is no file and no flow {target!r}; the plan has {', '.join(plan.flows) or 'none'}.", param_hint="TARGET"
        )
    return plan, target


def _plan_in(folder: Path, settings: Settings) -> CentrePlan:
    from api.centre.plan_access import reader
    from api.centre.plan_faults import PlanBroken
    from api.centre.plan_folder import FolderUnreadable, read_folder

    try:
        return reader(settings).read(read_folder(folder), 0)
    except (PlanBroken, FolderUnreadable) as broken:
        raise _told(broken.faults) from None
    except OSError as error:
        raise _told([error], 2) from None


def _plan_in_force(settings: Settings) -> CentrePlan:
    import asyncio

    from api.centre.plan_access import plans_alone
    from api.store import StoreUnavailable

    async def read() -> CentrePlan:
        async with plans_alone(settings) as plans:
            return plans.plan or CentrePlan()

    try:
        settings.server.data_dir.mkdir(parents=True, exist_ok=True)
        return asyncio.run(read())
    except (OSError, StoreUnavailable) as error:
        raise _told([error], 2) from None


def _flows_alone(files: list[Path], settings: Settings) -> dict[str, Flow]:
    """Flows without a plan around them: what they name there is not looked at."""
    from api.centre.prompts import prompts_of
    from rooms.document import DocumentError, Fault
    from rooms.flows.checking import check
    from rooms.flows.reading import read_flow

    flows: dict[str, Flow] = {}
    faults: list[Fault] = []
    for path in files:
        try:
            flows[path.stem] = read_flow(path.read_text(encoding="utf-8"), path.stem)
        except DocumentError as error:
            faults += error.faults
        except (OSError, UnicodeDecodeError) as error:
            raise _told([f"{path}: {error}"], 2) from None
    faults += [] if faults else check(flows, None, None, None, None, prompts_of(settings.media.prompts, settings.prompt_folder))
    if faults:
        raise _told(faults)
    return flows


def _told(faults: Iterable[object], status: int = 1) -> typer.Exit:
    for fault in faults:
        typer.echo(fault, err=status > 1)
    return typer.Exit(status)


# ---------------------------------------------------------------- what is written on the command line


def _moment(at: str, plan: CentrePlan, name: str) -> float:
    """In epoch seconds. A time without a zone is of the first calendar that is asked."""
    if not at:
        return time.time()
    flows = [plan.flows[name]] if name else list(plan.flows.values())
    asked = (step.calendar for flow in flows for step in flow.steps.values() if isinstance(step, Hours))
    zone = next((plan.calendars[calendar].zone for calendar in asked if calendar in plan.calendars), "UTC")
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        raise typer.BadParameter(f"{at!r} is no time: write one like 2026-12-24T18:00.", param_hint="--at") from None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=ZoneInfo(zone))).timestamp()


def _pairs(written: list[str] | None, option: str) -> list[tuple[str, str]]:
    found = [each.partition("=") for each in written or ()]
    for key, equals, _ in found:
        if not key or not equals:
            raise typer.BadParameter(f"{key!r} says nothing: write NAME=VALUE.", param_hint=option)
    return [(key, value) for key, _, value in found]


def _value(written: str) -> FactValue:
    """A flag, a number, or a text."""
    if written in ("true", "false"):
        return written == "true"
    try:
        return float(written) if not written.startswith(("+", "0")) else written
    except ValueError:
        return written
