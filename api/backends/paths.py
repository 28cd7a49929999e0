"""Parts of an address that come from elsewhere."""

from urllib.parse import quote

from api.backends.protocols import BackendFault


def segment(text: str) -> str:
    """One part of a path, whatever is in it. Raises ``BackendFault`` where it would lead out of its place."""
    if text in ("", ".", ".."):
        raise BackendFault("invalid", "It gave an id that is none.")
    return quote(text, safe="")
