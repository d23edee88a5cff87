"""A reading of the gate: `bench gate [RUN]`. It is counted, and leaves `gate.json`.

    reports/<run_id>/gate.json          the verdict as it was read last
    reports/<run_id>/gate_reads.jsonl   one line a reading: when, and on how many samples

In: a run folder. Out: the GateResult, and these files. Whoever reads the gate, adds data because the
verdict did not please, and reads again until it does, errs more often than 5 %: so readings are counted.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench import store
from bench.config import Config
from bench.errors import StorageError, disk_errors
from bench.gate import chosen, judge_run
from bench.records import GateResult

READS = "gate_reads.jsonl"
GATE = "gate.json"


def read_gate(
    run_dir: Path,
    reports: Path,
    config: Config | None = None,
    baseline: str | None = None,
    patterns: Sequence[str] = (),
    *,
    family_wise: bool = False,
) -> GateResult:
    """Judge a run, count the reading in `reports/<run_id>/` and write `gate.json` there."""
    whole = judge_run(run_dir, config, baseline)
    result = chosen(whole, patterns, family_wise=family_wise)
    folder = reports / result.run_id
    n_samples = count_samples(run_dir)
    result = result.model_copy(update=readings(run_dir, folder))
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        line = json.dumps({"at": datetime.now(UTC).isoformat(), "n_samples": n_samples})
        with (folder / READS).open("ab") as file:
            file.write(line.encode("ascii") + b"\n")
    store.write_whole(folder / GATE, gate_json(result))
    return result


def readings(run_dir: Path, folder: Path) -> dict[str, int]:
    """How often the gate was read before, and how often on fewer samples: two fields of GateResult."""
    path = folder / READS
    n_samples, before = count_samples(run_dir) if path.exists() else 0, earlier_readings(path)
    return {"looks": len(before), "looks_at_less_data": sum(1 for n in before if n < n_samples)}


def gate_json(result: GateResult) -> bytes:
    """The bytes of `gate.json`: what is undefined is null, and nothing is NaN."""
    return result.model_dump_json(indent=2).encode("utf-8") + b"\n"


def earlier_readings(path: Path) -> list[int]:
    """The number of samples at every earlier reading."""
    if not path.exists():
        return []
    try:
        return [int(json.loads(line)["n_samples"]) for line in path.read_bytes().splitlines() if line.strip()]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageError(
            f"{path}: cannot be read ({error}); restore it, or delete it to count anew"
        ) from error


def count_samples(run_dir: Path) -> int:
    """Samples on disk, by counting lines."""
    paths = sorted((run_dir / "samples").glob("*.jsonl"))
    return sum(path.read_bytes().count(b"\n") for path in paths)
