"""From a run folder to tables and files."""

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pytest

from bench import store
from bench.config import Config, GateConfig
from bench.errors import StorageError, UsageError
from bench.gate_reading import read_gate
from bench.reading import arm_frame, read_samples
from bench.records import (
    AnswerField,
    AnswerSchema,
    Article,
    Completion,
    LoadedModel,
    ModelSpec,
    Outcome,
    Sample,
    Verdict,
)
from bench.report import ReportResult, make_report
from tests.builders import SCHEMA, article, manifest, sample, spec

ARTICLES = tuple(article(text, label=label) for text, label in [("Up.", "positive"), ("Down.", "negative")])
UNLABELLED = tuple(article(text) for text in ("Up.", "Down."))
SPECS = [spec("q8_0"), spec("fp16")]
TASK = {"name": "t", "version": "1", "digest": "d", "answer": SCHEMA.model_dump(mode="json")}


def answers(arm: str, item: Article, scores: Sequence[float | None], **completion: Any) -> Iterator[Sample]:
    """One sample per score; None is an answer that is not JSON."""
    for iteration, score in enumerate(scores):
        answer = None if score is None else {"reasoning": "x", "sentiment": score, "confidence": 0.5}
        verdict = Verdict(outcome=Outcome.VALID if answer else Outcome.NOT_JSON, answer=answer)
        given = Completion(text=json.dumps(answer), stop_reason="stop", **completion)
        yield sample(
            arm,
            prompt_id=f"p-{item.id}",
            article_id=item.id,
            iteration=iteration,
            completion=given,
            verdict=verdict,
        )


def write_run(
    articles: Sequence[Article] = ARTICLES,
    completion: dict[str, Any] | None = None,
    run_id: str = "r",
    specs: Sequence[ModelSpec] = SPECS,
    **fields: Any,
) -> Path:
    """A run of two arms, two articles and two iterations below sentiments/."""
    made = manifest(specs, articles, run_id=run_id, task=TASK, **fields)
    with store.create_run(Path("sentiments"), made, tuple(articles)) as writer:
        for shift, one in enumerate(specs):
            for base, item in zip((0.4, -0.6), articles, strict=True):
                scores = (base + 0.1 * shift, base - 0.1 * shift * base)
                for row in answers(one.arm, item, scores, **(completion or {})):
                    writer.append(row)
    return Path("sentiments") / run_id


def report(folder: Path, **options: Any) -> ReportResult:
    return make_report(folder, Path("reports"), Path("heatmaps"), **{"only": ["csv"], **options})


def test_a_run_becomes_its_tables_on_disk():
    result = report(write_run())
    names = {"cells", "arms", "pairs", "drift", "anova", "variance", "failures", "iterations", "accuracy"}
    names |= {"agreement", "interaction", "quality", "quality_labels", "quality_pairs"}
    names |= {"confusion", "consistency", "calibration", "quality_label_pairs", "slices"}
    assert set(result.tables) == {path.stem for path in result.paths} == names
    with Path("reports/r/tables/arms.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["arm"] for row in rows] == [s.arm for s in SPECS]
    assert float(rows[0]["score_mean"]) == pytest.approx(-0.1)


def test_the_same_run_gives_the_same_bytes():
    folder = write_run()
    first = [path.read_bytes() for path in report(folder, only=["csv", "xlsx"]).paths]
    assert [path.read_bytes() for path in report(folder, only=["csv", "xlsx"]).paths] == first


def test_only_the_wanted_formats_are_written():
    result = report(write_run(), only=["xlsx"])
    assert [path.name for path in result.paths] == ["report.xlsx"]


def test_an_unknown_format_is_refused_by_name():
    with pytest.raises(UsageError, match="pdf"):
        report(write_run(), only=["pdf"])


def test_seconds_of_answers_that_shared_the_engine_are_not_used():
    together = report(write_run(completion={"duration_s": 2.0, "ttft_s": 0.5, "batch_size": 4}))
    assert together.tables["arms"]["duration_mean_s"].isna().all()
    assert any("timed alone" in note for note in together.notes)


def test_seconds_of_answers_decoded_alone_are_used():
    alone = {"duration_s": 2.0, "ttft_s": 0.5, "batch_size": 1, "completion_tokens": 30}
    row = report(write_run(completion=alone)).tables["arms"].iloc[0]
    assert (row["duration_mean_s"], row["ttft_p50_s"], row["tokens_per_s"]) == (2.0, 0.5, 15.0)


def test_sizes_come_from_what_was_loaded_and_are_undefined_before():
    made = manifest(SPECS, ARTICLES, task=TASK)
    loaded = LoadedModel(file_bytes=7)
    first = made.arms[0].model_copy(update={"loaded": loaded})
    frame = arm_frame(made.model_copy(update={"arms": (first, made.arms[1])}))
    assert frame["file_bytes"].tolist() == pytest.approx([7.0, np.nan], nan_ok=True)
    assert frame["group"].nunique() == 1


def test_a_torn_last_line_is_ignored_and_the_missing_sample_is_said():
    folder = write_run()
    path = store.open_run(folder).samples_path(SPECS[0].arm)
    path.write_bytes(path.read_bytes()[:-20])
    result = report(folder)
    assert result.tables["arms"]["n_samples"].tolist() == [3, 4]
    assert any("7 of 8 samples" in note for note in result.notes)


@pytest.mark.parametrize("failed", [False, True], ids=["no samples", "every measurement failed"])
def test_a_labelled_run_is_reported_whole_though_an_arm_has_no_measured_answer(failed):
    path = store.open_run(write_run()).samples_path(SPECS[1].arm)
    rows = [json.loads(line) for line in path.read_text().splitlines()] if failed else []
    verdict = {"outcome": "backend_error", "answer": None, "errors": ["x"]}
    path.write_text("".join(json.dumps({**row, "verdict": verdict}) + "\n" for row in rows))
    result = report(Path("sentiments/r"), only=None)
    assert {path.name for path in result.paths} >= {"report.xlsx", "report.html", "confusion.png"}
    pair = result.tables["quality_pairs"].iloc[0]
    assert np.isnan(pair["balanced_accuracy_difference"])
    assert "no item with a valid answer in both arms" in pair["note"]


@pytest.mark.parametrize(
    ("before", "after"), [('"sentiment":', '"feeling":'), ('"text":"', '"text":3,"was":"')]
)
def test_a_line_that_is_no_sample_is_one_clear_error_of_report_and_gate(before, after):
    folder = write_run()
    path = store.open_run(folder).samples_path(SPECS[0].arm)
    lines = path.read_text().splitlines(keepends=True)
    assert before in lines[2]
    path.write_text("".join([*lines[:2], lines[2].replace(before, after), *lines[3:]]))
    for command in (report, lambda run: read_gate(run, Path("reports"))):
        with pytest.raises(StorageError, match=r"jsonl:3: not a sample"):
            command(folder)


def test_samples_of_articles_that_the_manifest_does_not_name_are_refused():
    folder = write_run()
    with store.RunWriter(folder) as writer:
        for row in answers(SPECS[0].arm, article("Another."), [0.9]):
            writer.append(row)
    with pytest.raises(StorageError, match=r"jsonl:5: a sample of article "):
        report(folder)


def test_a_run_without_samples_is_a_usage_error():
    store.create_run(Path("sentiments"), manifest(SPECS, ARTICLES, task=TASK), ARTICLES).close()
    with pytest.raises(UsageError, match="has no samples"):
        report(Path("sentiments/r"))


def test_a_manifest_without_answer_schema_is_a_storage_error():
    folder = write_run()
    path = folder / "manifest.json"
    data = json.loads(path.read_text())
    del data["task"]["answer"]
    path.write_text(json.dumps(data))
    with pytest.raises(StorageError, match="answer schema"):
        report(folder)


def test_few_invalid_answers_of_each_kind_are_kept_for_the_workbook():
    folder = write_run(iterations=11)
    with store.RunWriter(folder) as writer:
        for row in list(answers(SPECS[0].arm, ARTICLES[0], [None] * 11))[2:]:
            writer.append(row)
    invalid = read_samples(store.open_run(folder), SCHEMA).invalid
    assert len(invalid) == 2
    assert {row["verdict"]["outcome"] for row in invalid} == {"not_json"}


# ---------------------------------------------------------------- comparisons


def config(**fields: Any) -> Config:
    model = {"family": "tiny", "variant": "base", "quants": ["q8_0"], "backend": "fake", "ref": "x"}
    return Config.model_validate({"models": (model,), **fields})


def test_comparisons_come_from_the_present_config_and_not_from_the_manifest():
    folder = write_run(config={"comparisons": [["fp16", "q8_0"]]})
    a, b = (s.arm for s in SPECS)
    assert report(folder).tables["pairs"][["arm_a", "arm_b"]].to_numpy().tolist() == [[a, b]]
    turned = report(folder, config=config(comparisons=(("fp16", "q8_0"),))).tables["pairs"]
    assert turned[["kind", "arm_a", "arm_b"]].to_numpy().tolist() == [["quantization", b, a]]


def test_compare_takes_short_forms():
    pairs = report(write_run(), compare=[("base/fp16", "q8_0")]).tables["pairs"]
    assert pairs["arm_a"].tolist() == [SPECS[1].arm]


def test_a_configured_pair_without_its_arm_is_named_and_left_out():
    result = report(write_run(), config=config(comparisons=(("int2", "q8_0"),)))
    assert len(result.tables["pairs"]) == 1
    assert any("int2 with q8_0 is left out: this run has no arm int2" in note for note in result.notes)


def test_what_an_earlier_report_left_is_removed_and_other_files_are_not():
    folder = write_run()
    report(folder)
    stale, other = Path("reports/r/tables/old.csv"), Path("reports/r/tables/mine.txt")
    stale.write_text("x")
    other.write_text("x")
    written = report(folder).paths
    assert not stale.exists()
    assert other.exists()
    assert all(path.exists() for path in written)


def test_an_unknown_arm_is_named_with_those_there_are():
    with pytest.raises(UsageError, match=r"'int2' is no arm of this run; there are: tiny/base/q8_0@fake, "):
        report(write_run(), compare=[("int2", "q8_0")])


def test_an_arm_is_not_compared_with_itself():
    with pytest.raises(UsageError, match="both are the arm"):
        report(write_run(), compare=[("q8_0", "base/q8_0")])


def test_the_configured_baseline_is_used():
    pairs = report(write_run(), config=config(baseline="q8_0")).tables["pairs"]
    assert pairs["arm_b"].tolist() == [SPECS[0].arm]


def test_the_margin_is_a_fraction_of_half_the_score_range():
    assert GateConfig(mean=0.1).mean_margin((0.0, 10.0)) == pytest.approx(0.5)
    assert SCHEMA.score_limits == (-1.0, 1.0)
    folder = write_run()
    pairs = report(folder, config=config(gate={"mean": 0.2})).tables["pairs"]
    assert pairs["tost_margin"].tolist() == [0.2]


# ---------------------------------------------------------------- what it says


def test_labelled_articles_give_accuracy_and_unlabelled_ones_a_warning():
    labelled = report(write_run())
    assert labelled.tables["accuracy"]["label_accuracy"].tolist() == [1, 1]
    unlabelled = report(write_run(UNLABELLED, run_id="u"))
    assert "accuracy" not in unlabelled.tables
    assert any("agreement with the baseline, not correctness" in note for note in unlabelled.notes)


def test_every_group_gets_one_sentence_with_its_difference():
    right, score = report(write_run()).sentences
    assert right.startswith("tiny/base@fake, right answers over 2 items: q8_0 100.0 %")
    assert score.startswith("tiny/base@fake, mean score against fp16: q8_0 ")


def test_a_task_of_bare_labels_is_reported_and_judged_without_a_word_about_scores():
    field = AnswerField(name="label", type="text", choices=("positive", "negative"))
    answer = AnswerSchema(form="label", fields=(field,), label="label")
    task = {**TASK, "answer": answer.model_dump(mode="json")}
    with store.create_run(Path("sentiments"), manifest(SPECS, ARTICLES, task=task), ARTICLES) as writer:
        for one in SPECS:
            for item in ARTICLES:
                verdict = Verdict(outcome=Outcome.VALID, answer={"label": "positive"})
                writer.append(sample(one.arm, prompt_id=item.id, article_id=item.id, verdict=verdict))
    result = report(Path("sentiments/r"))
    assert [text for text in result.sentences if "score" in text] == []
    assert "q8_0 50.0 %" in result.sentences[0]
    assert {arm.n_articles for arm in result.gate.arms if arm.baseline} == {2}


def test_a_group_without_baseline_is_said():
    result = report(write_run(specs=[spec("q8_0"), spec("q4_K_M")]))
    assert result.tables["pairs"].empty
    assert any("no baseline among q8_0, q4_K_M" in note for note in result.notes)


# ---------------------------------------------------------------- what it decides


def test_a_report_judges_without_the_gate_having_been_read():
    result = report(write_run(), only=["xlsx", "html"])
    assert {arm.arm: arm.verdict for arm in result.gate.arms}[SPECS[1].arm] == "baseline"
    assert "w-baseline" in Path("reports/r/report.html").read_text()
    sheet = openpyxl.load_workbook("reports/r/report.xlsx")["Decision"]
    assert any("baseline" in str(cell.value) for cell in sheet["B"])
    assert not Path("reports/r/gate_reads.jsonl").exists()


def test_a_report_judges_by_the_margins_of_now_and_not_by_the_last_reading():
    folder = write_run()
    read_gate(folder, Path("reports"))
    loose = report(folder, config=config(gate={"mean": 0.9, "rms": 0.9})).gate
    assert loose.margins["mean"] == 0.9
    assert report(folder).gate.margins["mean"] == GateConfig().mean


def test_reading_the_gate_leaves_the_report_as_it_was():
    folder = write_run()
    first = [path.read_bytes() for path in report(folder, only=["xlsx", "html"]).paths]
    read_gate(folder, Path("reports"))
    assert [path.read_bytes() for path in report(folder, only=["xlsx", "html"]).paths] == first


def test_a_report_says_that_the_gate_was_read_on_less_data():
    folder = write_run()
    read_gate(folder, Path("reports"))
    Path("reports/r/gate_reads.jsonl").write_text('{"n_samples": 4}\n')
    report(folder, only=["html"])
    assert "read once on fewer samples" in Path("reports/r/report.html").read_text()
