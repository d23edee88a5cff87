"""The whole training on the nano recipe: files, parity, skipping, resuming, the same twice."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from filelock import FileLock
from typer.testing import CliRunner

from bench import tasks, train
from bench.cli.app import app
from bench.errors import ConfigError, MissingExtraError, ModelFileError, RunLockedError, StorageError

pytest.importorskip("torch", reason="the train extra is not installed")
pytest.importorskip("llama_cpp", reason="the llama extra is not installed")

VARIANTS = ("base", "fine-tuned")
QUANTS = ("q4_K_M", "q5_K_M", "q8_0", "fp16")


class Watcher:
    """Keeps what the pipeline says."""

    def __init__(self):
        self.stages, self.notes = [], []

    def stage(self, name, n_steps, n_done=0):
        self.stages.append((name, n_steps, n_done))

    def step(self, n_done, loss, tokens):
        assert loss > 0
        assert tokens > 0

    def note(self, text):
        self.notes.append(text)

    def close(self):
        pass


@pytest.fixture(scope="session")
def nano(tmp_path_factory):
    """The nano models, made once."""
    return train.train("nano", tmp_path_factory.mktemp("models"))


@pytest.fixture
def copied(nano, tmp_path):
    """A folder with a copy of the nano models that a test may change."""
    shutil.copytree(nano.folder, tmp_path / "models" / "nano")
    return tmp_path / "models"


def card(folder, variant):
    return json.loads((folder / f"{variant}.json").read_text(encoding="utf-8"))


def test_both_variants_stand_there_in_four_quantizations(nano):
    assert {(f.variant, f.quant) for f in nano.files} == {(v, q) for v in VARIANTS for q in QUANTS}
    assert all(
        f.path.name == f"{f.variant}-{f.quant}.gguf" and f.path.stat().st_size == f.n_bytes
        for f in nano.files
    )


@pytest.mark.parametrize(
    ("quant", "main"), [("q4_K_M", "Q4_K"), ("q5_K_M", "Q5_K"), ("q8_0", "Q8_0"), ("fp16", "F16")]
)
def test_the_tensors_are_of_the_type_the_name_says(nano, quant, main):
    for file in nano.files:
        if file.quant == quant:
            assert file.tensor_types[main] >= 12
            assert set(file.tensor_types) <= {main, "F32", "Q6_K"}


def test_a_file_that_is_not_the_quantization_it_should_be_is_refused(nano):
    from bench.training.quantize import checked_types

    fp16 = nano.folder / "base-fp16.gguf"
    with pytest.raises(ModelFileError, match="not q4_K_M"):
        checked_types(fp16, "q4_K_M")


def test_the_gguf_file_is_the_model_that_was_trained(nano):
    for variant in VARIANTS:
        parity = card(nano.folder, variant)["parity"]
        assert parity["n_strings"] == 200
        assert parity["max_logit_difference"] <= 0.01
        assert parity["n_top1_equal"] + parity["n_ties"] == parity["n_positions"] > 300


def test_a_gguf_file_of_another_model_fails_the_comparison(nano):
    from bench.training.parity import compare

    with pytest.raises(ModelFileError, match="not the model that was trained"):
        compare(
            nano.folder / "hf" / "base", nano.folder / "fine-tuned-fp16.gguf", ["Profit rose 14 percent."], 5
        )


def test_the_cards_say_what_the_models_are_made_of(nano):
    for variant in VARIANTS:
        facts = card(nano.folder, variant)
        assert {f["quant"] for f in facts["files"]} == set(QUANTS)
        assert all(f["digest"].startswith("sha256:") for f in facts["files"])
        assert len(facts["training"]["losses"]) == facts["training"]["steps"] > 0
        assert facts["training"]["loss_last"] < facts["training"]["losses"][0]
        assert facts["recipe"]["family"] == "nano"
        page = (nano.folder / f"{variant}.md").read_text(encoding="utf-8")
        assert facts["files"][0]["digest"] in page


def test_a_second_call_makes_nothing_anew(nano, copied):
    watcher = Watcher()
    again = train.train("nano", copied, watcher)
    assert watcher.stages == []
    assert all("kept" in note for note in watcher.notes)
    assert [f.digest for f in again.files] == [f.digest for f in nano.files]


def test_a_damaged_file_is_made_again_and_only_its_stage_runs(nano, copied):
    (copied / "nano" / "base-q8_0.gguf").write_bytes(b"GGUF torn")
    watcher = Watcher()
    again = train.train("nano", copied, watcher)
    assert watcher.stages == []
    assert [f.digest for f in again.files] == [f.digest for f in nano.files]


def test_the_same_recipe_gives_the_same_weights(nano, tmp_path):
    other = train.train("nano", tmp_path / "again")
    for variant in VARIANTS:
        assert card(other.folder, variant)["weights"] == card(nano.folder, variant)["weights"]
    assert [f.digest for f in other.files] == [f.digest for f in nano.files]


def test_a_killed_training_goes_on_and_ends_the_same(nano, tmp_path):
    command = [
        sys.executable,
        "-c",
        "from bench.cli import main; main()",
        "train",
        "--preset",
        "nano",
        "--out",
        "killed",
    ]
    with subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as process:
        checkpoint = tmp_path / "killed" / "nano" / ".work" / "base.checkpoint"
        deadline = time.monotonic() + 120
        while not checkpoint.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
    watcher = Watcher()
    trained = train.train("nano", tmp_path / "killed", watcher)
    assert {name: done for name, _, done in watcher.stages}["base"] > 0
    assert (
        card(trained.folder, "base")["training"]["losses"] == card(nano.folder, "base")["training"]["losses"]
    )
    assert [f.digest for f in trained.files] == [f.digest for f in nano.files]


def test_nothing_is_written_outside_the_folder(nano, copied, tmp_path):
    before = {p for p in tmp_path.rglob("*") if copied not in p.parents and "models" not in p.parts}
    train.train("nano", copied)
    assert {p for p in tmp_path.rglob("*") if copied not in p.parents and "models" not in p.parts} == before


def test_models_are_present_only_while_every_file_is_whole(copied):
    assert train.models_present(copied, "nano")
    (copied / "nano" / "base-q4_K_M.gguf").write_bytes(b"GGUF")
    assert not train.models_present(copied, "nano")


def test_no_models_are_present_in_an_empty_folder(tmp_path):
    assert not train.models_present(tmp_path, "nano")


def test_two_trainings_in_one_folder_are_refused(copied):
    with FileLock(copied / "nano" / ".work" / "lock"), pytest.raises(RunLockedError, match="another process"):
        train.train("nano", copied)


def test_a_folder_that_cannot_be_written_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        train.train("nano", tmp_path / "file")


def test_too_little_space_is_said_before_anything_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr(train, "_NEEDED_BYTES", 2**62)
    with pytest.raises(StorageError, match="MiB free"):
        train.train("nano", tmp_path)


def test_a_missing_package_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setattr(train, "_PACKAGES", ("torch", "no_such_package"))
    with pytest.raises(MissingExtraError, match=r"no_such_package.*bench\[train\]"):
        train.train("nano", tmp_path)


def test_an_unknown_preset_names_the_known_ones():
    with pytest.raises(ConfigError, match="tiny"):
        train.find_recipe("huge")


def test_a_task_whose_answers_cannot_be_made_is_refused():
    task = tasks.load("financial_news")
    fields = (*task.answer.fields, task.answer.fields[1].model_copy(update={"name": "risk"}))
    other = task.model_copy(update={"answer": task.answer.model_copy(update={"fields": fields})})
    with pytest.raises(ConfigError, match="a text, a score and a confidence"):
        train.renderer(other)


def test_importing_the_joiner_loads_no_engine():
    heavy = "{'torch', 'llama_cpp', 'numpy'}"
    code = f"import sys, bench.train, bench.cli.train; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_command_prints_files_and_agreement(copied):
    result = CliRunner().invoke(app, ["train", "--preset", "nano", "--out", str(copied)])
    assert result.exit_code == 0
    assert "fine-tuned-q4_K_M.gguf" in result.stdout
    assert "logits within" in result.stdout


def test_the_command_prints_json(copied):
    result = CliRunner().invoke(app, ["train", "--preset", "nano", "--out", str(copied), "--json"])
    assert len(json.loads(result.stdout)["files"]) == 8


def test_the_command_lists_the_presets():
    result = CliRunner().invoke(app, ["train", "--list", "--json"])
    assert {"tiny", "nano"} <= set(json.loads(result.stdout))
