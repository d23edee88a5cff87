"""What there is and what it takes, one model in full, and what may be removed."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

pytest.importorskip("torch", reason="the hf extra is not installed")
pytest.importorskip("llama_cpp", reason="the llama extra is not installed")

from bench import backends, store
from bench.backends.hf import model_folder
from bench.backends.llama_cpp import gguf_check
from bench.cli.app import app
from bench.errors import ModelFileError, StorageError, UsageError
from bench.model_files.export import export
from bench.model_files.export_folder import config_text
from bench.model_files.listing import chosen_file, rows
from bench.model_files.remove import plan, remove
from bench.model_files.show import show
from bench.records import ArmRecord, LoadedModel, Manifest
from bench.training.export.forms import parse
from tests.backends.asking import hf_spec, llama_spec, sampling
from tests.exporting import make_model, make_training
from tests.fixtures.tiny_gguf import make_tiny_gguf

MODELS, RUNS = Path("models"), Path("sentiments")


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """A small model."""
    return make_model(tmp_path_factory.mktemp("files") / "small")


@pytest.fixture
def gguf():
    """A GGUF file below models/."""
    MODELS.mkdir()
    return make_tiny_gguf(MODELS / "tiny-fp16.gguf")


def make_run(ref, digest=None, run_id="first"):
    """A run of an arm with this model."""
    loaded = LoadedModel(digest=digest, load_s=1.25, peak_memory_bytes=5 << 20)
    make_arm_run(
        ArmRecord(arm="tiny/base/fp16@llama_cpp", spec=llama_spec(ref), loaded=loaded), run_id=run_id
    )


def make_arm_run(arm, run_id="first"):
    """A run of this arm."""
    manifest = Manifest(
        run_id=run_id,
        bench_version="0",
        config={},
        task={},
        provenance={},
        article_ids=(),
        iterations=1,
        arms=(arm,),
        started_at=datetime.now(UTC),
    )
    store.create_run(RUNS, manifest, ()).close()


def test_files_and_folders_are_listed_with_bits_per_weight(small, gguf):
    shutil.copytree(small, MODELS / "small")
    (MODELS / "bad").mkdir()
    (MODELS / "bad" / "config.json").write_text("{}")
    (MODELS / "bad" / "model.safetensors").write_bytes(b"x")
    bad, folder, file = rows(MODELS, RUNS)
    assert bad.error is not None
    assert (folder.file, folder.backend, folder.quant) == ("small/", "hf", "fp32")
    assert folder.bits_per_weight == pytest.approx(32, abs=0.5)
    assert (file.backend, file.quant) == ("llama_cpp", "fp16")
    assert file.bits_per_weight is not None
    assert 16 < file.bits_per_weight < 17
    assert (file.load_s, file.peak_memory_bytes, file.said_by) == (None, None, None)


def test_memory_and_seconds_are_those_of_a_run_with_that_digest(gguf):
    make_run(gguf, gguf_check.file_digest(gguf))
    make_run(gguf, "sha256:of another file", run_id="second")
    (row,) = rows(MODELS, RUNS)
    assert (row.load_s, row.peak_memory_bytes, row.said_by) == (1.25, 5 << 20, "first")
    done = CliRunner().invoke(app, ["models"])
    assert "5.0 MiB" in done.stdout
    assert "1.25 s" in done.stdout


def test_what_a_folder_took_quantized_is_not_what_it_takes_as_it_is(small):
    shutil.copytree(small, MODELS / "small")
    digest = model_folder.digest(model_folder.inspect(MODELS / "small"), None)
    loaded = LoadedModel(digest=digest, load_s=9.0, peak_memory_bytes=1 << 20)
    make_arm_run(ArmRecord(arm="s/base/nf4@hf", spec=hf_spec(MODELS / "small", quant="nf4"), loaded=loaded))
    (row,) = rows(MODELS, RUNS)
    assert (row.quant, row.load_s, row.peak_memory_bytes, row.said_by) == ("fp32", None, None, None)
    loaded = LoadedModel(digest=digest, load_s=1.0, peak_memory_bytes=4 << 20)
    plain = ArmRecord(arm="s/base/fp32@hf", spec=hf_spec(MODELS / "small", quant="fp32"), loaded=loaded)
    make_arm_run(plain, run_id="second")
    (row,) = rows(MODELS, RUNS)
    assert (row.load_s, row.peak_memory_bytes, row.said_by) == (1.0, 4 << 20, "second")


def test_a_model_is_loaded_and_measured_where_asked(gguf):
    (row,) = rows(MODELS, RUNS, measure=True)
    assert row.said_by == "measured"
    assert row.load_s is not None
    assert row.load_s > 0
    assert row.peak_memory_bytes is None or row.peak_memory_bytes > 20 << 20


def test_a_file_of_an_export_is_shown_with_types_parity_and_card(small):
    export(str(small), parse("fp16,q8_0"), Path("out"), licence="apache-2.0")
    shown = show(Path("out/gguf/small-base-q8_0.gguf"))
    assert shown.facts["quant"] == "q8_0"
    assert set(shown.tensor_types) == {"F32", "Q8_0"}
    assert shown.parity is not None
    assert "same tokens on 200" in shown.parity
    folder = show(Path("out/fp16"))
    assert set(folder.tensor_types) == {"F16"}
    assert "logits within" in (folder.parity or "")
    done = CliRunner().invoke(app, ["models", "show", "out/fp16"])
    assert "license: apache-2.0" in done.stdout
    assert "tensor types" in done.stdout
    assert json.loads(CliRunner().invoke(app, ["models", "show", "out/fp16", "--json"]).stdout)[
        "tensor_types"
    ]


def test_what_nobody_compared_says_so(gguf):
    assert show(gguf).parity is None
    assert "nobody noted" in CliRunner().invoke(app, ["models", "show", str(gguf)]).stdout
    with pytest.raises(UsageError, match="no such file"):
        show(Path("nothing"))
    Path("bad.gguf").write_bytes(b"GGUF")
    with pytest.raises(ModelFileError, match="cut off"):
        show(Path("bad.gguf"))


def test_a_folder_and_a_quant_mean_one_file(small):
    export(str(small), parse("gguf-fp16,q8_0"), Path("out"))
    assert chosen_file(Path("out"), "Q8_0") == Path("out/gguf/small-base-q8_0.gguf")
    with pytest.raises(UsageError, match="2 files fit; say --quant"):
        chosen_file(Path("out"), None)
    with pytest.raises(UsageError, match="0 files fit"):
        chosen_file(Path("out/gguf"), "q4_K_M")
    done = CliRunner().invoke(app, ["models", "create", "mine", "out", "--quant", "q8_0", "--print"])
    assert done.stdout.startswith("FROM out/gguf/small-base-q8_0.gguf\nTEMPLATE")


# ---------------------------------------------------------------- removing


def removed(*arguments):
    return CliRunner().invoke(app, ["models", "rm", *map(str, arguments)])


def test_a_model_is_removed_where_that_is_said(gguf):
    done = removed(gguf)
    assert isinstance(done.exception, UsageError)
    assert gguf.exists()
    assert removed(gguf, "--yes").exit_code == 0
    assert not gguf.exists()


def test_what_a_run_refers_to_stays_unless_forced(gguf):
    make_run(gguf)
    done = removed(gguf, "--yes")
    assert isinstance(done.exception, UsageError)
    assert "first" in str(done.exception)
    assert gguf.exists()
    assert isinstance(removed(MODELS / "tiny-fp16.gguf", "--yes").exception, UsageError)
    assert removed(gguf, "--yes", "--force").exit_code == 0
    assert not gguf.exists()


def test_a_folder_that_holds_a_runs_adapter_stays(small):
    MODELS.mkdir()
    shutil.copytree(small, MODELS / "small")
    make_run(MODELS.absolute() / "small")
    with pytest.raises(UsageError, match="refer to it"):
        remove(plan(MODELS / "small", MODELS, RUNS))
    assert (MODELS / "small" / "config.json").exists()


def test_a_run_that_cannot_be_read_holds_on_to_everything(gguf):
    (RUNS / "broken").mkdir(parents=True)
    (RUNS / "broken" / "manifest.json").write_text("{")
    assert plan(gguf, MODELS, RUNS).runs == ("broken (cannot be read)",)


@pytest.fixture
def trained_on(small):
    """A base below models/, and a training that stands on it."""

    def trained(base):
        shutil.copytree(small, MODELS / base)
        return make_training(MODELS, MODELS / base, None)

    return trained


def test_a_base_on_which_a_training_stands_stays_unless_forced(trained_on):
    trained_on("base/pretrained")
    done = removed(MODELS / "base", "--yes")
    assert isinstance(done.exception, UsageError)
    assert "1 trainings stand on it (phrases/lora)" in str(done.exception)
    assert (MODELS / "base/pretrained/config.json").exists()
    assert removed(MODELS / "base", "--yes", "--force").exit_code == 0


def test_a_base_goes_together_with_what_stands_on_it(trained_on):
    trained_on("base/pretrained")
    assert removed(MODELS / "base", MODELS / "phrases", "--yes").exit_code == 0
    assert not list(MODELS.iterdir())


def test_a_training_that_cannot_be_read_holds_on_to_everything(gguf, trained_on):
    (trained_on("base") / "arm.json").write_text("{")
    assert plan(gguf, MODELS, RUNS).trainings == ("phrases/lora (cannot be read)",)


@pytest.mark.parametrize("name", ["../x", "models/../x", "models", ".", "/etc/hostname", "models/..", "x"])
def test_nothing_outside_the_folder_is_removed(gguf, name):
    Path("x").write_text("mine")
    with pytest.raises(UsageError):
        plan(Path(name), MODELS, RUNS)
    assert Path("x").exists()


def test_a_link_is_removed_and_not_what_it_leads_to(gguf, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    (MODELS / "link").symlink_to(outside)
    with pytest.raises(UsageError, match="not below"):
        plan(MODELS / "link" / "precious", MODELS, RUNS)
    assert removed(MODELS / "link", "--yes").exit_code == 0
    assert not (MODELS / "link").is_symlink()
    assert (outside / "precious").exists()


def test_what_was_removed_leaves_its_exports_card_and_entry(small):
    export(str(small), parse("gguf-fp16,q8_0"), MODELS / "out")
    remove(plan(MODELS / "out/gguf/small-base-q8_0.gguf", MODELS, RUNS))
    assert "q8_0" not in (MODELS / "out/models.yaml").read_text()
    assert "q8_0" not in (MODELS / "out/gguf/README.md").read_text()
    export(str(small), parse("q8_0"), MODELS / "out")
    spec = llama_spec(MODELS / "out/gguf/small-base-q8_0.gguf", "q8_0")
    backends.get("llama_cpp").check(spec, sampling())


def test_what_was_set_aside_goes_without_the_published_file_of_its_name(small):
    out = MODELS / "out"
    export(str(small), parse("gguf-fp16,q8_0"), out)
    (out / "rejected").mkdir()
    name = "gguf/small-base-q8_0.gguf"
    shutil.copy(out / name, out / "rejected")
    before = {path: (out / path).read_bytes() for path in ("export.json", "models.yaml", name)}
    assert show(out / "rejected/small-base-q8_0.gguf").parity is None
    remove(plan(out / "rejected/small-base-q8_0.gguf", MODELS, RUNS))
    assert not (out / "rejected/small-base-q8_0.gguf").exists()
    assert {path: (out / path).read_bytes() for path in before} == before


def test_a_removed_folder_takes_its_forms_out_of_the_entries(small):
    out = MODELS / "out"
    export(str(small), parse("fp16,gguf-fp16,q8_0"), out)
    remove(plan(out / "gguf", MODELS, RUNS))
    entries = yaml.safe_load((out / "models.yaml").read_text())["models"]
    assert [entry["quants"] for entry in entries] == [["fp16"]]
    assert json.loads((out / "export.json").read_text())["forms"].keys() == {"fp16"}
    remove(plan(out / "fp16", MODELS, RUNS))
    assert (out / "models.yaml").read_text() == ""


def test_the_last_file_takes_the_card_with_it(small):
    export(str(small), parse("q8_0"), MODELS / "out")
    remove(plan(MODELS / "out/gguf/small-base-q8_0.gguf", MODELS, RUNS))
    assert list((MODELS / "out/gguf").iterdir()) == []


@pytest.mark.parametrize(
    "content",
    ["{", '{"made_by": "bench models export"}', '{"made_by": "bench models export", "forms": {"x": 1}}'],
)
def test_a_damaged_record_of_an_export_is_one_line(gguf, content):
    (MODELS / "export.json").write_text(content)
    with pytest.raises(StorageError, match=r"export\.json"):
        show(gguf)


def test_a_record_of_another_program_is_none_of_ours(gguf):
    (MODELS / "export.json").write_text('{"forms": [1, 2]}')
    assert show(gguf).parity is None
    assert len(rows(MODELS, RUNS)) == 1


def test_an_export_whose_facts_cannot_be_read_is_one_damaged_row(small):
    pytest.importorskip("bitsandbytes", reason="the hf-quant extra is not installed")
    export(str(small), parse("nf4,q8_0"), MODELS / "out")
    (MODELS / "out/export.json").write_text("{")
    found = {row.file: row.error for row in rows(MODELS, RUNS)}
    assert found.pop("out/nf4/") == ("models/out/export.json: cannot be read; remove it and export again")
    assert set(found.values()) == {None}


@pytest.mark.parametrize("gone", ["fp32/model.safetensors", "fp32", "gguf", "gguf/small-base-q8_0.gguf"])
def test_no_config_is_made_of_an_export_whose_files_are_gone(small, gone):
    export(str(small), parse("fp32,q8_0"), MODELS / "out")
    assert config_text([MODELS / "out"], "phrasebank", None, 1, 8, 64)
    path = MODELS / "out" / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(ModelFileError, match="models/out/"):
        config_text([MODELS / "out"], "phrasebank", None, 1, 8, 64)


def test_an_export_notes_the_bits_per_weight_that_the_listing_shows(small):
    export(str(small), parse("fp32,q8_0"), MODELS / "out")
    forms = json.loads((MODELS / "out/export.json").read_text())["forms"]
    noted = sorted(one["bits_per_weight"] for one in forms.values())
    shown = sorted(row.bits_per_weight for row in rows(MODELS, RUNS) if row.bits_per_weight is not None)
    assert noted == pytest.approx(shown)
