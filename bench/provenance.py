"""What a measurement stood on: commit, versions, machine.

In: nothing. Out: a plain dictionary for the manifest. It measures no speed and names no user, no
host and no path.
"""

from __future__ import annotations

import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from bench import __version__

PACKAGES = (
    "llama-cpp-python",
    "ollama",
    "httpx2",
    "torch",
    "transformers",
    "peft",
    "bitsandbytes",
    "gguf",
    "numpy",
    "pandas",
    "scipy",
    "pydantic",
)


def collect() -> dict[str, Any]:
    """Commit, versions and hardware, as found now; what is absent is None."""
    return {
        "bench_version": __version__,
        "git_commit": git_commit(Path(__file__).parent),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "packages": {name: package_version(name) for name in PACKAGES},
        "cpu": cpu_name(),
        "cores_logical": psutil.cpu_count(logical=True),
        "cores_physical": psutil.cpu_count(logical=False),
        "memory_bytes": psutil.virtual_memory().total,
    }


def package_version(name: str) -> str | None:
    """Version of an installed distribution, None where it is absent."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def git_commit(folder: Path) -> str | None:
    """The commit checked out in `folder`, with `+changes` where tracked files differ; None outside git."""
    head = _git(folder, "rev-parse", "HEAD")
    if head is None:
        return None
    return head + ("+changes" if _git(folder, "status", "--porcelain", "--untracked-files=no") else "")


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def cpu_name() -> str | None:
    """The processor's own name, None where the system does not tell."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or None
