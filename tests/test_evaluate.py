"""From a training's folder to its tables: what is measured, what is kept, what is written."""

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from bench import store
from bench.cli.app import app
from bench.errors import NoArticlesError
from bench.evaluate import evaluate
from bench.evaluation.arms import Settings
from tests.evaluation.made import held_out, training, write_folder

ALWAYS = {"answers": ["neutral"]}
GARBAGE = {"answers": ["maybe"]}
RUNNER = CliRunner()


def measured(folder, **options):
    return evaluate(folder, **{"only": ["csv"], **options})


def table(folder, name):
    return pd.read_csv(folder / f"{name}.csv")


def test_untuned_tuned_and_garbage_stand_in_one_table():
    folder = write_folder(training("lora"), training("broken", options=GARBAGE))
    result = measured(folder)
    arms = table(folder, "evaluation").set_index("arm")
    assert list(arms["role"]) == ["untuned", "untuned", "tuned", "tuned"]
    assert arms.loc["tiny/broken/fp32@fake", "accuracy"] == 0
    assert arms.loc["tiny/broken/fp32@fake", "garbage_rate"] == 1
    assert arms.loc["tiny/base/fp32@fake", "n_items"] == 24
    assert {"macro_f1", "macro_f1_ci_low", "accuracy_bounded_low", "balanced_accuracy"} <= set(arms.columns)
    text = (folder / "evaluation.md").read_text()
    assert "| right \\\\ answered | negative | neutral | positive | garbage |" in text
    assert "tiny/broken/fp32@fake" in text
    assert result.tasks[0].run_id in text
    assert {path.name for path in result.paths} >= {"evaluation.md", "evaluation.csv", "confusion.csv"}


def test_a_constant_answer_has_the_accuracy_of_its_label():
    folder = write_folder(training("constant", options=ALWAYS), base=None)
    measured(folder)
    row = table(folder, "evaluation").iloc[0]
    assert row["accuracy"] == pytest.approx(1 / 3)
    assert row["macro_f1"] == pytest.approx(0.5 / 3)


def test_comparisons_are_tuned_minus_untuned_with_a_verdict():
    folder = write_folder(training("lora"), training("broken", options=GARBAGE))
    measured(folder)
    pairs = table(folder, "evaluation_pairs")
    assert list(pairs["question"]) == ["tuning"] * 4
    worse = pairs[pairs["arm_a"] == "tiny/broken/fp32@fake"].iloc[0]
    assert worse["accuracy_difference"] < 0
    assert pairs["n_corrected"].eq(pairs["p_value"].notna().sum()).all()
    assert pairs["verdict"].notna().all()


def test_what_was_measured_is_not_measured_again():
    folder = write_folder(training("lora"))
    first = measured(folder)
    run = Path("sentiments") / first.tasks[0].run_id
    before = {path: path.read_bytes() for path in run.rglob("*.json*")}
    again = measured(folder)
    assert again.tasks[0].run_id == first.tasks[0].run_id
    assert {path: path.read_bytes() for path in run.rglob("*.json*")} == before
    assert [p.name for p in Path("sentiments").iterdir()] == [run.name]


def test_a_further_training_is_added_to_the_run():
    first = measured(write_folder(training("lora")))
    second = measured(write_folder(training("lora"), training("full")))
    assert second.tasks[0].run_id == first.tasks[0].run_id
    manifest = store.open_run(Path("sentiments") / first.tasks[0].run_id).manifest
    assert [revision.kind for revision in manifest.revisions] == ["created", "extended"]
    assert manifest.revisions[1].added == {"arms": ["tiny/full/fp32@fake"]}
    assert [record.n_decoded for record in manifest.arms] == [24] * 4


def test_a_model_that_was_trained_anew_is_measured_anew_and_the_old_run_stays():
    first = measured(write_folder(training("lora")))
    second = measured(write_folder(training("lora", ref="trained-anew")))
    assert second.tasks[0].run_id == f"{first.tasks[0].run_id}-2"
    third = measured(write_folder(training("lora", ref="trained-anew")))
    assert third.tasks[0].run_id == second.tasks[0].run_id


def test_items_whose_labels_were_corrected_are_measured_by_the_new_ones():
    always = training("constant", options=ALWAYS)
    first = measured(write_folder(always, base=None))
    corrected = tuple(item.model_copy(update={"label": "neutral"}) for item in held_out())
    folder = write_folder(always, base=None, articles=corrected)
    second = measured(folder)
    assert table(folder, "evaluation")["accuracy"].tolist() == [1]
    assert second.tasks[0].run_id == f"{first.tasks[0].run_id}-2"
    again = measured(write_folder(always, base=None))  # as they were
    assert again.tasks[0].run_id == first.tasks[0].run_id
    assert again.tasks[0].arms["accuracy"].tolist() == pytest.approx([1 / 3])


def test_every_row_names_the_weights_that_were_measured():
    folder = write_folder(training("lora"))
    run = Path("sentiments") / measured(folder).tasks[0].run_id
    digests = {record.arm: record.spec.digest for record in store.open_run(run).manifest.arms}
    assert all(digests.values())
    assert table(folder, "evaluation").set_index("arm")["digest"].to_dict() == digests


def test_an_evaluation_that_was_broken_off_goes_on():
    dying = write_folder(training("lora", options={"die_after": 5}))
    with pytest.raises(Exception, match="died after 5 answers"):
        measured(dying)
    (run,) = Path("sentiments").iterdir()
    assert store.open_run(run).manifest.status == "failed"
    n_before = sum(1 for _ in store.open_run(run).samples("tiny/base/fp32@fake"))
    with pytest.raises(Exception, match="died after 5 answers"):
        measured(dying)
    assert [path.name for path in Path("sentiments").iterdir()] == [run.name]
    manifest = store.open_run(run).manifest
    decoded = {record.arm: record.n_decoded for record in manifest.arms}
    assert decoded["tiny/base/fp32@fake"] == n_before == 24
    assert decoded["tiny/lora/fp32@fake"] == 10


def test_each_task_has_its_own_run_and_all_stand_in_one_table():
    folder = write_folder(training("lora"), tests=("tweet_sentiment", "phrasebank"))
    result = measured(folder)
    assert [part.task for part in result.tasks] == ["tweet_sentiment", "phrasebank"]
    arms = table(folder, "evaluation")
    assert list(arms["task"].unique()) == ["tweet_sentiment", "phrasebank"]
    assert arms["run_id"].nunique() == 2
    calibrated = arms[arms["task"] == "phrasebank"]
    assert calibrated["ece"].notna().all()
    assert calibrated["brier_ci_low"].notna().all()


def test_another_task_is_asked_before_and_after_but_not_of_heads():
    folder = write_folder(training("lora"), other="phrasebank")
    result = measured(folder)
    assert [part.is_trained for part in result.tasks] == [True, False]
    assert "## phrasebank, which is not trained: before and after" in (folder / "evaluation.md").read_text()
    pairs = table(folder, "evaluation_pairs")
    assert list(pairs["is_trained"].unique()) == [True, False]


def test_a_recipe_without_a_task_has_no_run():
    folder = write_folder(training("lora"), tests=(), task=None)
    result = measured(folder)
    assert result.tasks == ()
    assert not (folder / "evaluation.csv").exists()
    assert not Path("sentiments").exists()


def test_where_nothing_is_measured_the_evaluation_says_so():
    folder = write_folder(training("lora"), tests=(), task=None)
    result = measured(folder, forgetting=False)
    assert result.notes == ("nothing is measured: no held-out items, and no text that is read",)
    assert "- nothing is measured" in (folder / "evaluation.md").read_text()


def test_files_that_an_earlier_evaluation_left_are_removed():
    folder = write_folder(training("lora"))
    measured(folder)
    assert (folder / "evaluation_pairs.csv").is_file()
    measured(write_folder(training("lora"), base=None))
    assert not (folder / "evaluation_pairs.csv").exists()


def test_a_look_at_the_first_items_leaves_the_evaluation_of_all_as_it_is():
    folder = write_folder(training("lora"))
    measured(folder)
    before = {path: path.read_bytes() for path in folder.glob("evaluation*.*")}
    result = measured(folder, settings=Settings(limit=6))
    assert {path: path.read_bytes() for path in before} == before
    assert result.limit == 6
    assert {path.name for path in result.paths if path.parent == folder} == {
        "evaluation-limit-6.csv",
        "evaluation_pairs-limit-6.csv",
        "evaluation-limit-6.md",
    }
    text = (folder / "evaluation-limit-6.md").read_text()
    assert text.startswith("# Evaluation of tiny, limited to the first 6 items\n")
    assert "## tweet_sentiment, limited to 6 of 24 items\n" in text
    assert table(folder, "evaluation-limit-6")["n_items"].tolist() == [6] * 3


def test_a_limit_that_leaves_nothing_out_is_an_evaluation_of_all():
    folder = write_folder(training("lora"))
    result = measured(folder, settings=Settings(limit=24))
    assert result.limit is None
    assert "limited" not in (folder / "evaluation.md").read_text()


def test_text_that_is_not_read_again_stays_as_it_was_read():
    folder = write_folder(training("lora"))
    for name in ("forgetting.csv", "forgetting_documents.csv"):
        (folder / name).write_text("read earlier")
    result = measured(folder, forgetting=False)
    for name in ("forgetting.csv", "forgetting_documents.csv"):
        assert (folder / name).read_text() == "read earlier"
    said = "no text was read (--no-forgetting): forgetting.csv is of an earlier evaluation"
    assert result.notes == (said,)
    measured(folder)
    assert not (folder / "forgetting.csv").exists()


def test_a_backend_that_scores_no_text_is_told_and_forgetting_has_no_row():
    folder = write_folder(training("lora"))
    result = measured(folder)
    assert result.forgetting is not None
    assert result.forgetting.table.empty
    assert "the backend fake scores no raw text" in result.forgetting.notes[0]
    assert not (folder / "forgetting.csv").exists()


def test_settings_of_the_command_line_are_honoured():
    folder = write_folder(training("lora"))
    result = measured(folder, settings=Settings(iterations=3, temperature=0.7, limit=6))
    arms = result.tasks[0].arms
    assert arms["n_items"].tolist() == [6] * 3
    assert arms["n_answers"].tolist() == [18] * 3


def test_held_out_items_that_are_none_are_refused():
    folder = write_folder(training("lora"))
    (folder / "test.jsonl").write_text("\n")
    with pytest.raises(NoArticlesError, match="no article in it"):
        measured(folder)


# ---------------------------------------------------------------- the command


def test_the_command_prints_one_table_and_the_paths():
    write_folder(training("lora"))
    found = RUNNER.invoke(app, ["evaluate", "models/tiny", "--only", "csv"])
    assert found.exit_code == 0, found.output
    assert "tiny/lora/fp32@fake" in found.stdout
    assert "macro F1" in found.stdout
    assert "models/tiny/evaluation.md" in found.stderr
    assert "models/tiny/evaluation.md" not in found.stdout


def test_the_command_prints_json():
    write_folder(training("lora"))
    found = RUNNER.invoke(app, ["evaluate", "models/tiny", "--json", "--only", "csv", "--no-forgetting"])
    data = json.loads(found.stdout)
    assert data["name"] == "tiny"
    assert [row["role"] for row in data["tasks"][0]["arms"]] == ["untuned", "untuned", "tuned"]
    assert data["forgetting"] is None
    assert "NaN" not in found.stdout


def test_the_command_says_of_how_few_items_it_speaks():
    write_folder(training("lora"))
    arguments = ["evaluate", "models/tiny", "--only", "csv", "--limit", "6"]
    found = RUNNER.invoke(app, arguments)
    assert ", limited to 6 of 24 items" in found.stdout
    assert "models/tiny/evaluation-limit-6.md" in found.stderr
    assert json.loads(RUNNER.invoke(app, [*arguments, "--json"]).stdout)["limit"] == 6


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["models/none"], 2, "no recipe.json in it"),
        (["models/tiny", "--iterations", "3"], 2, "add --temperature"),
        (["models/tiny", "--only", "pdf"], 2, "--only pdf: unknown"),
    ],
)
def test_what_cannot_be_done_is_one_line(arguments, code, said):
    write_folder(training("lora"))
    found = RUNNER.invoke(app, ["evaluate", *arguments])
    assert found.exception is not None
    assert getattr(found.exception, "exit_code", None) == code
    assert said in str(found.exception)
