"""The folder is the registry: a new file in a room is a new plugin, with nothing to register.

In: a room (a package below `bench`, such as `backends` or `tasks`) and a name. Out: the names that
the folder holds, and the module or data file of one. It imports only what is asked for.
"""

from __future__ import annotations

import difflib
import importlib
from functools import cache
from pathlib import Path
from types import ModuleType

from bench.errors import ConfigError

_PACKAGE = Path(__file__).parent


@cache
def _entries(room: str) -> dict[str, Path]:
    folder = _PACKAGE.joinpath(*room.split("."))
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(("_", ".")):
            continue
        if path.suffix in {".py", ".yaml"} or (path / "__init__.py").is_file():
            found[path.stem] = path
    return found


def names(room: str, suffix: str | None = None) -> tuple[str, ...]:
    """The names in a room, sorted; with `suffix` (".py", ".yaml") only files of that kind."""
    return tuple(n for n, path in _entries(room).items() if suffix is None or path.suffix == suffix)


def locate(room: str, name: str) -> Path:
    """The file or folder of one name; ConfigError with the nearest known names if there is none."""
    entries = _entries(room)
    if name not in entries:
        near = difflib.get_close_matches(name, entries, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ConfigError(f"{room}: no {name!r}; {hint}known: {', '.join(entries) or 'none'}")
    return entries[name]


def load(room: str, name: str) -> ModuleType:
    """Import and return the module `name` of a room."""
    locate(room, name)
    return importlib.import_module(f"bench.{room}.{name}")
