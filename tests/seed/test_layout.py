"""Import and export of the seed project's layout."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from bench import store
from bench.cli.app import app
from bench.errors import BenchError, ConfigError, UsageError
from bench.records import Outcome
from bench.report import make_report
from bench.seed.comparisons import stored_comparisons
from bench.seed.export import export_seed
from bench.seed.layout import Imported, import_seed
from bench.seed.names import assumed, canonical_quant, name_arms, read_map

VALID = {"reasoning": "It rose.", "sentiment": 0.4, "confidence": 0.8, "valid": True}
RUNS = Path("sentiments")


def entry(score: float | None = 0.4, **fields: Any) -> dict[str, Any]:
    """One entry of a file; no score makes it invalid."""
    about = {
        "url": "https://example.org/a",
        "published": "Thu, 23 May 2024 18:11:26 +0000",
        "time_taken": 2.5,
    }
    return ({"valid": False} if score is None else {**VALID, "sentiment": score}) | about | fields


def write_file(folder: str, iteration: int, entries: dict[str, Any], ticker: str = "MSFT") -> Path:
    path = Path("seed/sentiments") / folder / f"{ticker}_{iteration}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"average_sentiment": 1.42, "time_taken": 9.0, "sentiments": entries}
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def write_seed(folders: tuple[str, ...] = ("tiny-q4_K_M", "tiny-fp16")) -> Path:
    """Two models, three iterations, three articles; one answer is invalid and one entry is missing."""
    for shift, folder in enumerate(folders):
        for i in range(3):
            entries = {key: entry(round(0.1 * n + 0.05 * i - 0.02 * shift, 2)) for n, key in enumerate("abc")}
            if (shift, i) == (0, 0):
                entries["b"] = entry(None)
            if (shift, i) == (1, 2):
                del entries["c"]
            write_file(folder, i, entries)
    return Path("seed")


def imported(path: Path | None = None, run_id: str = "peer", **options: Any) -> Imported:
    return import_seed(path or write_seed(), RUNS, run_id, **options)


def tables(run_id: str = "peer") -> dict[str, pd.DataFrame]:
    return make_report(RUNS / run_id, Path("reports"), Path("heatmaps"), only=["csv"]).tables


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("folder", "family", "quant"),
    [
        ("phi3_3.8b-mini-instruct-4k-q4_K_M", "phi3_3.8b-mini-instruct-4k", "q4_K_M"),
        ("mistral-7b-sentiment-unsloth.Q8", "mistral-7b-sentiment-unsloth", "q8_0"),
        ("mistral-7b-sentiment-unsloth.F16", "mistral-7b-sentiment-unsloth", "fp16"),
        ("llama3-8b.Q5_K_M", "llama3-8b", "q5_K_M"),
        ("x_f16", "x", "fp16"),
        ("x-q8_0", "x", "q8_0"),
        ("q8-model-bf16", "q8-model", "bf16"),
    ],
)
def test_family_is_what_stands_before_the_separator_of_the_quant(folder, family, quant):
    assert assumed(folder) == {"family": family, "quant": quant}


def test_words_that_are_no_quant_stay_as_they_are():
    assert canonical_quant("Q4_K_M-imat") == "Q4_K_M-imat"


def test_a_folder_without_quant_must_be_mapped():
    with pytest.raises(UsageError, match=r"no quantization is known for 'tiny'.*--map"):
        name_arms(["tiny"], {})
    assert name_arms(["tiny"], {"tiny": {"quant": "F16"}})["tiny"].quant == "fp16"


def test_two_folders_of_one_arm_are_refused():
    with pytest.raises(UsageError, match=r"'tiny-Q8' and 'tiny-q8_0' are both tiny/base/q8_0@imported"):
        name_arms(["tiny-Q8", "tiny-q8_0"], {})


def test_a_map_with_an_unknown_key_is_refused_by_name():
    Path("map.yaml").write_text("tiny-q4_K_M: {famly: x}\n")
    with pytest.raises(ConfigError, match=r"map.yaml: tiny-q4_K_M: unknown key famly"):
        read_map(Path("map.yaml"))


# ---------------------------------------------------------------- import


def test_an_import_is_a_run_whose_times_are_latency_samples():
    imported()
    arms = tables()["arms"].set_index("source_name")
    assert arms["arm"].tolist() == ["tiny/base/fp16@imported", "tiny/base/q4_K_M@imported"]
    assert arms["n_samples"].tolist() == [9, 9]
    assert arms["duration_mean_s"].tolist() == [2.5, 2.5]
    manifest = store.open_run(RUNS / "peer").manifest
    assert (manifest.status, manifest.iterations, manifest.article_ids) == ("finished", 3, ("a", "b", "c"))


def test_an_invalid_or_missing_entry_is_a_failed_answer_without_text():
    imported()
    run = store.open_run(RUNS / "peer")
    rows = [row for record in run.manifest.arms for row in run.samples(record.arm)]
    failed = [row for row in rows if row["verdict"]["outcome"] != Outcome.VALID]
    assert [(r["article_id"], r["iteration"]) for r in failed] == [("c", 2), ("b", 0)]
    assert {row["completion"]["text"] for row in rows} == {""}
    assert {row["verdict"]["outcome"] for row in failed} == {"empty"}
    assert failed[0]["completion"]["duration_s"] is None
    arms = tables()["arms"]
    assert arms["n_valid"].tolist() == [8, 8]
    assert arms["n_failed_measurements"].tolist() == [0, 0]


def test_the_model_folders_can_be_given_directly():
    imported(write_seed() / "sentiments")
    assert len(tables()["arms"]) == 2


def test_a_map_gives_family_variant_and_quant_and_is_kept_with_the_run():
    path = write_seed(("tuned:q4_K_M".replace(":", "_"), "tiny-q4_K_M"))
    Path("map.yaml").write_text("tuned:q4_K_M: {family: tiny, variant: fine-tuned}\nother: {family: x}\n")
    made = imported(path, map_file=Path("map.yaml"))
    assert made.unused == ("other",)
    assert tables()["pairs"]["kind"].tolist() == ["fine_tuning"]
    kept = yaml.safe_load((RUNS / "peer/seed-map.yaml").read_text())
    assert kept["tuned_q4_K_M"] == {"family": "tiny", "variant": "fine-tuned", "quant": "q4_K_M"}


def test_comparison_pairs_become_comparisons_and_absent_ones_are_named():
    path = write_seed(("tiny-fp16", "other_1b-fp16"))
    pairs = [["tiny-fp16", "other:1b-fp16"], ["tiny-fp16", "gone-fp16"]]
    (path / "config.yaml").write_text(yaml.safe_dump({"comparison_pairs": pairs}))
    made = imported(path)
    assert made.left_out == (("tiny-fp16", "gone-fp16"),)
    row = tables()["pairs"].iloc[0]
    assert (row["kind"], row["arm_a"], row["arm_b"]) == (
        "custom", "tiny/base/fp16@imported", "other_1b/base/fp16@imported",
    )  # fmt: skip


BAD = {
    "no JSON": ("{", "not JSON"),
    "no object": ("[1]", "no object `sentiments`"),
    "no sentiments": ('{"sentiments": 3}', "no object `sentiments`"),
    "entry": ('{"sentiments": {"a": 3}}', "article 'a': no object"),
    "valid": ('{"sentiments": {"a": {"valid": "yes"}}}', "`valid` is not true or false"),
    "twice": ('{"sentiments": {"a": {"valid": false}, "a": {"valid": false}}}', "a key stands twice"),
    "score missing": ('{"sentiments": {"a": {"valid": true, "reasoning": "x"}}}', "says `valid`, but"),
    "score text": (json.dumps({"sentiments": {"a": entry(0.1, sentiment="0.1")}}), "says `valid`, but"),
    "score NaN": ('{"sentiments": {"a": ' + json.dumps(entry(float("nan"))) + "}}", "says `valid`, but"),
    "seconds": (json.dumps({"sentiments": {"a": entry(0.1, time_taken=-1)}}), "`time_taken` is no number"),
    "seconds infinite": (
        '{"sentiments": {"a": {"valid": false, "time_taken": Infinity}}}',
        "`time_taken` is no number",
    ),
    "deep": ('{"sentiments":' + "[" * 100_000, "nested too deeply"),
    "url": (json.dumps({"sentiments": {"a": entry(0.1, url=3)}}), "`url` is no text"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_named_and_nothing_is_left_behind(name):
    text, reason = BAD[name]
    path = write_seed()
    (path / "sentiments/tiny-fp16/MSFT_1.json").write_text(text)
    with pytest.raises(UsageError) as caught:
        imported(path)
    assert "tiny-fp16/MSFT_1.json" in str(caught.value)
    assert reason in str(caught.value)
    assert not RUNS.exists() or not list(RUNS.iterdir())


def test_bytes_that_are_not_utf_8_are_a_bad_file():
    write_file("tiny-fp16", 0, {"a": entry()}).write_bytes(b'{"sentiments": {"\xff": {}}}')
    with pytest.raises(UsageError, match="not UTF-8"):
        imported(Path("seed"))


def test_two_files_of_one_iteration_are_refused():
    path = write_seed()
    source = path / "sentiments/tiny-fp16/MSFT_1.json"
    source.with_name("MSFT_01.json").write_text(source.read_text())
    with pytest.raises(UsageError, match="two files are MSFT_1"):
        imported(path)


def test_a_score_out_of_range_is_a_failed_answer_of_that_kind():
    write_file("tiny-fp16", 0, {"a": entry(1.5), "b": entry(0.2)})
    imported(Path("seed"))
    failures = tables()["failures"].set_index("outcome")["n"]
    assert (failures["out_of_range"], failures["valid"]) == (1, 1)


def test_an_unreadable_disk_leaves_nothing_behind(monkeypatch):
    def full(*_):
        raise OSError(28, "no space")

    monkeypatch.setattr(store.RunWriter, "append", full)
    with pytest.raises(OSError, match="no space"):
        imported()
    assert not list(RUNS.iterdir())


def test_an_existing_run_is_not_overwritten():
    imported()
    with pytest.raises(UsageError, match="already there"):
        imported(Path("seed"))


def test_a_folder_without_results_says_what_was_expected():
    Path("empty").mkdir()
    with pytest.raises(UsageError, match="no model folder"):
        imported(Path("empty"))
    with pytest.raises(UsageError, match="no such folder"):
        imported(Path("gone"))


def test_one_page_about_two_companies_is_two_articles():
    write_file("tiny-fp16", 0, {"a": entry(0.1)})
    write_file("tiny-fp16", 0, {"a": entry(0.9)}, ticker="AAPL")
    imported(Path("seed"))
    cells = tables()["cells"]
    assert cells["article_id"].nunique() == 2
    assert cells["score_mean"].tolist() == [0.9, 0.1]


# ---------------------------------------------------------------- export


def same_tables(first: dict[str, pd.DataFrame], second: dict[str, pd.DataFrame]) -> None:
    assert set(first) == set(second)
    for name, table in first.items():
        pd.testing.assert_frame_equal(table, second[name])


def test_an_import_of_an_export_gives_the_same_tables():
    path = write_seed()
    (path / "config.yaml").write_text("comparison_pairs: [[tiny-fp16, tiny-q4_K_M]]\n")
    imported(path)
    export_seed(RUNS / "peer", Path("out"))
    imported(Path("out"), run_id="again")
    same_tables(tables(), tables("again"))
    assert stored_comparisons(RUNS / "again") == stored_comparisons(RUNS / "peer") != ()


def test_an_export_keeps_arms_reasons_and_failed_measurements():
    path = write_seed(("tuned-fp16", "tiny-fp16"))
    (path / "seed-map.yaml").write_text(
        "tuned-fp16: {family: tiny, variant: fine-tuned, backend: llama_cpp, prompt_style: few_shot}\n"
    )
    write_file("tuned-fp16", 0, {"a": entry(1.5), "b": entry(0.1), "c": entry(None, outcome="backend_error")})
    imported(path)
    export_seed(RUNS / "peer", Path("out"))
    imported(Path("out"), run_id="again")
    same_tables(tables(), tables("again"))
    assert tables()["arms"]["n_failed_measurements"].tolist() == [1, 0]


def test_an_export_has_the_files_of_the_layout_and_no_contaminated_mean():
    imported()
    export_seed(RUNS / "peer", Path("out"))
    content = json.loads(Path("out/sentiments/tiny-q4_K_M/MSFT_0.json").read_text())
    assert list(content) == ["average_sentiment", "time_taken", "sentiments"]
    assert content["average_sentiment"] == pytest.approx((0.0 + 0.2) / 2)
    assert content["sentiments"]["b"] == {
        "valid": False,
        **{k: v for k, v in entry(None).items() if k != "valid"},
    }


def test_an_export_overwrites_nothing():
    imported()
    Path("out").mkdir()
    Path("out/mine.txt").write_text("x")
    with pytest.raises(UsageError, match="not empty"):
        export_seed(RUNS / "peer", Path("out"))


# ---------------------------------------------------------------- the commands


def bench(*arguments: str):
    result = CliRunner().invoke(app, list(arguments))
    if isinstance(result.exception, BenchError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def test_the_assumed_map_is_printed_as_a_map_file():
    write_seed()
    result = bench("import", "seed", "--layout", "seed", "--run-id", "peer")
    assert yaml.safe_load(result.stdout)["tiny-fp16"]["quant"] == "fp16"
    assert "next: bench report peer" in result.stderr


def test_an_unknown_layout_is_refused():
    write_seed()
    with pytest.raises(UsageError, match="choose from seed"):
        bench("import", "seed", "--layout", "sead")


def test_a_run_id_cannot_leave_the_folder():
    write_seed()
    with pytest.raises(UsageError, match="one plain folder name"):
        bench("import", "seed", "--layout", "seed", "--run-id", "../x")


def test_export_and_plan_work_on_an_import():
    write_seed()
    bench("import", "seed", "--layout", "seed", "--run-id", "peer", "--json")
    assert "tiny-fp16" in bench("export", "peer", "out", "--layout", "seed").stdout
    (plan,) = json.loads(bench("plan", "peer", "--json").stdout, parse_constant=pytest.fail)
    assert plan["rows"][0]["iterations"] == 1
    assert "cheapest" in bench("plan", "peer").stdout
