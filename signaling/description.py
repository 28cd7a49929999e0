"""What is said between pages and server, described from the structs that it is made of: as AsyncAPI 3 and as text for people.

``docs/asyncapi.json`` and ``docs/signaling.md`` are written from here by ``centralita describe``; a test holds them equal to the structs.
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, get_args

import msgspec
from msgspec import Struct

from signaling import messages
from signaling.grants import REQUESTS
from signaling.guard import CLASSES

Schema = dict[str, Any]

REQUEST_TYPES: tuple[type[Struct], ...] = get_args(messages.AnyRequest)
NOTICE_TYPES: tuple[type[Struct], ...] = get_args(messages.AnyNotice)
_SCHEMAS = "#/components/schemas/"
_HUB = "hub"


def tag(struct: type[Struct]) -> str:
    """The name under which a message goes."""
    return str(struct.__struct_config__.tag)


def result_of(request: type[Struct]) -> type[Struct] | None:
    """What a request is answered with: its docstring names it as ``Result: ``X````. None where the answer is ``{}``."""
    named = re.search(r"Result: ``(\w+)``", request.__doc__ or "")
    if named is None:
        return None
    found: type[Struct] = getattr(messages, named[1])
    return found


def schemas(structs: Iterable[type[Struct]]) -> dict[str, Schema]:
    """JSON Schema (2020-12) of structs and all that they hold, by name, with what their fields' docstrings say."""
    structs = tuple(structs)
    _, found = msgspec.json.schema_components(structs, ref_template=_SCHEMAS + "{name}")
    described: dict[str, Schema] = dict(sorted(found.items()))
    for struct in _with_parts(structs):
        schema = described.get(struct.__name__)
        if schema is None:
            continue
        if "description" in schema:
            schema["description"] = inspect.cleandoc(schema["description"])
        for name, words in field_words(struct).items():
            if name in schema["properties"]:
                schema["properties"][name] = {**schema["properties"][name], "description": words}
    return described


def _with_parts(structs: Iterable[type[Struct]]) -> list[type[Struct]]:
    """These and every struct of the same modules: what they hold is among them."""
    modules = {inspect.getmodule(struct) for struct in structs}
    return [part for module in modules for part in vars(module).values() if inspect.isclass(part) and issubclass(part, Struct)]


@cache
def field_words(struct: type[Struct]) -> Mapping[str, str]:
    """The docstrings that stand under fields."""
    body = ast.parse(textwrap.dedent(inspect.getsource(struct))).body[0]
    assert isinstance(body, ast.ClassDef)
    words = {}
    for field, after in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(after, ast.Expr):
            words[field.target.id] = inspect.cleandoc(str(ast.literal_eval(after.value)))
    return words


# ---------------------------------------------------------------------- AsyncAPI


def asyncapi() -> Schema:
    """The AsyncAPI 3 document, seen from the server: it receives requests and sends notices."""
    results = [result for request in REQUEST_TYPES if (result := result_of(request)) is not None]
    components = schemas([*REQUEST_TYPES, *NOTICE_TYPES, *results, messages.Error])
    for request in REQUEST_TYPES:
        _without_type(components[request.__name__])
    for notice in NOTICE_TYPES:
        _with_place(components[notice.__name__])
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Centralita: signalling",
            "version": str(messages.PROTOCOL_VERSION),
            "description": inspect.cleandoc(messages.__doc__ or ""),
        },
        "defaultContentType": "application/json",
        "channels": {
            _HUB: {
                "address": "/socket.io/",
                "title": "Every page",
                "description": "Socket.IO protocol 5 over WebSocket alone. Connect with the auth `{token, seen, phone}`.",
                "messages": {
                    **{f"request.{tag(struct)}": _message(f"request.{tag(struct)}") for struct in REQUEST_TYPES},
                    **{f"result.{tag(struct)}": _message(f"result.{tag(struct)}") for struct in REQUEST_TYPES},
                    **{f"notice.{tag(struct)}": _message(f"notice.{tag(struct)}") for struct in NOTICE_TYPES},
                },
            },
        },
        "operations": {
            **{f"request.{tag(struct)}": _request(struct) for struct in REQUEST_TYPES},
            **{f"notice.{tag(struct)}": _operation("send", _HUB, f"notice.{tag(struct)}") for struct in NOTICE_TYPES},
        },
        "components": {
            "messages": {
                **{f"request.{tag(struct)}": _payload(struct, tag(struct)) for struct in REQUEST_TYPES},
                **{f"result.{tag(struct)}": _answer(struct) for struct in REQUEST_TYPES},
                **{f"notice.{tag(struct)}": _payload(struct, "notice") for struct in NOTICE_TYPES},
            },
            "schemas": components,
        },
    }


def _message(key: str) -> Schema:
    return {"$ref": f"#/components/messages/{key}"}


def _payload(struct: type[Struct], name: str) -> Schema:
    return {"name": name, "title": struct.__name__, "summary": _first_line(struct), "payload": {"$ref": _SCHEMAS + struct.__name__}}


def _answer(request: type[Struct]) -> Schema:
    result = result_of(request)
    done: Schema = {"type": "object", "maxProperties": 0} if result is None else {"$ref": _SCHEMAS + result.__name__}
    either = [
        {"type": "object", "properties": {"ok": done}, "required": ["ok"], "additionalProperties": False},
        {"type": "object", "properties": {"error": {"$ref": _SCHEMAS + "Error"}}, "required": ["error"], "additionalProperties": False},
    ]
    return {"name": "acknowledgement", "title": f"Answer to {tag(request)}", "payload": {"oneOf": either}}


def _operation(action: str, channel: str, key: str) -> Schema:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{key}"}],
    }


def _request(struct: type[Struct]) -> Schema:
    channel = {"$ref": f"#/channels/{_HUB}"}
    reply = {"channel": channel, "messages": [{"$ref": f"#/channels/{_HUB}/messages/result.{tag(struct)}"}]}
    return {**_operation("receive", _HUB, f"request.{tag(struct)}"), "reply": reply, "x-permission": str(_permission(struct))}


def _permission(request: type[Struct]) -> str:
    return {tag(struct): permission for struct, permission in REQUESTS.items()}[tag(request)]


def _without_type(schema: Schema) -> None:
    """A request is a Socket.IO event of its name: its payload does not say it again."""
    del schema["properties"]["type"]
    schema["required"] = [name for name in schema.get("required", ()) if name != "type"]


def _with_place(schema: Schema) -> None:
    """What the hub adds to each notice."""
    place = {
        "topic": {"type": "string", "description": "What it is about: a person, a room, everybody."},
        "seq": {"type": "integer", "description": "Counts up by one per topic."},
    }
    schema["properties"] = {**place, **schema["properties"]}
    schema["required"] = [*place, *schema.get("required", ())]


# ---------------------------------------------------------------------- for people


def markdown() -> str:
    """The same as a page of text."""
    known = schemas([*REQUEST_TYPES, *NOTICE_TYPES, messages.Error, *_results()])
    parts = [
        "# Signalling",
        "<!-- Written by `centralita describe`. Change the structs in signaling/, then run it again. -->",
        inspect.cleandoc(messages.__doc__ or "").replace("``", "`"),
        f"Protocol version {messages.PROTOCOL_VERSION}; `asyncapi.json` says the same to programs.",
        "## Requests",
        *(_section(struct, known, _asked(struct)) for struct in REQUEST_TYPES),
        "## Notices",
        *(_section(struct, known, "") for struct in NOTICE_TYPES),
        "## Parts",
        *(_section(struct, known, "") for struct in _parts(known)),
    ]
    return "\n\n".join(parts) + "\n"


def _results() -> list[type[Struct]]:
    return [result for request in REQUEST_TYPES if (result := result_of(request)) is not None]


def _parts(known: Mapping[str, Schema]) -> list[type[Struct]]:
    messages_of_all = {*REQUEST_TYPES, *NOTICE_TYPES}
    found = {part.__name__: part for part in _with_parts([messages.Error]) if part not in messages_of_all}
    return [found[name] for name in known if name in found]


def _asked(request: type[Struct]) -> str:
    result = result_of(request)
    answer = "`{}`" if result is None else f"`{result.__name__}`"
    return f"Permission `{_permission(request)}`. Answer: {answer}.{_allowance(request)}"


def _allowance(request: type[Struct]) -> str:
    """How many one connection may send, where that is less than its part of all requests."""
    if tag(request) not in CLASSES:
        return ""
    name, allowance = CLASSES[tag(request)]
    return f" At most {allowance.burst:g} at once and {allowance.rate_per_s:g}/s of class `{name}`."


def _section(struct: type[Struct], known: Mapping[str, Schema], more: str) -> str:
    schema = known[struct.__name__]
    name = f"### {struct.__struct_config__.tag or struct.__name__}"
    words = _without_result(schema.get("description", "")).replace("``", "`").strip()
    required = set(schema.get("required", ()))
    rows = [
        f"| `{field}` | {_type(of)}{'' if field in required else ', may be left out'} | {of.get('description', '').replace('``', '`')} |"
        for field, of in schema["properties"].items()
        if field != "type"
    ]
    table = "\n".join(["| field | type | |", "|---|---|---|", *(row.replace("\n", " ") for row in rows)]) if rows else ""
    return "\n\n".join(part for part in (name, words, more, table) if part)


def _without_result(words: str) -> str:
    """What stands in a line of its own is not said again; what follows it in its sentence begins one."""
    return re.sub(
        r"\s*Result: ``\w*\{?\}?``(?:\.|[;,:] (?:and )?(\W*\w)|)",
        lambda found: f" {found[1].upper() if found[1][0].isalpha() else found[1]}" if found[1] else "",
        words,
    )


def _type(schema: Schema) -> str:
    """A JSON Schema in a few words."""
    if "$ref" in schema:
        return f"`{schema['$ref'].rpartition('/')[2]}`"
    if "enum" in schema:
        return "one of " + ", ".join(f"`{value}`" for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_type(choice) for choice in schema["anyOf"])
    kind = str(schema.get("type", "anything"))
    if kind == "array":
        return f"list of {_type(schema['items'])}" if "items" in schema else "list"
    if kind == "object" and "additionalProperties" in schema:
        return f"object of {_type(schema['additionalProperties'])}" if schema["additionalProperties"] else "object"
    bounds = {
        "minLength": "at least {} long",
        "maxLength": "at most {} long",
        "minimum": "from {}",
        "maximum": "to {}",
        "pattern": "like `{}`",
    }
    limits = [words.format(str(schema[key]).replace("|", "\\|")) for key, words in bounds.items() if key in schema]
    return ", ".join([kind, *limits])


def _first_line(struct: type[Struct]) -> str:
    own = struct.__dict__.get("__doc__") or ""
    return inspect.cleandoc(own).split("\n")[0].replace("``", "`")
