"""The PBX's CRM engine: runs the scenarios of a template against whoever the template names. Pure but for the injected ``fetch``."""

import json
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from pbx.threecx.double.crm_expression import BadExpression, Value, as_text, expand, holds, skips
from pbx.threecx.double.crm_template import (
    CREATE_BY_CLIENT,
    EMAIL,
    LOOKUP,
    PHONES,
    REPORT_CALL,
    SEARCH,
    PostValue,
    Rule,
    Scenario,
    Template,
    Variable,
)
from pbx.threecx.double.manners import Manners

MAX_CHAIN = 10
Contact = dict[str, str]
Binding = dict[tuple[str, ...], int]


@dataclass(frozen=True, slots=True)
class HttpRequest:
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    status: int
    body: bytes


Fetch = Callable[[HttpRequest], Awaitable[HttpResponse]]


class CrmFailure(Exception):
    """A scenario could not be carried out. The message says why, as the PBX's log would."""


@dataclass(slots=True)
class CrmResult:
    """``log`` tells an administrator what happened, step by step."""

    contacts: list[Contact] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    error: str = ""


class Crm:
    """``settings``: what the administrator filled in for the template's parameters; the rest have their defaults."""

    def __init__(self, template: Template, settings: Mapping[str, str], manners: Manners, fetch: Fetch) -> None:
        self.template = template
        defaults = {parameter.name: parameter.default for parameter in template.parameters}
        self._settings: dict[str, Value] = {**defaults, **settings}
        self._manners = manners
        self._fetch = fetch

    async def look_up(self, number: str, direction: str = "Inbound") -> CrmResult:
        """By number, as at a call. A contact counts only where one of its phones is the number that was asked for, as it was asked."""
        shown = self._spelled(number)
        result = CrmResult()
        for scenario in self.template.of(LOOKUP):
            known: dict[str, Value] = {"Number": shown, "CallDirection": direction, "FoundRecordCount": len(result.contacts)}
            found = await self._guarded(scenario, known, result)
            for contact in found:
                if any(contact.get(phone) == shown for phone in PHONES):
                    result.contacts.append(contact)
                else:
                    result.log.append("a contact without a phone equal to the number asked for does not count")
        return result

    async def look_up_email(self, email: str) -> CrmResult:
        return await self._all(EMAIL, {"Email": email})

    async def search(self, text: str) -> CrmResult:
        return await self._all(SEARCH, {"SearchText": text})

    async def create(self, first: str, last: str, email: str, number: str, company: str = "") -> CrmResult:
        """As by the button in 3CX's client."""
        known = {"FirstName": first, "LastName": last, "Email": email, "Number": self._spelled(number), "Company": company}
        return await self._all(CREATE_BY_CLIENT, known)

    async def report_call(self, variables: Mapping[str, Value]) -> CrmResult:
        """Journal a call, as often as the manners say."""
        result = CrmResult()
        for scenario in self.template.of(REPORT_CALL):
            for _ in range(2 if self._manners.report_call == "twice" else 1):
                await self._guarded(scenario, variables, result)
        return result

    async def _all(self, prefix: str, known: Mapping[str, Value]) -> CrmResult:
        result = CrmResult()
        for scenario in self.template.of(prefix):
            result.contacts += await self._guarded(scenario, known, result)
        return result

    async def _guarded(self, scenario: Scenario, known: Mapping[str, Value], result: CrmResult) -> list[Contact]:
        try:
            contacts = await self._run(scenario, {**self._settings, **known}, result.log)
        except (CrmFailure, BadExpression) as failure:
            result.error = str(failure)
            result.log.append(result.error)
            return []
        counting = [contact for contact in contacts if _counts(contact)]
        if len(counting) < len(contacts):
            result.log.append("a contact without ContactUrl or without any name does not count")
        return counting

    def _spelled(self, number: str) -> str:
        """The number as the template wants it: prefix first, then its last digits."""
        bare = number.removeprefix("+") if number.startswith("+") else number.removeprefix("00")
        international = bare != number
        spelled = {
            "AsIs": number,
            "Off": bare,
            "Plus": f"+{bare}" if international else number,
            "Zeros": f"00{bare}" if international else number,
        }
        limit = self.template.max_length
        text = spelled[self.template.prefix]
        return text[-int(limit) :] if limit.isdecimal() and int(limit) else text

    # -- one scenario

    async def _run(self, scenario: Scenario, variables: dict[str, Value], log: list[str], depth: int = 0) -> list[Contact]:
        if depth > MAX_CHAIN:
            raise CrmFailure("the scenarios follow one another without end")
        name = scenario.id or "lookup by number"
        if skips(scenario.request.skip_if, variables):
            log.append(f"{name}: skipped")
            return []
        answer = await self._ask(scenario, variables, log)
        records = list(self._records(scenario, answer, as_text(variables.get("Number"))))
        log.append(f"{name}: {len(records)} records")
        if not records and not scenario.allow_empty:
            return []
        found: list[Contact] = []
        for binding in records or [{}]:
            mine = dict(variables)
            for variable in scenario.variables:
                mine[variable.name] = _value(answer, variable, binding)
            outputs = {
                output.kind: "" if _unfilled(output.value, mine) else expand(output.value, mine, output.passes)
                for output in scenario.outputs
            }
            if scenario.following:
                following = next(each for each in self.template.scenarios if each.id == scenario.following)
                return await self._run(following, mine | dict(outputs), log, depth + 1)
            found.append(outputs)
        return found

    def _records(self, scenario: Scenario, answer: Any, number: str) -> Iterator[Binding]:
        """The places in the answer that count: of the first array on the way of the rules (or of the variables), each element for which
        every rule holds."""
        paths = [rule.path for rule in scenario.rules] or [variable.path for variable in scenario.variables]
        array = next((found for path in paths if (found := _first_array(answer, path)) is not None), None)
        bindings: list[Binding] = [{}]
        if array is not None:
            bindings = [{array: index} for index in range(len(_at(answer, array)))]
        for binding in bindings:
            if all(_rule_holds(rule, answer, binding, number) for rule in scenario.rules) and (answer is not None):
                yield binding

    async def _ask(self, scenario: Scenario, variables: dict[str, Value], log: list[str]) -> Any:
        request = scenario.request
        headers = {key: self._expand(text, variables) for key, text in request.headers} | await self._authentication(
            scenario, variables, log
        )
        url = self._expand(request.url, variables, request.passes)
        if request.query:
            url += ("&" if "?" in url else "?") + urlencode({key: self._expand(text, variables) for key, text in request.query})
        body = b"" if request.method == "Get" else self._body(scenario, variables, headers)
        try:
            response = await self._fetch(HttpRequest(request.method.upper(), url, headers, body))
        except OSError as error:
            raise CrmFailure(f"the address cannot be reached: {error}") from None
        log.append(f"{request.method.upper()} {url}: {response.status}")
        if response.status >= 400:
            raise CrmFailure(f"the service answered {response.status}")
        try:
            return json.loads(response.body) if response.body.strip() else None
        except ValueError:
            raise CrmFailure("the service answered with something that is no JSON") from None

    async def _authentication(self, scenario: Scenario, variables: dict[str, Value], log: list[str]) -> dict[str, str]:
        kind, value = self.template.authentication
        if kind == "Basic":
            return {"Authorization": "Basic " + b64encode(self._expand(value, variables).encode()).decode()}
        if kind == "Scenario" and scenario.id != value:
            asked = next(each for each in self.template.scenarios if each.id == value)
            (outputs,) = (await self._run(asked, dict(variables), log)) or [{}]
            return {outputs["HeaderName"]: outputs["HeaderValue"]} if "HeaderName" in outputs else {}
        return {}

    def _expand(self, text: str, variables: Mapping[str, Value], passes: int = 1) -> str:
        return expand(text, variables, passes, unfilled=self._manners.unfilled_variables)

    def _body(self, scenario: Scenario, variables: dict[str, Value], headers: dict[str, str]) -> bytes:
        request = scenario.request
        if request.message:
            headers.setdefault("Content-Type", request.content_type or "application/json")
            return self._expand(request.message, variables, request.passes).encode()
        tree = self._object(request.post_values, variables)
        if request.encoding == "UrlEncoded":
            headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
            return urlencode(tree, quote_via=quote).encode()
        headers.setdefault("Content-Type", "application/json; charset=utf-8")
        return json.dumps(tree, ensure_ascii=False).encode()

    def _object(self, values: tuple[PostValue, ...], variables: Mapping[str, Value]) -> dict[str, Any]:
        return {value.key: self._posted(value, variables) for value in values if not self._left_out(value, variables)}

    def _left_out(self, value: PostValue, variables: Mapping[str, Value]) -> bool:
        return skips(value.skip_if, variables) or bool(value.only_if and not holds(value.only_if, variables, quotes=False))

    def _posted(self, value: PostValue, variables: Mapping[str, Value]) -> Any:
        if value.tag == "Object":
            return self._object(value.children, variables)
        if value.tag == "Array":
            return [self._posted(child, variables) for child in value.children if not self._left_out(child, variables)]
        text = self._expand(value.text, variables, value.passes)
        kinds: dict[str, Callable[[str], Any]] = {"Integer": int, "Double": float, "Boolean": lambda word: word == "True"}
        try:
            return kinds.get(value.kind, str)(text)
        except ValueError:
            raise CrmFailure(f"{value.key} is to be of type {value.kind}, and is not") from None


def _counts(contact: Contact) -> bool:
    return bool(contact.get("ContactUrl")) and any(contact.get(name) for name in ("FirstName", "LastName", "FullName", "CompanyName"))


def _unfilled(text: str, variables: Mapping[str, Value]) -> bool:
    """Is an output nothing but one variable that has no value?"""
    inner = text[1:-1] if text.startswith("[") and text.endswith("]") else ""
    return bool(inner) and inner.isidentifier() and variables.get(inner) in (None, "")


# -- paths in an answer: arrays are walked through, and one walk binds each array on its way to one of its elements


def _first_array(answer: Any, path: tuple[str, ...]) -> tuple[str, ...] | None:
    node = answer
    for depth, part in enumerate(path):
        node = node.get(part) if isinstance(node, dict) else None
        if isinstance(node, list):
            return path[: depth + 1]
    return () if isinstance(answer, list) else None


def _at(answer: Any, path: tuple[str, ...]) -> list[Any]:
    node = answer
    for part in path:
        node = node[part]
    return list(node)


def _leaves(node: Any, path: tuple[str, ...], binding: Binding, walked: tuple[str, ...] = ()) -> Iterator[tuple[Any, Binding]]:
    """Every value at a path, with the elements that lead there, of those that agree with the binding."""
    if isinstance(node, list):
        indices = [binding[walked]] if walked in binding else range(len(node))
        for index in indices:
            if index < len(node):
                yield from _leaves(node[index], path, {**binding, walked: index}, walked)
    elif not path:
        yield node, binding
    elif isinstance(node, dict) and path[0] in node:
        yield from _leaves(node[path[0]], path[1:], binding, (*walked, path[0]))


def _rule_holds(rule: Rule, answer: Any, binding: Binding, number: str) -> bool:
    return any(_matches(rule, _as_value(value), number) for value, _ in _leaves(answer, rule.path, binding))


def _matches(rule: Rule, value: Value, number: str) -> bool:
    text = as_text(value)
    if rule.kind == "Any":
        return bool(text)
    if rule.kind == "Equals":
        return text == rule.ethalon
    return bool(text) and _digits(text) == _digits(number)


def _digits(text: str) -> str:
    return "".join(character for character in text if character.isdecimal()).lstrip("0")


def _as_value(value: Any) -> Value:
    return value if isinstance(value, str | int | float | bool) or value is None else json.dumps(value)


def _value(answer: Any, variable: Variable, binding: Binding) -> Value:
    """The first value at the variable's path in this record for whose element the filter's rules hold."""
    for value, place in _leaves(answer, variable.path, binding):
        if all(_rule_holds(rule, answer, place, "") for rule in variable.rules):
            return _as_value(value)
    return None
