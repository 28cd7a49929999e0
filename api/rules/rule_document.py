"""The document ``rules`` of the contact centre's plan: each table is a rule."""

from collections.abc import Collection, Mapping

from api.centre.plan_documents import NAME, SUCH_A_NAME
from api.happenings import Kind
from api.notify.message import is_address
from rooms.document import Document, Table
from rooms.flows.fact_reading import condition
from rooms.rules.rule import CUSTOMER, ON_SCHEDULE, ON_WEBHOOK, Act, ActKind, Rule
from rooms.rules.schedule import BadSchedule, Schedule, read_schedule

LANGUAGES = ("en", "es")
TRIGGERS = (*(str(kind) for kind in Kind), ON_SCHEDULE, ON_WEBHOOK)
_IDENTITY = r"[A-Za-z0-9._@-]{1,64}"
_TEAM = r"[^\s,]{1,64}"
_MOST_RULES, _MOST_ACTS = 200, 10
_LONGEST_TEXT = 4_000


def read_rules(document: Document, secrets: Collection[str], webhooks: Collection[str]) -> Mapping[str, Rule]:
    """What is wrong is complained of at ``document``. ``secrets``: names that the settings hold; ``webhooks``: those of the plan."""
    found = {name: _rule(name, table, secrets, webhooks) for name, table in document.root.named(NAME, SUCH_A_NAME)}
    if len(found) > _MOST_RULES:
        document.root.complain("", f"There are {len(found)} rules: {_MOST_RULES} at most.")
    return found


def _rule(name: str, table: Table, secrets: Collection[str], webhooks: Collection[str]) -> Rule:
    on = table.one_of("on", TRIGGERS)
    every, zone, secret = table.text("every", ""), table.text("zone", ""), table.text("secret", "", like=NAME, such_as=SUCH_A_NAME)
    rule = Rule(
        name,
        on,
        tuple(condition(each, close=True) for each in table.tables("when")),
        tuple(_act(each, webhooks) for each in table.tables("do")),
        enabled=table.flag("enabled", True),
        most_per_hour=table.whole("most_per_hour", 60, least=1, most=10_000),
        schedule=_schedule(table, every, zone) if on == ON_SCHEDULE else None,
        secret=secret,
        title=_texts(table, "title", 200),
    )
    if on != ON_SCHEDULE and (every or zone):
        table.complain("every" if every else "zone", f"'every' and 'zone' are of rules that are on {ON_SCHEDULE!r}.")
    if on == ON_WEBHOOK and not secret:
        table.complain("", "A webhook has to be signed: name 'secret', one of the settings' centre.secrets.")
    elif secret and on != ON_WEBHOOK:
        table.complain("secret", f"'secret' is of rules that are on {ON_WEBHOOK!r}.")
    elif secret and secret not in secrets:
        table.complain("secret", f"The settings have no secret {secret!r}: set centre.secrets.{secret}.")
    if not rule.acts:
        table.complain("", "The rule does nothing: write what under [[NAME.do]].")
    elif len(rule.acts) > _MOST_ACTS:
        table.complain("do", f"The rule does {len(rule.acts)} things: {_MOST_ACTS} at most.")
    table.close()
    return rule


def _schedule(table: Table, every: str, zone: str) -> Schedule | None:
    if not every or not zone:
        table.complain("", "When? Give 'every', as '0 9 * * mon-fri', and 'zone', as 'Europe/Madrid'.")
        return None
    try:
        return read_schedule(every, zone)
    except BadSchedule as error:
        table.complain("every", f"{every!r} is no time that comes: {error}.")
        return None


def _act(table: Table, webhooks: Collection[str]) -> Act:
    kind = ActKind(table.one_of("act", tuple(str(each) for each in ActKind)))
    to, team = table.text("to", "", most=254), table.text("team", "", like=_TEAM, such_as="'madrid'")
    title, text = _texts(table, "title", 200), _texts(table, "text", _LONGEST_TEXT)
    due_s = table.number("due_s", 0.0, most=366 * 86_400.0) if "due_s" in table else None
    priority = table.one_of("priority", ("normal", "low", "high", "urgent"), "normal")
    values = _values(table) if kind is ActKind.UPDATE else {}
    act = Act(kind, to, team, title, text, due_s, priority, values)
    _check(table, act, webhooks)
    table.close()
    return act


def _check(table: Table, act: Act, webhooks: Collection[str]) -> None:
    """Has it what it needs?"""
    match act.kind:
        case ActKind.WEBHOOK if act.to not in webhooks:
            table.complain(
                "to" if act.to else "", f"'to' names one of the plan's document webhooks: {', '.join(sorted(webhooks)) or 'none'}."
            )
        case ActKind.EMAIL if act.to != CUSTOMER and not is_address(act.to):
            table.complain("to" if act.to else "", f"'to' is an e-mail address, or {CUSTOMER!r}.")
        case ActKind.SMS if act.to != CUSTOMER and not (act.to.startswith("+") and act.to[1:].isdecimal()):
            table.complain("to" if act.to else "", f"'to' is a number such as +34600111222, or {CUSTOMER!r}.")
        case ActKind.TELL if bool(act.to) is bool(act.team):
            table.complain("", "Who is told? Name 'to', a person, or 'team'.")
        case ActKind.UPDATE if not act.values:
            table.complain("", "What is changed? Give 'vip', 'language' or 'lead_score'.")
    if act.kind in (ActKind.TICKET, ActKind.TASK, ActKind.EMAIL) and not act.title:
        table.complain("", "'title' is missing: give a text, or one by language.")
    if act.kind in (ActKind.NOTE, ActKind.EMAIL, ActKind.SMS, ActKind.TELL) and not act.text:
        table.complain("", "'text' is missing: give a text, or one by language.")


def _texts(table: Table, key: str, most: int) -> Mapping[str, str]:
    """A text, or texts by language."""
    if isinstance(table.values.get(key), dict):
        of_languages = table.table(key)
        found = {language: of_languages.text(language, "", most=most) for language in LANGUAGES}
        of_languages.close()
        return {language: text for language, text in found.items() if text}
    text = table.text(key, "", most=most)
    return {"": text} if text else {}


def _values(table: Table) -> Mapping[str, str | float | bool]:
    values: dict[str, str | float | bool] = {}
    if "vip" in table:
        values["vip"] = table.flag("vip", False)
    if "language" in table:
        values["language"] = table.one_of("language", LANGUAGES)
    if "lead_score" in table:
        values["lead_score"] = table.number("lead_score", most=1.0)
    return values
