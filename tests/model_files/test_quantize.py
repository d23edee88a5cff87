"""Quantizing: what comes out is what was asked for; an importance matrix is measured, proven and noted."""

import json
import shutil
from pathlib import Path

import gguf
import pytest
import yaml
from filelock import FileLock
from typer.testing import CliRunner

pytest.importorskip("llama_cpp", reason="the llama extra is not installed")
pytest.importorskip("torch", reason="the train extra is not installed")

from bench.backends.llama_cpp import gguf_check
from bench.cli.app import app
from bench.errors import (
    BenchError,
    ConfigError,
    ModelFileError,
    NoArticlesError,
    RunLockedError,
    StorageError,
    UsageError,
)
from bench.model_files import importance_source
from bench.model_files.export import export
from bench.model_files.quantize import quantize
from bench.training.export.forms import parse
from bench.training.file_types import FILE_TYPES, block_elements, main_type
from tests.exporting import WIDE, make_model
from tests.fixtures.tiny_gguf import make_tiny_gguf

TASK = """\
name: moods
version: "1"
description: Moods.
labels: [good, bad]
user: "{article}"
answer: {fields: [{name: mood, type: text}], label: mood}
examples: []
"""


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A random model at full precision."""
    return make_tiny_gguf(tmp_path_factory.mktemp("quantize") / "tiny-fp16.gguf", context=2048)


@pytest.fixture
def source(made, tmp_path):
    """A copy that may have files beside it."""
    return Path(shutil.copy(made, tmp_path / "tiny-fp16.gguf"))


@pytest.fixture
def articles(tmp_path):
    """A few articles, and a task that asks about them in few tokens."""
    words = ["profit", "loss", "rise", "fall", "bank", "shares", "market", "grew", "fell", "strong", "weak"]
    lines = [
        json.dumps({"text": " ".join(words[(i * 7 + j * j) % 11] for j in range(12)), "label": "good"})
        for i in range(8)
    ]
    Path("some.jsonl").write_text("\n".join(lines) + "\n")
    Path("moods.yaml").write_text(TASK)
    return "some.jsonl"


def test_every_quant_of_the_engine_has_a_name_and_a_block():
    assert {"q4_K_M", "iq4_xs", "q8_0", "tq1_0", "mxfp4", "bf16"} <= set(FILE_TYPES)
    assert block_elements("q4_K_M") == block_elements("iq3_m") == 256
    assert block_elements("q8_0") == block_elements("iq4_nl") == 32
    assert main_type("q3_K_L").name == "Q3_K"


@pytest.mark.parametrize(
    "quant", ["q2_K", "q3_K_M", "q4_0", "q4_K_S", "q5_1", "q6_K", "q8_0", "iq4_xs", "iq4_nl"]
)
def test_a_quant_is_what_its_name_says(source, quant):
    result = quantize(source, [quant.upper()])
    assert result.refused == ()
    assert result.made[0].path == source.with_name(f"tiny-{quant}.gguf")
    assert gguf_check.inspect(result.made[0].path).quant == quant
    assert result.made[0].bits_per_weight < 16


def test_a_quant_whose_rows_do_not_fit_is_refused_and_named(tmp_path):
    model = make_model(tmp_path / "m")  # 64 wide
    export(str(model), parse("gguf-fp16"), Path("out"))
    source = Path("out/gguf/m-base-fp16.gguf")
    result = quantize(source, ["q4_K_M", "q8_0"])
    assert [one.quant for one in result.made] == ["q8_0"]
    assert "m-base-q4_K_M.gguf: not q4_K_M" in result.refused[0]
    assert "rows of 64 are no multiple of 256" in result.refused[0]
    assert not source.with_name("m-base-q4_K_M.gguf").exists()
    allowed = quantize(source, ["q4_K_M"], allow_fallback=True)
    assert allowed.made[0].path.is_file()
    assert "no multiple of 256" in allowed.made[0].fallen_back[0]


def test_a_matrix_is_measured_on_articles_proven_on_others_and_noted(source, articles):
    result = quantize(source, ["q3_K_M", "iq2_xxs"], imatrix=articles, task="moods.yaml")
    assert result.refused == ()
    first, second = result.made
    assert first.importance is not None
    assert first.importance.startswith("6 articles of some, moods zero_shot, ")
    assert first.kl is not None
    assert first.kl_plain is not None
    assert 0 < first.kl != first.kl_plain > 0
    assert first.n_positions > 20
    assert second.kl_plain is None  # it cannot be made without
    assert gguf_check.inspect(first.path).importance == first.importance
    reader = gguf.GGUFReader(first.path)
    assert reader.get_field("quantize.imatrix.entries_count").contents() == 14
    matrix = source.with_name("tiny-imatrix.gguf")
    assert gguf_check.inspect(matrix).kind == "imatrix"
    again = quantize(source, ["q3_K_M"], imatrix=str(matrix), out=Path("again"))
    assert again.made[0].importance == "tiny-imatrix.gguf"
    types = gguf_check.inspect(again.made[0].path)
    assert types.tensor_types == first.tensor_types
    tensors = zip(reader.tensors, gguf.GGUFReader(again.made[0].path).tensors, strict=True)
    assert sum((a.data != b.data).mean() for a, b in tensors) < 0.01


def test_a_matrix_changes_the_weights_and_none_is_noted_without(source, articles):
    with_it = quantize(source, ["q4_K_M"], imatrix=articles, task="moods.yaml", prove=False).made[0]
    assert with_it.kl is None
    plain = quantize(source, ["q4_K_M"], out=Path("plain")).made[0]
    assert plain.importance is None
    assert gguf_check.inspect(plain.path).importance is None
    assert with_it.path.read_bytes()[-100_000:] != plain.path.read_bytes()[-100_000:]


def test_a_quant_of_an_export_joins_its_card_and_its_entry(tmp_path):
    model = make_model(tmp_path / "m", **WIDE)
    export(str(model), parse("gguf-fp16"), Path("out"))
    quantize(Path("out/gguf/m-base-fp16.gguf"), ["q5_K_M"])
    assert "m-base-q5_K_M.gguf" in Path("out/gguf/README.md").read_text()
    assert "- q5_K_M" in Path("out/models.yaml").read_text()
    assert json.loads(Path("out/export.json").read_text())["forms"]["q5_K_M"]["published"] is True


def test_a_precision_of_an_export_stands_beside_the_folder_of_its_name(tmp_path):
    model = make_model(tmp_path / "m")
    export(str(model), parse("fp16,gguf-fp32"), Path("out"))
    quantize(Path("out/gguf/m-base-fp32.gguf"), ["fp16"])
    forms = json.loads(Path("out/export.json").read_text())["forms"]
    assert {name: one["file"] for name, one in forms.items()} == {
        "fp16": "fp16",
        "gguf-fp32": "m-base-fp32.gguf",
        "gguf-fp16": "m-base-fp16.gguf",
    }
    entries = yaml.safe_load(Path("out/models.yaml").read_text())["models"]
    assert [(entry["backend"], entry["quants"]) for entry in entries] == [
        ("llama_cpp", ["fp32", "fp16"]),
        ("hf", ["fp16"]),
    ]


def test_the_command_says_size_and_divergence(source, articles):
    options = ["--to", "q4_K_M", "--imatrix", articles, "--task", "moods.yaml"]
    done = CliRunner().invoke(app, ["models", "quantize", str(source), *options])
    assert done.exit_code == 0
    assert "bits per weight" in done.stdout
    assert "held-out tokens" in done.stdout


# ---------------------------------------------------------------- wrong inputs


LOCKS = {".quantize.lock", ".export.lock"}
"""What a lock leaves; it holds nothing."""


def present():
    return sorted(path.name for path in Path().rglob("*") if path.name not in LOCKS)


def refused(error, match, source, quants=("q4_K_M",), **more):
    before = present()
    with pytest.raises(error, match=match):
        quantize(Path(source), list(quants), **more)
    assert present() == before


def test_a_name_that_is_no_quant_is_refused_with_the_names(source):
    refused(UsageError, "no such quantization; it has fp32", source, ["q4_K_M", "../q4"])


def test_what_is_quantized_already_is_not_rounded_again(source):
    quantize(source, ["q8_0"])
    refused(ModelFileError, "rounded twice", "tiny-q8_0.gguf")


@pytest.mark.parametrize("content", [b"", b"GGUF", b"GGUF\x03\0\0\0" + b"\xff" * 64])
def test_a_damaged_file_is_refused(content):
    Path("bad.gguf").write_bytes(content)
    refused(ModelFileError, r"bad\.gguf", "bad.gguf")


def test_a_folder_and_a_missing_file_are_refused(source):
    refused(UsageError, "a folder", ".")
    refused(ModelFileError, "no such model file", "nothing.gguf")


def test_a_file_that_is_there_is_not_written_over(source):
    quantize(source, ["q8_0"])
    refused(UsageError, "there already", source, ["q8_0"])


def test_a_quant_that_needs_a_matrix_says_so(source):
    refused = quantize(source, ["iq2_xxs"]).refused[0]
    assert refused.startswith(f"{source.parent / 'tiny-iq2_xxs.gguf'}: ")
    assert "--imatrix" in refused


@pytest.mark.parametrize(
    ("name", "error", "match"),
    [
        ("nothing.gguf", UsageError, "no such file"),
        ("old.dat", UsageError, "old form"),
        ("tiny-fp16.gguf", ModelFileError, "no importance matrix"),
        ("no-such-run-or-set", ConfigError, "no-such-run-or-set"),
        ("empty.jsonl", BenchError, "empty"),
    ],
)
def test_a_matrix_that_is_none_is_refused(source, name, error, match):
    Path("old.dat").write_bytes(b"x")
    Path("empty.jsonl").write_text("")
    refused(error, match, source, imatrix=name)


def test_articles_that_no_prompt_fits_are_refused(source):
    long = json.dumps({"text": "profit " * 4000, "label": None})
    Path("long.jsonl").write_text(long + "\n")
    refused(NoArticlesError, "16 to 2048 tokens", source, imatrix="long.jsonl")


def test_a_full_disk_is_told_and_leaves_nothing(source, monkeypatch):
    found = shutil.disk_usage(".")
    monkeypatch.setattr("shutil.disk_usage", lambda path: found._replace(free=1000))
    refused(StorageError, "0 MiB free", source)


def test_what_only_some_models_can_be_is_refused(source):
    result = quantize(source, ["mxfp4", "nvfp4"])
    assert result.made == ()
    assert "no tensor is MXFP4" in result.refused[0]
    assert len(result.refused) == 2


def test_a_second_quantization_gives_way_and_leaves_the_first_its_files(source):
    half = source.parent / ".quantize" / "tiny-q8_0.gguf"
    half.parent.mkdir()
    half.write_bytes(b"half")
    with FileLock(source.parent / ".quantize.lock"):
        refused(RunLockedError, "another quantization works here", source)
    assert half.read_bytes() == b"half"
    assert quantize(source, ["q8_0"]).refused == ()  # the first was killed
    assert not half.parent.exists()


def test_what_another_made_meanwhile_is_not_written_over(source, articles, monkeypatch):
    find = importance_source.find
    target = source.parent / "tiny-q8_0.gguf"

    def find_slowly(*given):
        target.write_bytes(b"another's")
        return find(*given)

    monkeypatch.setattr(importance_source, "find", find_slowly)
    with pytest.raises(UsageError, match="there already"):
        quantize(source, ["q8_0"], imatrix=articles, task="moods.yaml")
    assert target.read_bytes() == b"another's"


def test_an_export_and_its_files_quantization_do_not_both_write_its_record(tmp_path):
    model = make_model(tmp_path / "m")
    export(str(model), parse("gguf-fp16"), Path("out"))
    source = Path("out/gguf/m-base-fp16.gguf")
    with FileLock("out/.export.lock"):
        refused(RunLockedError, "out: another export or quantization works here", source, ["q8_0"])
        assert quantize(source, ["q8_0"], out=Path("elsewhere")).refused == ()
