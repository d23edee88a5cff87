"""A run as inspect_ai and lm-evaluation-harness read it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bench import store, tasks
from bench.cli.app import app
from bench.errors import UsageError
from bench.inspect_log import export_inspect
from bench.lm_eval_log import export_lm_eval
from bench.records import Article, Completion, Outcome, Sample, Verdict
from tests.builders import SCHEMA, article, manifest, sample, spec

GOOD = article("Up.", label="positive", reference_score=0.5, title="Sales")
BAD = article("Down.", label="negative")
UNKNOWN = article("Sideways.")
ARM = "tiny/base/q8_0@fake"
ANSWERS: dict[str, list[float | Outcome]] = {
    GOOD.id: [0.6, -0.2, Outcome.NOT_JSON],
    BAD.id: [-0.5, -0.4, Outcome.BACKEND_ERROR],
    UNKNOWN.id: [0.1, 0.2, 0.3],
}


def row(item: Article, prompt_id: str, iteration: int, given: float | Outcome) -> Sample:
    if isinstance(given, Outcome):
        failed = given is Outcome.BACKEND_ERROR
        completion = Completion(error="no answer" if failed else None, text="" if failed else "=oops")
        verdict = Verdict(outcome=given, errors=("it is not JSON",))
    else:
        answer = {"reasoning": "x", "sentiment": given, "confidence": 0.5}
        completion = Completion(
            text=json.dumps(answer), stop_reason="stop", prompt_tokens=9, completion_tokens=4, duration_s=0.5
        )
        verdict = Verdict(outcome=Outcome.VALID, answer=answer)
    return sample(
        ARM,
        prompt_id=prompt_id,
        article_id=item.id,
        iteration=iteration,
        completion=completion,
        verdict=verdict,
    )


def write_run(task: tasks.Task | None = None, articles: tuple[Article, ...] = (GOOD, BAD, UNKNOWN)) -> Path:
    """A run of one arm, three articles and three answers each; with a task its prompts can be rendered."""
    described: dict[str, Any] = {
        "name": "t",
        "version": "1",
        "digest": "d",
        "answer": SCHEMA.model_dump(mode="json"),
    }
    if task:
        described = {**described, "name": task.name, "digest": task.digest}
    config = {"task": task.name if task else "gone.yaml", "sampling": {"temperature": 0.2, "seed": 3}}
    made = manifest([spec("q8_0")], articles, task=described, config=config, iterations=3, status="finished")
    with store.create_run(Path("sentiments"), made, articles) as writer:
        for item in articles:
            prompt_id = task.render(item, "zero_shot").id if task else f"p-{item.id}"
            for iteration, given in enumerate(ANSWERS.get(item.id, [])):
                writer.append(row(item, prompt_id, iteration, given))
    return Path("sentiments/r")


def inspect_log(**options: Any) -> dict[str, Any]:
    (path,) = export_inspect(write_run(**options), Path("out"))
    log: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return log


def test_every_answer_is_a_sample_and_every_iteration_an_epoch():
    log = inspect_log()
    assert [(s["id"], s["epoch"]) for s in log["samples"]] == [
        (item.id, epoch) for item in (GOOD, BAD, UNKNOWN) for epoch in (1, 2, 3)
    ]
    assert (log["version"], log["status"], log["eval"]["config"]["epochs"]) == (2, "success", 3)
    assert log["eval"]["model"] == ARM
    assert log["samples"][0]["target"] == "positive"
    assert log["samples"][0]["output"]["usage"]["total_tokens"] == 13


def test_an_answer_is_right_wrong_or_garbage_and_a_failed_measurement_is_none_of_these():
    samples = inspect_log()["samples"]
    marks = [(s["scores"] or {}).get("right", {}).get("value") for s in samples]
    assert marks == ["C", "I", "I", "C", "C", None, None, None, None]
    assert samples[2]["scores"]["right"]["answer"] == "garbage: not_json"
    assert samples[2]["scores"]["valid"]["value"] == 0
    assert samples[5]["scores"] is None
    assert samples[5]["error"]["message"] == "no answer"
    assert samples[0]["scores"]["score_error"]["value"] == pytest.approx(0.1)
    assert "score_error" not in samples[3]["scores"]


def test_accuracy_weighs_every_item_alike():
    right, valid = inspect_log()["results"]["scores"]
    assert right["metrics"]["accuracy"]["value"] == pytest.approx((1 / 3 + 1) / 2)
    assert right["metrics"]["stderr"]["value"] == pytest.approx(1 / 3)
    assert (right["scored_samples"], right["unscored_samples"]) == (5, 4)
    assert valid["metrics"]["mean"]["value"] == pytest.approx(7 / 8)


def test_the_prompt_is_shown_only_where_it_is_the_one_that_was_sent():
    task = tasks.load("financial_news")
    sent = inspect_log(task=task)["samples"][0]
    assert [message["role"] for message in sent["input"]] == ["system", "user"]
    assert "Up." in sent["input"][1]["content"]
    assert sent["messages"][-1]["role"] == "assistant"


def test_without_the_task_the_input_is_the_article_and_that_is_said():
    log = inspect_log()
    assert log["samples"][0]["input"] == "Sales\n\nUp."
    assert "the article alone" in log["eval"]["metadata"]["prompts"]


def test_without_labels_nothing_is_right_and_accuracy_is_absent():
    log = inspect_log(articles=(UNKNOWN,))
    assert [score["name"] for score in log["results"]["scores"]] == ["valid"]
    assert "right" not in log["samples"][0]["scores"]


READS = """
import json, sys
from inspect_ai.log import read_eval_log
log = read_eval_log(sys.argv[1])
print(json.dumps({
    "status": log.status, "epochs": log.eval.config.epochs, "model": log.eval.model,
    "samples": [[s.id, s.epoch, s.input if isinstance(s.input, str) else [m.role for m in s.input], s.target,
                 s.output.completion, {k: v.value for k, v in (s.scores or {}).items()},
                 s.error.message if s.error else None] for s in log.samples],
    "accuracy": log.results.scores[0].metrics["accuracy"].value,
}))
"""


def reader() -> str:
    """An interpreter that has inspect_ai: this one, or what `make interop` made; else the test is skipped."""
    made = Path(__file__).parents[1] / ".venv-interop" / "bin" / "python"
    for python in (os.environ.get("BENCH_INSPECT_PYTHON", ""), str(made), sys.executable):
        found = python and Path(python).exists()
        if (
            found
            and subprocess.run(
                [python, "-c", "import inspect_ai"], check=False, capture_output=True
            ).returncode
            == 0
        ):
            return python
    pytest.skip("inspect_ai is not installed; `make interop` installs it beside .venv")


@pytest.mark.parametrize("task", [None, "financial_news"])
def test_inspect_ai_opens_the_log_with_samples_scores_and_epochs(task):
    python = reader()
    (path,) = export_inspect(write_run(tasks.load(task) if task else None), Path("out"))
    done = subprocess.run([python, "-c", READS, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    read = json.loads(done.stdout)
    assert (read["status"], read["epochs"], read["model"]) == ("success", 3, ARM)
    assert read["accuracy"] == pytest.approx(2 / 3)
    assert len(read["samples"]) == 9
    first, failed = read["samples"][0], read["samples"][5]
    assert first[:2] == [GOOD.id, 1]
    assert first[2] == (["system", "user"] if task else "Sales\n\nUp.")
    assert first[5] == {"right": "C", "valid": 1, "score": 0.6, "score_error": pytest.approx(0.1)}
    assert json.loads(first[4])["sentiment"] == 0.6
    assert failed[5:] == [{}, "no answer"]


# ---------------------------------------------------------------- lm-evaluation-harness


def lm_eval(**options: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    (folder,) = export_lm_eval(write_run(**options), Path("out"))
    (results,), (samples,) = folder.glob("results_*.json"), folder.glob("samples_*.jsonl")
    lines = [json.loads(line) for line in samples.read_text(encoding="utf-8").splitlines()]
    return json.loads(results.read_text(encoding="utf-8")), lines


def test_an_item_is_a_line_with_all_its_answers_and_their_mean():
    results, lines = lm_eval()
    assert [line["doc_id"] for line in lines] == [0, 1, 2]
    assert [len(line["resps"][0]) for line in lines] == [3, 3, 3]
    assert lines[0]["filtered_resps"] == ["positive", "negative", "[invalid]"]
    assert [line.get("acc") for line in lines] == [pytest.approx(1 / 3), 1.0, None]
    assert lines[1]["valid"] == 1.0  # the failed measurement is in no rate
    assert lines[0]["target"] == "positive"
    assert results["results"]["t"]["acc,none"] == pytest.approx(2 / 3)
    assert results["results"]["t"]["acc_stderr,none"] == pytest.approx(1 / 3)
    assert results["configs"]["t"]["repeats"] == 3
    assert results["n-samples"]["t"] == {"original": 3, "effective": 3}


def test_hashes_tell_prompts_and_targets_apart():
    _, lines = lm_eval()
    for name in ("doc_hash", "prompt_hash", "target_hash"):
        assert len({line[name] for line in lines}) == 3
        assert len(lines[0][name]) == 64


def test_the_harness_gets_no_accuracy_where_no_label_is_known():
    results, lines = lm_eval(articles=(UNKNOWN,))
    assert "acc,none" not in results["results"]["t"]
    assert lines[0]["metrics"] == ["valid"]


# ---------------------------------------------------------------- the command


@pytest.mark.parametrize("layout", ["inspect", "lm-eval"])
def test_an_export_is_the_same_bytes_each_time_and_overwrites_nothing(layout):
    folder = write_run()
    for name in ("one", "two"):
        result = CliRunner().invoke(app, ["export", str(folder), name, "--layout", layout])
        assert result.exit_code == 0, result.output
        assert result.stdout.startswith(f"{name}/")
    one, two = (sorted(p for p in Path(name).rglob("*") if p.is_file()) for name in ("one", "two"))
    assert [p.read_bytes() for p in one] == [p.read_bytes() for p in two]
    with pytest.raises(UsageError, match="not empty"):
        {"inspect": export_inspect, "lm-eval": export_lm_eval}[layout](folder, Path("one"))


def test_an_unknown_layout_is_refused_with_those_there_are():
    result = CliRunner().invoke(app, ["export", str(write_run()), "out", "--layout", "inspekt"])
    assert isinstance(result.exception, UsageError)
    assert "choose from seed, inspect, lm-eval" in str(result.exception)
