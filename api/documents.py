"""What is generated of ``docs/``, from the code; ``centralita describe`` writes it."""

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from msgspec import Struct

from api.described_routes import DESCRIBED, HELD, SEEN, Described
from api.guarded_routes import ROUTES
from api.once import KEY_HEADER, ONCE
from api.seen import READ_OFTEN
from signaling.description import asyncapi, markdown
from signaling.problems import Problem

Schema = dict[str, Any]
_ROOT = "/api/v1/"
_HEADERS = {
    KEY_HEADER: "A key of your own for this one wish: sent again under it, it is not done again.",
    HELD: "The `ETag` of what you have: where it is so still, 304 comes and nothing more.",
    SEEN: "The `ETag` of what you saw: where others changed it meanwhile, nothing is done.",
}
_SCHEMAS = "#/components/schemas/{name}"
_ALWAYS = (403, 429)
"""Anybody may be refused by address, or for asking too much."""
_ABOUT = (
    "Errors are RFC 9457 problems with our own `error` in them, as on the wire. Times: seconds since the epoch. "
    "Answers of `/api/v1/` say in `X-RateLimit-Limit`, `X-RateLimit-Remaining` and `X-RateLimit-Reset` (seconds) how much of an hour's "
    "quota is left, and refusals in `Retry-After` how many seconds to wait."
)


def documents() -> Mapping[str, str]:
    """The generated files, by name."""
    return {
        "signaling.md": markdown(),
        "asyncapi.json": json.dumps(asyncapi(), indent=1) + "\n",
        "openapi.json": json.dumps(openapi(), indent=1) + "\n",
    }


def openapi() -> Schema:
    """OpenAPI 3.1 of every route."""
    paths: Schema = {}
    for (method, path), described in DESCRIBED.items():
        paths.setdefault(path, {})[method.lower()] = _operation(method, path, described)
    _, components = msgspec.json.schema_components(_types(), ref_template=_SCHEMAS)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Centralita: REST",
            "version": "1",
            "description": _ABOUT,
        },
        "paths": paths,
        "components": {
            "schemas": dict(sorted(components.items())),
            "responses": {"problem": _problem("Refused: `detail` says whose fault it is and what to do.")},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "A session's token, or an API key."}},
        },
    }


def _types() -> list[Any]:
    """All that is sent or answered, so that each has its schema once."""
    found: list[Any] = [Problem]
    for described in DESCRIBED.values():
        answer = described.answer
        found += [described.body] if described.body is not None else []
        found += answer.values() if isinstance(answer, dict) else [answer] if answer is not None else []
    return found


def _operation(method: str, path: str, described: Described) -> Schema:
    permission = ROUTES[method, path]
    names = re.findall(r"\{(\w+)\}", path)
    once, often = (method, path) in ONCE, (method, path) in READ_OFTEN
    headers = (*([KEY_HEADER] if once else []), *([HELD] if often else []), *described.headers)
    operation: Schema = {
        "operationId": _name(method, path),
        "summary": described.summary,
        "tags": [path.removeprefix(_ROOT).split("/")[0] if path.startswith(_ROOT) else "pages"],
        "parameters": [
            *({"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}} for name in names),
            *({"name": name, "in": "query", "schema": _schema(kind)} for name, kind in described.query.items()),
            *({"name": name, "in": "header", "schema": {"type": "string"}, "description": _HEADERS[name]} for name in headers),
        ],
        "responses": _responses(described, permission is not None, bool(names), once, often),
    }
    if described.body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": _schema(described.body)}}}
    if permission is not None:
        operation |= {"security": [{"token": []}], "x-permission": str(permission)}
    return operation


def _name(method: str, path: str) -> str:
    """Of an operation; a page of the same word is another one."""
    kind = method.lower() if path.startswith(_ROOT) else "page"
    return "_".join([kind, *re.findall(r"\w+", path.removeprefix(_ROOT))]) if path != "/" else "page_softphone"


def _responses(described: Described, asks_who: bool, named: bool, once: bool, often: bool) -> Schema:
    responses = {str(status): _answer(status, described) for status in described.statuses}
    if often:
        responses["304"] = {"description": HTTPStatus.NOT_MODIFIED.phrase}
    problems = {*described.problems, *_ALWAYS}
    problems |= {401, 503} if asks_who else set()
    problems |= {400, 404} if named else set()
    problems |= {409} if once else set()
    problems |= {400, 408, 413} if described.body is not None else {400} if described.query else set()
    for status in sorted(problems - set(described.statuses)):
        responses[str(status)] = {"$ref": "#/components/responses/problem"}
    return responses


def _answer(status: int, described: Described) -> Schema:
    words = {"description": HTTPStatus(status).phrase}
    if status in (101, 204, 304) or (described.answer is None and not described.content):
        return words
    if described.content:
        return words | {"content": {kind: {} for kind in described.content}}
    return words | {"content": {"application/json": {"schema": _schema(described.answer)}}}


def _problem(words: str) -> Schema:
    headers = {"Retry-After": {"description": "Seconds to wait, where waiting helps.", "schema": {"type": "integer"}}}
    return {"description": words, "headers": headers, "content": {"application/problem+json": {"schema": _schema(Problem)}}}


def _schema(kind: type[Struct] | Mapping[str, Any] | Any) -> Schema:
    if isinstance(kind, dict):
        fields = {name: _schema(of) for name, of in kind.items()}
        return {"type": "object", "properties": fields, "required": list(fields)}
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=_SCHEMAS)
    return schema
