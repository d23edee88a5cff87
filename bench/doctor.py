"""What this machine has, what bench can do with it, and what would mend the rest.

In: the working folder, and a config where there is one. Out: findings, each with the exact command
that mends it, and the first thing that a config needs and does not have. It changes nothing and loads
no model; of the network it reaches the servers that the config and OLLAMA_HOST name, and no others.

    bench doctor [--config FILE] [--json]
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Literal

import psutil

from bench import backends, plugins, provenance
from bench.config import Config, load_config
from bench.errors import BenchError
from bench.records import Record

_EXTRA = re.compile(r"""^([A-Za-z0-9._-]+).*?extra\s*==\s*['"]([^'"]+)['"]""")
_CORE = re.compile(r"^([A-Za-z0-9._-]+)")
_FOR_DEVELOPERS = "dev"
_FEW_BYTES = 2 * 2**30


class Finding(Record):
    """One thing that was looked at."""

    part: Literal["system", "backend", "extra", "config"]
    """What it belongs to."""
    name: str
    """What it is."""
    state: Literal["ok", "missing", "warning"]
    """`missing` may be fine where nothing needs it; `warning` may hurt later."""
    detail: str
    """What was found."""
    remedy: str | None = None
    """What to do, where there is something."""


class Diagnosis(Record):
    """All findings, and whether the config can be run."""

    findings: tuple[Finding, ...]
    """In the order to read them."""
    exit_code: int
    """0, or the code of the first thing that the config needs and does not have."""


def examine(config_path: Path, *, is_required: bool = False) -> Diagnosis:
    """Look at machine, backends, extras and the config; a config that is absent is only then missed."""
    about_config, exit_code = _config(config_path, is_required)
    findings = [*_system(Path.cwd()), *_backends(), *_extras(), *about_config]
    return Diagnosis(findings=tuple(findings), exit_code=exit_code)


# ---------------------------------------------------------------- the machine


def _system(folder: Path) -> list[Finding]:
    memory = psutil.virtual_memory()
    cores = f"{psutil.cpu_count(logical=False)} physical, {psutil.cpu_count()} logical"
    return [
        _ok("bench", str(provenance.package_version("bench"))),
        _ok("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        _ok("processor", f"{provenance.cpu_name() or 'unknown'}; cores: {cores}"),
        _ok("memory", f"{_gib(memory.available)} of {_gib(memory.total)} free"),
        _disk(folder),
        _gpu(),
    ]


def _ok(name: str, detail: str) -> Finding:
    return Finding(part="system", name=name, state="ok", detail=detail)


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    detail = f"{_gib(free)} free where you are"
    if free >= _FEW_BYTES:
        return _ok("disk", detail)
    remedy = "free some space, or work in a folder on another disk"
    return Finding(part="system", name="disk", state="warning", detail=detail, remedy=remedy)


def _gpu() -> Finding:
    """What nvidia-smi says; asking torch would take seconds."""
    query = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return _ok("gpu", "none found; everything runs on the processor")
    names = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    if done.returncode != 0 or not names:
        return _ok("gpu", "nvidia-smi finds none; everything runs on the processor")
    return _ok("gpu", "; ".join(names))


def _gib(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:.1f} GiB"


# ---------------------------------------------------------------- what is installed


def _backends() -> list[Finding]:
    found = []
    for name in plugins.names(backends.ROOM):
        state = backends.get(name).state()
        found.append(
            Finding(
                part="backend",
                name=name,
                state="ok" if state.installed and state.reachable is not False else "missing",
                detail=(state.version or "part of bench") if state.installed else "not installed",
                remedy=state.remedy,
            )
        )
    return found


def _extras() -> list[Finding]:
    """The report stack and every extra, with the versions of their packages."""
    requirements = metadata.requires("bench") or []
    groups: dict[str, list[str]] = {"core": []}
    for requirement in requirements:
        extra, core = _EXTRA.match(requirement), _CORE.match(requirement)
        if extra:
            groups.setdefault(extra[2], []).append(extra[1])
        elif core:
            groups["core"].append(core[1])
    return [_extra(name, packages) for name, packages in groups.items() if name != _FOR_DEVELOPERS]


def _extra(name: str, packages: list[str]) -> Finding:
    versions = {package: provenance.package_version(package) for package in packages}
    absent = [package for package, version in versions.items() if version is None]
    if not absent:
        detail = ", ".join(f"{package} {version}" for package, version in versions.items())
        return Finding(part="extra", name=name, state="ok", detail=detail)
    target = "bench" if name == "core" else f"bench[{name}]"
    detail = f"not installed: {', '.join(absent)}"
    return Finding(part="extra", name=name, state="missing", detail=detail, remedy=f'pip install "{target}"')


# ---------------------------------------------------------------- what the config needs


def _config(path: Path, is_required: bool) -> tuple[list[Finding], int]:
    if not path.exists() and not is_required:
        remedy = "bench init"
        detail = "none here, so nothing is needed"
        return [Finding(part="config", name=str(path), state="missing", detail=detail, remedy=remedy)], 0
    try:
        config = load_config(path)
    except BenchError as error:
        detail = str(error)
        return [Finding(part="config", name=str(path), state="missing", detail=detail)], error.exit_code
    return _arms(config)


def _arms(config: Config) -> tuple[list[Finding], int]:
    """Each arm as its backend's own check sees it, and the code of the first that cannot run."""
    found, exit_code = [], 0
    for spec in config.arms():
        backend = backends.get(spec.backend)
        try:
            backend.check(spec, config.sampling)
            detail = backend.reached(spec) if isinstance(backend, backends.Served) else spec.ref
        except BenchError as error:
            found.append(Finding(part="config", name=spec.arm, state="missing", detail=str(error)))
            exit_code = exit_code or error.exit_code
        else:
            found.append(Finding(part="config", name=spec.arm, state="ok", detail=detail))
    return found, exit_code
