"""Readings are counted and leave gate.json."""

import json
from pathlib import Path

import pytest

from bench.errors import StorageError
from bench.gate_reading import read_gate
from tests.gate_runs import steady, write_run

REPORTS = Path("reports")


def read(folder, **options):
    return read_gate(folder, REPORTS, **options)


def test_gate_json_has_the_promised_keys():
    read(write_run({"fp16": steady(seed=1), "q8_0": steady(seed=2)}))
    data = json.loads(Path("reports/r/gate.json").read_text())
    promised = {"schema_version", "run_id", "baseline", "margins", "exit_code", "looks", "arms"}
    assert promised <= data.keys()
    candidate = data["arms"][1]
    assert {"arm", "verdict", "questions", "n_articles_needed", "n_iterations_needed"} <= candidate.keys()
    for name in ("valid", "mean", "rms", "variance", "labels"):
        keys = {"estimate", "lower", "upper", "margin", "verdict", "reason"}
        assert keys <= candidate["questions"][name].keys()


def test_every_reading_counts_the_earlier_ones():
    folder = write_run({"fp16": steady(10, 3, 1), "q8_0": steady(10, 3, 2)})
    assert [read(folder).looks for _ in range(3)] == [0, 1, 2]
    assert read(folder).looks_at_less_data == 0


def test_readings_before_an_extension_are_told_apart():
    folder = write_run({"fp16": steady(10, 3, 1), "q8_0": steady(10, 3, 2)})
    read(folder)
    read(folder)
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"iterations": 3', '"iterations": 4'))
    for path in (folder / "samples").iterdir():
        path.write_text(
            path.read_text()
            + path.read_text().splitlines()[0].replace('"iteration":0', '"iteration":3')
            + "\n"
        )
    result = read(folder)
    assert (result.looks, result.looks_at_less_data) == (2, 2)


def test_a_damaged_count_is_not_taken_for_none():
    folder = write_run({"fp16": steady(10, 3, 1), "q8_0": steady(10, 3, 2)})
    read(folder)
    Path("reports/r/gate_reads.jsonl").write_text("{}\n")
    with pytest.raises(StorageError, match="gate_reads"):
        read(folder)


def test_only_the_selected_arms_are_in_gate_json():
    folder = write_run({"fp16": steady(seed=1), "q8_0": steady(seed=2), "q4_K_M": steady(seed=3)})
    read(folder, patterns=["*q8*"])
    data = json.loads(Path("reports/r/gate.json").read_text())
    assert [arm["arm"] for arm in data["arms"]] == ["tiny/base/fp16@fake", "tiny/base/q8_0@fake"]
