"""Every small recipe, one after the other, with its evaluation table: what `make recipes` runs.

    python -m benchmarks.recipes [--data-root FOLDER] [--out models] [--only NAME ...]

In: recipes/small/*.yaml. Out: models below --out, tables on stdout, and `recipes.md` there: of each recipe
the seconds, by the clock and of processor time, and its table. Bases come first, so that their seconds stand
under their own names. What is there and unchanged is kept; `recipes.json` still has the seconds that it took.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
RECIPES = ROOT / "recipes" / "small"
DATA = (ROOT.parent / "shared" / "data",)


def main() -> int:
    """Run them; 1 where one failed."""
    options = _options()
    options.out.mkdir(parents=True, exist_ok=True)
    record = options.out / "recipes.json"
    taken: dict[str, list[float]] = json.loads(record.read_text()) if record.is_file() else {}
    failed, page = [], ["# The small recipes", ""]
    for path in _ordered(options.only):
        was_there = (options.out / path.stem / "recipe.json").is_file()
        before, began = _processor_s(), time.monotonic()
        done = _train(path, options.out, options.data_root)
        took = [round(time.monotonic() - began, 1), round(_processor_s() - before, 1)]
        if done.returncode:
            failed.append(path.stem)
        elif not was_there or path.stem not in taken:
            taken[path.stem] = took
            record.write_text(json.dumps(taken, indent=1))
        wall, processor = taken.get(path.stem, took)
        title = f"{path.stem}: {wall:.0f} s, {processor:.0f} s of processor time"
        print(f"{title}{' FAILED' if done.returncode else ''}\n{done.stdout}", flush=True)
        page += [f"## {title}", "", "```", done.stdout.rstrip(), "```", ""]
    (options.out / "recipes.md").write_text("\n".join(page), encoding="utf-8")
    wall, processor = (sum(found[place] for found in taken.values()) for place in (0, 1))
    print(f"{wall:.0f} s in all, {processor:.0f} s of processor time; {options.out / 'recipes.md'}")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _processor_s() -> float:
    """Seconds of processor time of all programs that were run from here and have ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    given = os.environ.get("BENCH_REAL_DATA")
    there = [Path(given)] if given else [folder for folder in DATA if folder.is_dir()]
    parser.add_argument("--data-root", type=Path, default=there[0] if there else None)
    parser.add_argument("--out", type=Path, default=Path("models"))
    parser.add_argument("--only", nargs="*", default=[])
    return parser.parse_args()


def _ordered(only: list[str]) -> list[Path]:
    """Bases first."""
    found = [path for path in RECIPES.glob("*.yaml") if not only or path.stem in only]
    return sorted(found, key=lambda path: (not path.stem.startswith("base-"), path.stem))


def _train(path: Path, out: Path, data_root: Path | None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench", "train", str(path), "--out", str(out)]
    if data_root is not None:
        command += ["--data-root", str(data_root)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)


if __name__ == "__main__":
    raise SystemExit(main())
