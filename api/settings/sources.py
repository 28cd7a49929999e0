"""Where settings come from: a TOML file, the environment, a folder of secrets and the command line, each over the one before it.

Read with pydantic's models but a loader of our own, because that knows of each value where it came from.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from api.settings.faults import ConfigError, told

Tree = TypeVar("Tree", bound=BaseModel)

PREFIX = "CENTRALITA_"
DEFAULT_FILE = Path("centralita.toml")
_NOT_SECTIONS = {"SECRETS_DIR"}
"""Names in the environment that are about the settings and not settings: where the folder of secrets is."""


class Sources:
    """Collects values by their path, with where each came from, and every fault on the way."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}
        self._origin: dict[tuple[str, ...], str] = {}
        self._faults: list[str] = []

    def file(self, path: Path | None) -> None:
        if path is None and not DEFAULT_FILE.is_file():
            return
        chosen = path or DEFAULT_FILE
        try:
            self._merge((), tomllib.loads(chosen.read_text(encoding="utf-8")), str(chosen))
        except OSError as error:
            self._faults.append(f"{chosen}: cannot be read ({error.strerror}): check the path given with --config.")
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            self._faults.append(f"{chosen}: is not TOML: {error}.")

    def environment(self, environment: Mapping[str, str]) -> None:
        for name in sorted(environment):
            if name.startswith(PREFIX) and name.removeprefix(PREFIX) not in _NOT_SECTIONS:
                path = name.removeprefix(PREFIX).lower().split("__")
                self._put(tuple(path), environment[name], f"environment variable {name}")

    def secrets(self, folder: Path) -> None:
        """Each file holds one value; ``sip__password`` is named like the environment variable, in lower case, without its prefix."""
        if not folder.is_dir():
            self._faults.append(f"{folder}: is no folder: {PREFIX}SECRETS_DIR must name the folder of secrets.")
            return
        for file in sorted(folder.iterdir()):
            if file.is_file() and not file.name.startswith("."):
                self._put(tuple(file.name.lower().split("__")), file.read_text(encoding="utf-8").strip(), f"secret file {file}")

    def command_line(self, overrides: Mapping[str, Any]) -> None:
        for name, value in overrides.items():
            if value is not None:
                self._put(tuple(name.split(".")), value, "command line")

    @property
    def data_dir(self) -> Path:
        """As far as it is known by now."""
        server = self._values.get("server")
        folder = server.get("data_dir") if isinstance(server, dict) else None
        return Path(str(folder)) if folder else Path("var")

    def read(self, tree: type[Tree]) -> Tree:
        """All values as one tree. Raises ``ConfigError`` with every fault, those of the sources too."""
        try:
            settings = tree.model_validate(self._values)
        except ValidationError as error:
            self._faults += [told(tree, self._origin, fault) for fault in error.errors(include_url=False, include_input=False)]
        if self._faults:
            raise ConfigError(self._faults)
        return settings

    def _put(self, path: tuple[str, ...], value: Any, origin: str) -> None:
        nested = value
        for part in reversed(path):
            nested = {part: nested}
        self._merge((), nested, origin)

    def _merge(self, path: tuple[str, ...], values: Mapping[str, Any], origin: str) -> None:
        into = self._values
        for part in path:
            into = into[part]
        for name, value in values.items():
            here = (*path, name)
            if isinstance(value, Mapping):
                if not isinstance(into.get(name), dict):
                    into[name] = {}
                self._origin.setdefault(here, origin)
                self._merge(here, {key: part for key, part in value.items() if part is not None}, origin)
            else:
                into[name] = value
                self._origin[here] = origin
