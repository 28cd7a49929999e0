"""A secret that is drawn at the first start and kept in a file."""

import os
import secrets
from pathlib import Path


def kept_secret(path: Path) -> str:
    """64 hexadecimal digits: those in the file, or new ones, which are then in the file, readable by us alone."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = secrets.token_hex(32)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(drawn + "\n")
    return drawn
