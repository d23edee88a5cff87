"""`bench demo`: the whole pipeline on the smallest preset."""

import csv
import importlib.util

import pytest
from typer.testing import CliRunner

from bench import demo
from bench.cli.app import app

pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("torch", "peft", "llama_cpp")),
    reason="needs the extras train and llama",
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A demo of four arms, two articles, two iterations."""
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        small = {"PRESET": "nano", "QUANTS": ("q4_K_M", "fp16"), "N_ARTICLES": 2, "ITERATIONS": 2}
        for name, value in {**small, "LATENCY_SAMPLES": 1}.items():
            patch.setattr(demo, name, value)
        result = CliRunner().invoke(app, ["demo"])
        again = CliRunner().invoke(app, ["demo"])
    return folder, result, again


def test_the_demo_ends_with_a_report_of_every_arm(finished):
    folder, result, _ = finished
    assert result.exit_code == 0, result.output
    with (folder / "reports/demo/tables/arms.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4
    assert {int(row["n_samples"]) for row in rows} == {4}
    assert (folder / "reports/demo/report.xlsx").is_file()
    assert (folder / "reports/demo/report.html").is_file()


def test_the_demo_measures_seconds_and_fidelity(finished):
    folder, _, _ = finished
    with (folder / "reports/demo/tables/arms.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(float(row["duration_mean_s"]) > 0 for row in rows)
    pictures = {path.name for path in (folder / "heatmaps/demo").glob("*.png")}
    assert "duration_mean_s.png" in pictures


def test_a_second_demo_measures_nothing_again(finished):
    folder, _, again = finished
    assert again.exit_code == 0, again.output
    samples = sorted((folder / "sentiments/demo/samples").glob("*.jsonl"))
    assert [len(path.read_text(encoding="utf-8").splitlines()) for path in samples] == [4] * 4
    timed = sorted((folder / "sentiments/demo/latency").glob("*.jsonl"))
    assert [len(path.read_text(encoding="utf-8").splitlines()) for path in timed] == [1] * 4
