"""Real tiny models read general text before and after: what is compared, kept, and left out."""

import json
import shutil
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from bench.articles import write_jsonl
from bench.errors import ConfigError, StorageError
from bench.evaluate import evaluate
from bench.evaluation.folder import read_folder
from bench.evaluation.forgetting import general_text
from bench.report import make_report
from bench.training.general_text import is_held_out
from tests.evaluation.made import held_out, training, write_folder

OPTIONS = {"n_threads": 1, "device": "cpu"}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A random base and a copy of it whose weights were pushed about, as a full fine-tune leaves them."""
    torch = pytest.importorskip("torch", reason="the hf extra is not installed")
    from transformers import LlamaForCausalLM

    from tests.fixtures.tiny_hf import make_tiny_hf, make_tokenizer

    folder = tmp_path_factory.mktemp("models")
    base = make_tiny_hf(folder / "base", make_tokenizer())
    model = LlamaForCausalLM.from_pretrained(str(base), dtype=torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.05)
    shutil.copytree(base, folder / "full")
    model.save_pretrained(str(folder / "full"))
    return folder


def tuned_model(models):
    """The fine-tune in its training's own folder."""
    return str(shutil.copytree(models / "full", "models/tiny/full/model"))


@pytest.fixture
def folder(models):
    """models/tiny with that base and that fine-tune."""
    base = {"backend": "hf", "ref": str(models / "base"), "options": OPTIONS}
    tuned = training("full", "full", backend="hf", ref=tuned_model(models), options=OPTIONS)
    evaluation = {"max_tokens": 8, "forgetting_documents": 6}
    return write_folder(tuned, base=base, articles=held_out(6), evaluation=evaluation)


def changed(folder, **recipe):
    data = json.loads((folder / "recipe.json").read_text())
    data["recipe"] |= recipe
    (folder / "recipe.json").write_text(json.dumps(data))
    return read_folder(folder)


def test_general_text_is_read_before_and_after_and_the_answers_stand_beside_it(folder):
    said: list[str] = []
    result = evaluate(folder, only=["csv"], say=said.append)
    assert len(said) == 2
    row = pd.read_csv(folder / "forgetting.csv").iloc[0]
    assert row["arm"] == "tiny/full/fp32@hf"
    assert row["n_documents"] == 6
    assert row["perplexity"] != row["perplexity_base"] > 1
    assert len(pd.read_csv(folder / "forgetting_documents.csv")) == 6
    assert result.forgetting is not None
    assert result.forgetting.notes == ("read in windows of 1024 tokens, 512 apart",)
    text = (folder / "evaluation.md").read_text()
    assert "## Text before and after" in text
    assert "Read: general text: bench's own sample." in text
    assert [part.task for part in result.tasks] == ["tweet_sentiment"]

    evaluate(folder, only=["csv"], say=said.append)
    assert len(said) == 2  # what was read is not read again


def test_a_report_of_the_run_has_it_too_however_often_it_is_made(folder):
    (task,) = evaluate(folder, only=["csv"]).tasks
    run = Path("sentiments") / task.run_id
    report = make_report(run, Path("again"), Path("heatmaps"), only=["csv", "xlsx"])
    assert report.tables["forgetting"]["arm"].tolist() == ["tiny/full/fp32@hf"]
    mine, again = (
        (Path(root) / task.run_id / "tables" / "forgetting.csv").read_bytes() for root in ("reports", "again")
    )
    assert mine == again == (folder / "forgetting.csv").read_bytes()
    assert any("general text (6 documents)" in sentence for sentence in report.sentences)
    sheet = openpyxl.load_workbook(Path("again") / task.run_id / "report.xlsx")["Forgetting"]
    assert "tiny/full/fp32@hf" in {cell.value for row in sheet.iter_rows() for cell in row}


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", "x" * 40, None])
def test_a_damaged_file_of_it_is_named(folder, content):
    (task,) = evaluate(folder, only=["csv"]).tasks
    path = Path("sentiments") / task.run_id / "forgetting.csv"
    lines = path.read_text().splitlines()
    path.write_text(lines[0] + "\n" + "x," * 7 + "x\n" if content is None else content)
    with pytest.raises(StorageError, match=r"forgetting\.csv: .*`bench evaluate` writes it anew"):
        make_report(path.parent, Path("reports"), Path("heatmaps"), only=["csv"])


def test_without_forgetting_nothing_is_read(folder):
    said: list[str] = []
    result = evaluate(folder, only=["csv"], say=said.append, forgetting=False)
    assert said == []
    assert result.forgetting is None
    assert "before and after" not in (folder / "evaluation.md").read_text()


def test_examples_that_do_not_fit_the_base_are_left_out_and_told(folder, models):
    config = models / "base" / "config.json"
    whole = config.read_text()
    config.write_text(json.dumps(json.loads(whole) | {"max_position_embeddings": 300}))
    try:
        result = evaluate(folder, only=["csv"], forgetting=False)
    finally:
        config.write_text(whole)
    assert list(result.tasks[0].arms["prompt_style"]) == ["zero_shot", "zero_shot"]
    assert "untuned few_shot (fp32) is left out: its shortest prompt has" in result.tasks[0].notes[0]


def test_what_was_trained_on_is_not_what_forgetting_is_held_to(folder):
    found = changed(folder, general_text={"share": 0.2}, evaluation={"forgetting_documents": 1000})
    text = general_text(found, Path())
    assert len(text.documents) > 20
    assert all(map(is_held_out, text.documents))


def test_a_recipe_that_mixes_in_other_text_is_held_to_the_same_documents(folder, tmp_path):
    (tmp_path / "other.txt").write_text("\n\n".join("word " * 25 + str(n) for n in range(9)))
    plain = general_text(changed(folder), Path())
    mixed = changed(folder, general_text={"files": ["other.txt"], "bundled": False, "share": 0.2})
    assert general_text(mixed, tmp_path).documents == plain.documents


def test_what_was_read_once_is_kept_and_needs_its_file_no_more(folder, tmp_path):
    (tmp_path / "mine.txt").write_text("\n\n".join("word " * 25 + str(n) for n in range(9)))
    recipe = {"forgetting": {"files": ["mine.txt"], "bundled": False}, "forgetting_documents": 5}
    first = general_text(changed(folder, evaluation=recipe), tmp_path)
    (tmp_path / "mine.txt").unlink()
    assert general_text(changed(folder, evaluation=recipe), tmp_path) == first
    with pytest.raises(ConfigError, match="no such file; set --data-root"):
        general_text(changed(folder, evaluation=recipe | {"forgetting_documents": 4}), tmp_path)


def test_a_missing_text_is_replaced_by_the_sample_and_the_evaluation_says_so(folder):
    found = changed(folder, evaluation={"forgetting": {"files": ["nowhere.txt"]}})
    text = general_text(found, Path())
    assert text.source == "bench's own sample"
    assert "nowhere.txt is missing" in text.notes[0]


def test_a_recipe_that_learns_text_is_measured_on_its_held_out_texts_without_a_chat_template(models):
    bare = models / "bare"
    if not bare.exists():
        shutil.copytree(models / "base", bare)
        (bare / "chat_template.jinja").unlink()
    base = {"backend": "hf", "ref": str(bare), "options": OPTIONS}
    tuned = training("full", "full", backend="hf", ref=tuned_model(models), options=OPTIONS)
    folder = write_folder(tuned, base=base, tests=(), task=None, evaluation={"forgetting_documents": 4})
    write_jsonl(folder / "texts.jsonl", held_out(5))
    data = json.loads((folder / "recipe.json").read_text())
    (folder / "recipe.json").write_text(json.dumps(data | {"test_texts": "texts.jsonl"}))
    evaluate(folder)
    table = pd.read_csv(folder / "forgetting.csv")
    assert table[["text", "n_documents"]].to_numpy().tolist() == [["held-out", 4], ["general", 4]]
    assert table["nats_per_token_difference"].notna().all()
    assert "held-out text: texts.jsonl; general text:" in (folder / "evaluation.md").read_text()
