"""The results of a demo call: one list of rows, shown as a table or as JSON."""

from rich.table import Table

from api import results
from api.demo_call.measure import Figures, Reload, Timings, band_of
from api.demo_call.plan import Plan
from api.results import Row

_PACKAGES = ("centralita", "aiortc", "av", "numpy", "playwright")

_UNITS = {
    "pesq_wb": "MOS-LQO",
    "pesq_nb": "MOS-LQO",
    "our_share": "MOS-LQO",
    "entered_the_server": "MOS-LQO",
    "left_the_server": "MOS-LQO",
    "stock_aiortc": "MOS-LQO",
    "payloads_identical": "fraction",
    "added_by_server": "ms",
    "added_p99": "ms",
    "silence_in_speech": "ms",
    "delay_excursion": "ms",
    "lost_before_server": "packets",
    "lost_after_server": "packets",
    "concealed_by_server": "ms",
    "concealed_by_browser": "fraction",
    "mos_nb": "MOS",
    "mos_wb": "MOS",
    "mos_fb": "MOS",
}
_EXCURSION_MS = 200.0 + 160.0
"""Delay must be back 200 ms after a loss; a window of 160 ms sees the change that much longer."""


def rows(plan: Plan, found: list[Figures], times: Timings, reloaded: list[Reload]) -> list[Row]:
    """Every figure as a row; what is promised carries its goal."""
    made: list[Row] = []
    for each in found:
        case = f"{plan.case}: {each.call} call, {each.speech}"
        for metric in each.values:
            value = each.median(metric)
            if value is not None and metric != "stock_aiortc":
                made.append(_row(case, metric, value, _UNITS[metric], _goal(plan, each, metric), each.median("stock_aiortc")))
    if times.relay_lost is not None:
        made.append(_row(plan.case, "lost_on_the_hop", times.relay_lost, "fraction", ""))
    for metric, value, goal in (
        ("click_to_ringing", times.click_to_ringing_ms, "<= 300"),
        ("accept_to_first_audio", times.accept_to_audio_ms, "<= 500"),
        ("offer_to_answer", times.offer_to_answer_ms, "<= 2"),
    ):
        if value is not None:
            made.append(_row(plan.case, metric, value, "ms", goal))
    for reload in reloaded:
        made.append(_row(f"{plan.case}: page reloaded", "silent", reload.silent_s, "s", "<= 2"))
        made.append(_row(f"{plan.case}: page reloaded", "phone_saw_end", float(reload.phone_saw_end), "count", "<= 0"))
    return made


def _goal(plan: Plan, each: Figures, metric: str) -> str:
    """What is promised of this figure in a run like this. Absolute quality is promised for a path that loses nothing."""
    if plan.loss:
        concealed = plan.transcoding and plan.concealment and plan.loss_on == "browser" and each.speech == "agent to phone"
        return {"silence_in_speech": "<= 60", "delay_excursion": f"<= {_EXCURSION_MS:g}"}.get(metric, "") if concealed else ""
    if metric == band_of(plan):
        if metric == "pesq_wb":
            return ">= 3.5"
        return ">= 3.5" if plan.transcoding else ">= 3.6"
    if metric == "our_share":
        return "<= 0.15" if plan.transcoding else "<= 0"
    if metric == "payloads_identical":
        return ">= 1"
    return ""


def _row(case: str, metric: str, value: float, unit: str, goal: str, stock: float | None = None) -> Row:
    compared = metric == "left_the_server" and stock is not None
    return Row(case, metric, round(value, 4), unit, "aiortc" if compared else "", stock if compared else None, goal)


def as_json(made: list[Row]) -> str:
    """The object of DESIGN section 12, in one line."""
    return results.as_json("demo-call", made, _PACKAGES)


def as_tables(plan: Plan, made: list[Row]) -> list[Table]:
    """For people: what was heard, one column per call and direction of speech; then what belongs to the run as a whole."""
    prefix = f"{plan.case}: "
    heard = [row for row in made if " call, " in row.case]
    cases = list(dict.fromkeys(row.case for row in heard))
    voices = _table(plan.case, "promised", *(case.removeprefix(prefix).replace(" call, ", "\n") for case in cases))
    for metric in dict.fromkeys(row.metric for row in heard):
        cells = {row.case: row for row in heard if row.metric == metric}
        first = next(iter(cells.values()))
        goal = next((row.goal for row in cells.values() if row.goal), "")
        voices.add_row(f"{_words(metric)} [dim]{first.unit}[/]", goal, *(_cell(cells.get(case)) for case in cases))
        if any(row.peer_value is not None for row in cells.values()):
            stock = [cells[case].peer_value if case in cells else None for case in cases]
            voices.add_row("  the same packets through stock aiortc", "", *("" if value is None else f"{value:.2f}" for value in stock))
    whole = _table("the run", "promised", "value")
    for row in made:
        if row not in heard:
            words = f"{row.case.removeprefix(prefix)}: " if row.case.startswith(prefix) else ""
            whole.add_row(f"{words}{_words(row.metric)} [dim]{row.unit}[/]", row.goal, _cell(row))
    return [voices, whole]


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _words(metric: str) -> str:
    return metric.replace("_", " ")


def _cell(row: Row | None) -> str:
    if row is None:
        return ""
    verdict = "" if row.holds is None else " [green]✓[/]" if row.holds else " [bold red]✗[/]"
    return f"{row.value:.2f}{verdict}"
