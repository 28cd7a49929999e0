"""A server-side CRM template of 3CX, read strictly: what a real PBX is known to refuse is refused with its line, and so is what the
emulator has never heard of, because a misspelt word does nothing on a real one.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

MAX_BYTES = 1_000_000

PREDEFINED = frozenset(
    {
        *("Number", "Name", "Email", "SearchText", "CallDirection", "FoundRecordCount", "FirstName", "LastName", "Company", "CallType"),
        *("EntityId", "EntityType", "Agent", "AgentFirstName", "AgentLastName", "AgentEmail", "QueueExtension", "Duration"),
        *("DurationTimespan", "DateTime", "CallStartTimeLocal", "CallStartTimeUTC", "CallEstablishedTimeLocal"),
        *("CallEstablishedTimeUTC", "CallEndTimeLocal", "CallEndTimeUTC", "LineBreak", "Transcription", "Summary", "Sentiment"),
        *("RecordingUrl", "RecordingHyperLink", "ChatMessages", "ChatStartTimeUTC", "ChatEndTimeUTC", "MaxLength"),
    }
)
"""Variables that the PBX fills in; none of one's own may be called so."""

_ROOT = {"Name", "Version", "Country", "SupportsEmojis", "ListPageSize", "SupportsTranscription", "xmlns:xsi", "xmlns:xsd"}
_PARAMETER = {
    *("Name", "Type", "Parent", "Editor", "Title", "Default", "Validation"),
    *("ListValues", "RequestUrl", "RequestUrlParameters", "ResponseScenario"),
}
_REQUEST = {
    *("SkipIf", "Url", "MessagePasses", "Message", "RequestContentType"),
    *("RequestEncoding", "RequestType", "ResponseType"),
}
_ENUMS = {
    "Prefix": ("AsIs", "Off", "Plus", "Zeros"),
    "Parameter Type": ("String", "Integer", "Double", "Boolean", "DateTime", "Password", "OAuth", "List"),
    "Editor": ("String", "Sql"),
    "Authentication Type": ("No", "Basic", "Scenario"),
    "Scenario Type": ("REST", "SQLDatabase", "NoSQLDatabase"),
    "RequestType": ("Get", "Post"),
    "RequestEncoding": ("UrlEncoded", "Json"),
    "ResponseType": ("Json",),
    "Rule Type": ("Any", "Equals", "Number"),
    "Value Type": ("String", "Integer", "Double", "Boolean", "DateTime"),
    "boolean": ("true", "false"),
}
LOOKUP, EMAIL, SEARCH = "", "LookupByEmail", "SearchContacts"
CREATE, CREATE_BY_CLIENT = "CreateContactRecord", "CreateContactRecordFromClient"
REPORT_CALL, REPORT_CHAT = "ReportCall", "ReportChat"
PHONES = frozenset({"PhoneBusiness", "PhoneBusiness2", "PhoneHome", "PhoneMobile", "PhoneMobile2", "PhoneOther", "FaxBusiness", "Pager"})


class BadTemplate(Exception):
    """The PBX says "Incorrect file format" to such a file. ``line`` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line


@dataclass(slots=True)
class Node:
    tag: str
    attributes: dict[str, str]
    line: int
    children: list["Node"] = field(default_factory=list)
    text: str = ""


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    kind: str
    default: str


@dataclass(frozen=True, slots=True)
class PostValue:
    """``tag``: Value, Object or Array."""

    tag: str
    key: str
    text: str = ""
    only_if: str = ""
    skip_if: str = ""
    passes: int = 1
    kind: str = "String"
    children: tuple["PostValue", ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    url: str
    skip_if: str
    passes: int
    message: str
    content_type: str
    encoding: str
    method: str
    headers: tuple[tuple[str, str], ...]
    post_values: tuple[PostValue, ...]
    query: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Rule:
    kind: str
    ethalon: str
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    name: str
    path: tuple[str, ...]
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Output:
    kind: str
    value: str
    passes: int


@dataclass(frozen=True, slots=True)
class Scenario:
    id: str
    request: Request
    rules: tuple[Rule, ...]
    variables: tuple[Variable, ...]
    outputs: tuple[Output, ...]
    following: str
    allow_empty: bool


@dataclass(frozen=True, slots=True)
class Template:
    """``authentication``: its type and, where it has one, its value."""

    name: str
    version: int
    country: str
    prefix: str
    max_length: str
    parameters: tuple[Parameter, ...]
    authentication: tuple[str, str]
    scenarios: tuple[Scenario, ...]

    def of(self, prefix: str) -> list[Scenario]:
        """Scenarios of one kind: those whose id begins so, or that have none."""
        if prefix == LOOKUP:
            return [scenario for scenario in self.scenarios if scenario.id == ""]
        if prefix in (EMAIL, SEARCH):
            return [scenario for scenario in self.scenarios if scenario.id.startswith(prefix)]
        return [scenario for scenario in self.scenarios if scenario.id == prefix]


def read_template(xml: bytes) -> Template:
    """Raises ``BadTemplate``."""
    root = _parse(xml)
    if root.tag != "Crm":
        raise BadTemplate(root.line, f"the root is <Crm>, not <{root.tag[:40]}>")
    _known(root, _ROOT, {"Number", "Connection", "Parameters", "Authentication", "Scenarios"})
    version = _whole(root, "Version", least=0)
    for name in ("SupportsEmojis", "SupportsTranscription"):
        if name in root.attributes:
            _enum(root, name, "boolean")
    number = _child(root, "Number")
    _known(number, {"Prefix", "MaxLength"}, set())
    max_length = number.attributes.get("MaxLength", "")
    if max_length not in ("", "[MaxLength]") and not max_length.isdecimal():
        raise BadTemplate(number.line, f"MaxLength is empty, a number or [MaxLength], not {max_length[:40]!r}")
    connection = _child(root, "Connection")
    _known(connection, {"MaxConcurrentRequests"}, set())
    _whole(connection, "MaxConcurrentRequests", least=1)
    scenarios_node = _child(root, "Scenarios")
    _known(scenarios_node, set(), {"Scenario"})
    scenarios = tuple(_scenario(node) for node in scenarios_node.children)
    authentication = _authentication(_child(root, "Authentication"), {scenario.id for scenario in scenarios})
    _check_scenarios(scenarios_node, scenarios, authentication)
    return Template(
        _needed(root, "Name"),
        version,
        _needed(root, "Country"),
        _enum(number, "Prefix", "Prefix"),
        max_length,
        _parameters(_child(root, "Parameters")),
        authentication,
        scenarios,
    )


# -- XML with its lines


def _parse(xml: bytes) -> Node:
    if len(xml) > MAX_BYTES:
        raise BadTemplate(1, "the file is larger than a megabyte")
    parser = expat.ParserCreate()
    parser.buffer_text = True
    top = Node("", {}, 0)
    open_nodes = [top]

    def start(tag: str, attributes: dict[str, str]) -> None:
        node = Node(tag, attributes, parser.CurrentLineNumber)
        open_nodes[-1].children.append(node)
        open_nodes.append(node)

    def data(text: str) -> None:
        open_nodes[-1].text += text

    def doctype(*_: object) -> None:
        raise BadTemplate(parser.CurrentLineNumber, "a template has no DOCTYPE")

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda tag: open_nodes.pop() and None
    parser.CharacterDataHandler = data
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(xml, True)
    except expat.ExpatError as error:
        lines = xml.decode("utf-8", "replace").splitlines()
        here = lines[error.lineno - 1] if 0 < error.lineno <= len(lines) else ""
        hint = " (a comment may not hold two hyphens)" if re.search(r"--[^>]", here.replace("<!--", "")) else ""
        raise BadTemplate(error.lineno, f"no proper XML: {expat.ErrorString(error.code)}{hint}") from None
    return top.children[0]


def _known(node: Node, attributes: set[str], children: set[str]) -> None:
    for name in node.attributes:
        if name not in attributes:
            raise BadTemplate(node.line, f"<{node.tag}> has no attribute {name[:40]!r}; it has {', '.join(sorted(attributes)) or 'none'}")
    for child in node.children:
        if child.tag not in children:
            raise BadTemplate(child.line, f"<{node.tag}> holds no <{child.tag[:40]}>; it holds {', '.join(sorted(children)) or 'nothing'}")


def _needed(node: Node, name: str) -> str:
    if not node.attributes.get(name):
        raise BadTemplate(node.line, f"<{node.tag}> needs {name}")
    return node.attributes[name]


def _whole(node: Node, name: str, *, least: int) -> int:
    text = _needed(node, name)
    if not text.isdecimal() or int(text) < least:
        raise BadTemplate(node.line, f"{name} is a whole number from {least} on, not {text[:40]!r}")
    return int(text)


def _enum(node: Node, name: str, kind: str, default: str = "") -> str:
    text = node.attributes.get(name, default)
    if text not in _ENUMS[kind]:
        raise BadTemplate(node.line, f"{name} is one of {', '.join(_ENUMS[kind])} (spelled so), not {text[:40]!r}")
    return text


def _passes(node: Node, name: str = "Passes", default: str = "1") -> int:
    text = node.attributes.get(name, default)
    if text not in ("0", "1", "2", "3"):
        raise BadTemplate(node.line, f"{name} is 0 to 3, not {text[:40]!r}")
    return int(text)


def _maybe(node: Node, tag: str) -> Node | None:
    found = [child for child in node.children if child.tag == tag]
    if len(found) > 1:
        raise BadTemplate(found[1].line, f"<{node.tag}> has one <{tag}>")
    return found[0] if found else None


def _child(node: Node, tag: str) -> Node:
    found = _maybe(node, tag)
    if found is None:
        raise BadTemplate(node.line, f"<{node.tag}> needs <{tag}>")
    return found


# -- the parts


def _parameters(node: Node) -> tuple[Parameter, ...]:
    _known(node, set(), {"Parameter"})
    found: dict[str, Parameter] = {}
    for child in node.children:
        _known(child, _PARAMETER, set())
        name = _needed(child, "Name")
        if name in found or name in PREDEFINED:
            raise BadTemplate(child.line, f"the name {name[:40]} is taken")
        _enum(child, "Editor", "Editor", "String")
        found[name] = Parameter(name, _enum(child, "Type", "Parameter Type"), child.attributes.get("Default", ""))
    return tuple(found.values())


def _authentication(node: Node, ids: set[str]) -> tuple[str, str]:
    _known(node, {"Type"}, {"Value"})
    kind = _enum(node, "Type", "Authentication Type")
    value = _maybe(node, "Value")
    text = value.text.strip() if value is not None else ""
    if kind != "No" and not text:
        raise BadTemplate(node.line, f"authentication by {kind} needs a <Value>")
    if kind == "Scenario" and text not in ids:
        raise BadTemplate(node.line, f"there is no scenario {text[:40]!r} to authenticate with")
    return kind, text


def _scenario(node: Node) -> Scenario:
    _known(node, {"Id", "Type"}, {"Request", "Rules", "Variables", "Outputs"})
    kind = _enum(node, "Type", "Scenario Type")
    if kind != "REST":
        raise BadTemplate(node.line, f"scenarios of type {kind} are possible on a PBX, and not played here")
    rules, variables, outputs = (_maybe(node, tag) for tag in ("Rules", "Variables", "Outputs"))
    if outputs is not None:
        _known(outputs, {"Next", "AllowEmpty"}, {"Output"})
    return Scenario(
        node.attributes.get("Id", ""),
        _request(_child(node, "Request")),
        _rules(rules) if rules is not None else (),
        tuple(_variables(variables)) if variables is not None else (),
        tuple(_outputs(outputs)) if outputs is not None else (),
        outputs.attributes.get("Next", "") if outputs is not None else "",
        outputs is None or _enum(outputs, "AllowEmpty", "boolean", "false") == "true",
    )


def _request(node: Node) -> Request:
    _known(node, _REQUEST, {"Headers", "PostValues", "QueryParams", "Values"})
    posted = _maybe(node, "PostValues")
    values = tuple(_post_values(posted, in_array=False)) if posted is not None else ()
    _enum(node, "ResponseType", "ResponseType")
    message = node.attributes.get("Message", "")
    if message and values:
        raise BadTemplate(node.line, "a request has either Message or PostValues")
    return Request(
        _needed(node, "Url"),
        node.attributes.get("SkipIf", ""),
        _passes(node, "MessagePasses"),
        message,
        node.attributes.get("RequestContentType", ""),
        _enum(node, "RequestEncoding", "RequestEncoding"),
        _enum(node, "RequestType", "RequestType"),
        tuple(_pairs(_maybe(node, "Headers"))),
        values,
        tuple(_pairs(_maybe(node, "QueryParams"))),
    )


def _pairs(node: Node | None) -> Iterator[tuple[str, str]]:
    for child in node.children if node is not None else ():
        if child.tag != "Value":
            raise BadTemplate(child.line, f"<Value> is expected, not <{child.tag[:40]}>")
        _known(child, {"Key", "Passes", "Type", "If", "SkipIf"}, set())
        yield _needed(child, "Key"), child.text.strip()


def _post_values(node: Node, *, in_array: bool) -> Iterator[PostValue]:
    _known(node, set() if node.tag == "PostValues" else {"Key", "If", "SkipIf"}, {"Value", "Object", "Array"})
    for child in node.children:
        key = child.attributes.get("Key", "")
        if bool(key) == in_array:
            raise BadTemplate(child.line, 'inside an <Array> Key is "", elsewhere it is needed')
        conditions = child.attributes.get("If", ""), child.attributes.get("SkipIf", "")
        if child.tag == "Value":
            _known(child, {"Key", "If", "SkipIf", "Passes", "Type"}, set())
            yield PostValue("Value", key, child.text.strip(), *conditions, _passes(child), _enum(child, "Type", "Value Type", "String"))
        else:
            children = tuple(_post_values(child, in_array=child.tag == "Array"))
            yield PostValue(child.tag, key, "", *conditions, children=children)


def _rules(node: Node) -> tuple[Rule, ...]:
    _known(node, set(), {"Rule"})
    return tuple(_rule(child) for child in node.children)


def _rule(node: Node) -> Rule:
    _known(node, {"Type", "Ethalon"}, set())
    kind = _enum(node, "Type", "Rule Type")
    if kind == "Equals" and "Ethalon" not in node.attributes:
        raise BadTemplate(node.line, "a rule of type Equals needs Ethalon")
    return Rule(kind, node.attributes.get("Ethalon", ""), _path(node, node.text.strip()))


def _path(node: Node, text: str) -> tuple[str, ...]:
    """Dot separated from the root; arrays are walked through by themselves, and no place in one can be named."""
    parts = tuple(text.split("."))
    if not all(parts) or any("[" in part or part.isdecimal() for part in parts):
        raise BadTemplate(node.line, f"{text[:60]!r} is no path: names with dots between, no positions in arrays")
    return parts


def _variables(node: Node) -> Iterator[Variable]:
    _known(node, set(), {"Variable"})
    for child in node.children:
        _known(child, {"Name", "Path", "LookupValue"}, {"Filter"})
        name = _needed(child, "Name")
        if name in PREDEFINED:
            raise BadTemplate(child.line, f"{name} is a variable of the PBX's own")
        chosen = _maybe(child, "Filter")
        yield Variable(name, _path(child, _needed(child, "Path")), _rules(chosen) if chosen is not None else ())


def _outputs(node: Node) -> Iterator[Output]:
    for child in node.children:
        _known(child, {"Type", "Passes", "Value"}, set())
        yield Output(_needed(child, "Type"), child.attributes.get("Value", ""), _passes(child))


def _check_scenarios(node: Node, scenarios: tuple[Scenario, ...], authentication: tuple[str, str]) -> None:
    ids = [scenario.id for scenario in scenarios]
    reached = {scenario.following for scenario in scenarios} | ({authentication[1]} if authentication[0] == "Scenario" else set())
    own = (CREATE, CREATE_BY_CLIENT, REPORT_CALL, REPORT_CHAT)
    for child, scenario in zip(node.children, scenarios, strict=True):
        name = scenario.id
        if name and ids.count(name) > 1:
            raise BadTemplate(child.line, f"there are several scenarios {name[:40]}")
        if scenario.following and scenario.following not in ids:
            raise BadTemplate(child.line, f"Next names {scenario.following[:40]!r}, which is not there")
        started = name in own or name.startswith((EMAIL, SEARCH, "LookupFromCFD_")) or not name
        if not started and name not in reached:
            raise BadTemplate(child.line, f"nothing ever runs the scenario {name[:40]}")
        gives_contacts = started and name not in (REPORT_CALL, REPORT_CHAT) and not name.startswith("LookupFromCFD_")
        urls = sum(output.kind == "ContactUrl" for output in scenario.outputs)
        if gives_contacts and not scenario.following and urls != 1:
            raise BadTemplate(child.line, "a scenario that gives contacts has one output of type ContactUrl")
