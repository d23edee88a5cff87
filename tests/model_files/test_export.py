"""Exports: forms that are the model stand there with card and entry, others are set aside and named."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest
import yaml
from filelock import FileLock
from typer.testing import CliRunner

pytest.importorskip("torch", reason="the hf extra is not installed")
pytest.importorskip("llama_cpp", reason="the llama extra is not installed")

import torch
from transformers import AutoTokenizer, LlamaForCausalLM, LlamaForSequenceClassification

from bench import backends
from bench.cli.app import app
from bench.config import load_config
from bench.errors import ModelFileError, RunLockedError, StorageError, UsageError
from bench.model_files import export_check, export_source
from bench.model_files.export import export
from bench.training.export.forms import parse
from bench.training.gguf import layout
from tests.backends.asking import hf_spec, sampling
from tests.builders import SCHEMA
from tests.exporting import WIDE, make_adapter, make_model, make_training
from tests.fixtures.tiny_hf import llama_config, make_tiny_hf, make_tokenizer
from tests.training.gguf import families

OUT = Path("out")


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A small model."""
    return make_model(tmp_path_factory.mktemp("export") / "small")


@pytest.fixture(scope="session")
def wide(tmp_path_factory):
    """A model whose rows K-quants fit."""
    return make_model(tmp_path_factory.mktemp("export") / "wide", **WIDE)


@pytest.fixture(scope="session")
def adapter(model, tmp_path_factory):
    """An adapter of the small model."""
    return make_adapter(tmp_path_factory.mktemp("export") / "adapter", model)


def logits(model_, ids=(5, 6, 7, 8)):
    with torch.no_grad():
        return model_(input_ids=torch.tensor([list(ids)])).logits.float()


def exported(model_, to, **more):
    return export(str(model_), parse(to), OUT, **more)


def facts():
    return json.loads((OUT / "export.json").read_text())["forms"]


# ---------------------------------------------------------------- what comes out


def test_an_adapter_is_merged_and_the_folder_stands_alone(model, adapter):
    done = exported(model, "fp32", adapter=adapter)
    assert done.refusal is None
    read = LlamaForCausalLM.from_pretrained(str(OUT / "fp32"), dtype=torch.float32)
    base = LlamaForCausalLM.from_pretrained(str(model), dtype=torch.float32)
    session = backends.get("hf").open(hf_spec(model, adapter=str(adapter)), sampling(), SCHEMA, 1)
    try:
        applied = logits(session._opened().model)  # type: ignore[attr-defined]
    finally:
        session.close()
    assert torch.allclose(logits(read), applied, atol=1e-4)
    assert not torch.allclose(logits(read), logits(base), atol=0.05)
    assert not list((OUT / "fp32").glob("adapter*"))


def test_weights_come_in_parts_no_larger_than_asked(model):
    exported(model, "fp16", shard_bytes=100_000)
    parts = sorted((OUT / "fp16").glob("*.safetensors"))
    assert len(parts) > 2
    assert all(path.stat().st_size < 110_000 for path in parts)
    index = json.loads((OUT / "fp16" / "model.safetensors.index.json").read_text())
    assert set(index["weight_map"].values()) == {path.name for path in parts}
    assert facts()["fp16"]["check"]["tensor_types"] == {"F16": len(index["weight_map"])}
    assert {path.stat().st_mode for path in parts} == {(OUT / "fp16" / "config.json").stat().st_mode}


def test_an_answer_ends_where_the_template_ends_a_turn(model, tmp_path):
    copied = shutil.copytree(model, tmp_path / "wrong")
    config = json.loads((copied / "config.json").read_text())
    config["eos_token_id"] = 0  # the end of a text, which no turn of a conversation ends with
    (copied / "config.json").write_text(json.dumps(config))
    (copied / "generation_config.json").write_text('{"eos_token_id": 0}')
    tokenizer = json.loads((copied / "tokenizer_config.json").read_text())
    tokenizer["eos_token"] = "<|endoftext|>"
    (copied / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    assert exported(copied, "fp16,gguf-fp16").refusal is None
    ends = json.loads((OUT / "fp16" / "generation_config.json").read_text())["eos_token_id"]
    assert ends == [1, 0]


def test_the_tokenizer_is_the_same_bytes(model):
    exported(model, "bf16")
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        assert (OUT / "bf16" / name).read_bytes() == (model / name).read_bytes()
    assert AutoTokenizer.from_pretrained(str(OUT / "bf16")).chat_template


def test_embeddings_that_training_parted_stay_apart(tmp_path):
    tied = make_model(tmp_path / "tied", tie_word_embeddings=True)
    adapter_ = make_adapter(tmp_path / "a", tied, modules_to_save=["lm_head"])
    assert exported(tied, "fp16,gguf-fp16", adapter=adapter_).refusal is None
    assert json.loads((OUT / "fp16" / "config.json").read_text())["tie_word_embeddings"] is False


def test_quants_are_made_of_the_model_and_compared(wide):
    done = exported(wide, "q4_K_M,q8_0,gguf-fp16", family="tiny", variant="base")
    assert done.refusal is None
    names = {path.name for path in (OUT / "gguf").glob("*.gguf")}
    assert names == {f"tiny-base-{quant}.gguf" for quant in ("q4_K_M", "q8_0", "fp16")}
    assert facts()["q4_K_M"]["check"]["tensor_types"].keys() >= {"Q4_K"}
    assert facts()["gguf-fp16"]["check"]["max_logit_difference"] <= 0.01
    assert "rounding moves logits" in facts()["q4_K_M"]["check"]["said"]
    assert facts()["q4_K_M"]["bits_per_weight"] < facts()["q8_0"]["bits_per_weight"] < 40


def test_the_entry_is_one_that_a_config_takes(wide):
    done = exported(wide, "fp16,q4_K_M,q8_0", family="tiny")
    Path("config.yaml").write_text(f"task: financial_news\n{done.entries}")
    arms = [spec.arm for spec in load_config(Path("config.yaml")).arms()]
    assert arms == ["tiny/base/q4_K_M@llama_cpp", "tiny/base/q8_0@llama_cpp", "tiny/base/fp16@hf"]
    assert (OUT / "models.yaml").read_text() == done.entries
    for spec in load_config(Path("config.yaml")).arms():
        backends.get(spec.backend).check(spec, sampling())


@pytest.mark.parametrize("quant", ["nf4", "int8"])
def test_a_model_quantized_by_bitsandbytes_is_read_back_alike(model, quant):
    pytest.importorskip("bitsandbytes")
    done = exported(model, quant)
    assert done.refusal is None
    assert facts()[quant]["check"]["max_logit_difference"] == 0
    assert any("bit" in kind for kind in facts()[quant]["check"]["tensor_types"])
    spec = hf_spec(OUT / quant, quant)
    backends.get("hf").check(spec, sampling())
    session = backends.get("hf").open(spec, sampling(), SCHEMA, 1)
    session.close()
    other = "int8" if quant == "nf4" else "nf4"
    with pytest.raises(ModelFileError, match="quantized already"):
        backends.get("hf").check(hf_spec(OUT / quant, other), sampling())


def test_a_finished_training_brings_its_names_adapter_and_evaluation(model, adapter, tmp_path):
    training = make_training(tmp_path / "models", model, adapter)
    exported(training, "fp16,gguf-fp16", licence="apache-2.0")
    page = (OUT / "fp16" / "README.md").read_text()
    head = yaml.safe_load(page.split("---\n")[1])
    assert head["license"] == "apache-2.0"
    assert head["library_name"] == "transformers"
    result = head["model-index"][0]["results"][0]
    assert {m["type"]: m["value"] for m in result["metrics"]} == {"accuracy": 0.8125, "macro_f1": 0.79}
    assert "| phrases/base/fp32@hf | base | 0.41 |" in page
    assert "same tokens on" in page
    assert "| steps | 12 |" in page
    assert "base_model" not in head
    assert (OUT / "gguf" / "phrases-lora-fp16.gguf").is_file()
    assert "gguf" in yaml.safe_load((OUT / "gguf" / "README.md").read_text().split("---\n")[1])["tags"]


def test_a_copied_training_is_exported_with_its_own_adapter_or_not_at_all(model, adapter, tmp_path):
    original = make_training(tmp_path / "models", model, adapter)
    copied = Path(shutil.copytree(original, tmp_path / "copies" / "lora"))
    found = export_source.find(str(copied), None, None, None)
    assert found.spec.adapter == str(copied / "adapter")
    assert found.adapter is not None
    assert found.adapter.folder == copied / "adapter"
    shutil.rmtree(copied / "adapter")
    with pytest.raises(ModelFileError, match="which is no part of"):
        export_source.find(str(copied), None, None, None)


@pytest.mark.parametrize("digest", ["sha256:of earlier weights", ""])
def test_an_evaluation_of_other_weights_stands_on_no_card(model, adapter, tmp_path, digest):
    training = make_training(tmp_path / "models", model, adapter)
    path = training.parent / "evaluation.csv"
    path.write_text(re.sub("sha256:[0-9a-f]+", digest, path.read_text()))
    told: list[str] = []
    exported(training, "fp16", told=told.append)
    page = (OUT / "fp16" / "README.md").read_text()
    assert "model-index" not in page
    assert "## Evaluation" not in page
    assert any("does not say that it measured these weights" in said for said in told)


def test_a_second_export_adds_to_the_first(model):
    exported(model, "gguf-fp16")
    exported(model, "q8_0,fp16")
    assert set(facts()) == {"gguf-fp16", "q8_0", "fp16"}
    assert (OUT / "gguf" / "README.md").read_text().count(".gguf |") == 2
    assert len(yaml.safe_load((OUT / "models.yaml").read_text())["models"]) == 2


# ---------------------------------------------------------------- what is not the model


def damaged(monkeypatch, damage):
    """Let `damage(folder)` happen after a form was written and before it is compared."""
    from bench.training.export import weights

    save = weights.save_folder

    def save_and_damage(model_, texts, target, *more):
        save(model_, texts, target, *more)
        damage(target)

    monkeypatch.setattr(weights, "save_folder", save_and_damage)


def rewrite(path, change):
    found = json.loads(path.read_text())
    change(found)
    path.write_text(json.dumps(found))


def no_eos(folder):
    rewrite(folder / "generation_config.json", lambda found: found.update(eos_token_id=3))


def other_template(folder):
    path = folder / "chat_template.jinja"
    path.write_text(path.read_text().replace("<|end|>", "<|end|>\n"))


def dropped_token(folder):
    rewrite(folder / "tokenizer.json", lambda found: found["added_tokens"].pop())
    rewrite(folder / "tokenizer_config.json", lambda found: found["extra_special_tokens"].pop())


def other_weights(folder):
    read = LlamaForCausalLM.from_pretrained(str(folder), dtype=torch.float16)
    with torch.no_grad():
        read.model.layers[0].self_attn.q_proj.weight.mul_(1.5)
    read.save_pretrained(str(folder))


def other_types(folder):
    LlamaForCausalLM.from_pretrained(str(folder), dtype=torch.float32).save_pretrained(str(folder))


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (no_eos, "stop"),
        (other_template, "prompt"),
        (dropped_token, "tokens"),
        (other_weights, "logits"),
        (other_types, "types"),
    ],
)
def test_a_folder_that_is_not_the_model_is_set_aside_and_the_difference_named(
    model, monkeypatch, damage, what
):
    damaged(monkeypatch, damage)
    done = exported(model, "fp16")
    assert done.refusal is not None
    assert f"fp16: {what}: " in done.refusal or f"; {what}: " in done.refusal
    assert (OUT / "rejected" / "fp16").is_dir()
    assert not (OUT / "fp16").exists()
    assert done.entries == ""
    assert facts()["fp16"]["published"] is False


def test_a_quant_whose_rows_do_not_fit_is_set_aside_and_the_others_stand(model):
    done = exported(model, "q4_K_M,q8_0")
    assert "q4_K_M: types: " in done.refusal
    assert "rows of 64 are no multiple of 256" in done.refusal
    assert [path.name for path in (OUT / "gguf").glob("*.gguf")] == ["small-base-q8_0.gguf"]
    assert "q4_K_M" not in done.entries


def test_a_quant_made_of_a_wrong_file_is_set_aside_although_rounding_hides_it(tmp_path, monkeypatch):
    folder = families.make("llama2", tmp_path / "llama2")
    whole = layout.decoder_parts

    def unpermuted(config, **more):
        return whole(config, **{**more, "permute": False})

    monkeypatch.setattr("bench.training.gguf.architectures.llama.decoder_parts", unpermuted)
    done = exported(folder, "q8_0")
    assert [made.is_published for made in done.made] == [False]
    assert "logits: differ by up to" in (done.refusal or "")


def test_an_architecture_that_gguf_does_not_know_is_refused_before_it_is_loaded(tmp_path):
    folder = families.make("llama2", tmp_path / "other")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "opt"}))
    told: list[str] = []
    with pytest.raises(
        ModelFileError, match="architecture 'opt' cannot be exported to GGUF; known: gpt2, llama"
    ):
        exported(folder, "q8_0", told=told.append)
    assert told == []


def test_what_holds_under_a_condition_only_is_told(tmp_path):
    told: list[str] = []
    exported(families.make("mistral", tmp_path / "mistral"), "gguf-fp16", told=told.append)
    assert any("gguf-fp16: context limited to 256 tokens" in line for line in told)


def test_the_command_ends_with_a_bad_model_files_code(model):
    result = CliRunner().invoke(
        app, ["models", "export", str(model), "--to", "q4_K_M,q8_0", "--out", "out", "--json"]
    )
    assert result.exit_code != 0
    assert isinstance(result.exception, ModelFileError)
    assert result.exception.exit_code == 5
    made = json.loads(result.stdout)["made"]
    assert {one["form"]: one["published"] for one in made} == {"q4_K_M": False, "q8_0": True}


# ---------------------------------------------------------------- wrong inputs


@pytest.mark.parametrize(
    ("name", "message"),
    [("nothing", "no such folder"), ("x.gguf", "models quantize"), ("empty", "holds no config.json")],
)
def test_what_is_no_model_is_refused(name, message):
    Path("x.gguf").write_bytes(b"GGUF")
    Path("empty").mkdir()
    with pytest.raises((UsageError, ModelFileError), match=message):
        exported(name, "fp16")
    assert not OUT.exists()


def test_an_adapter_named_as_the_model_says_what_to_do(adapter):
    with pytest.raises(UsageError, match="name its base as MODEL"):
        exported(adapter, "fp16")


def test_an_adapter_of_another_base_is_refused(wide, adapter):
    with pytest.raises(ModelFileError, match="does not fit"):
        exported(wide, "fp16", adapter=adapter)
    assert not list(OUT.glob("fp16"))


def test_an_adapter_with_another_tokenizer_is_refused(model, adapter, tmp_path):
    copied = shutil.copytree(adapter, tmp_path / "own")
    (copied / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelFileError, match="not the tokenizer of"):
        exported(model, "fp16", adapter=copied)


def test_damaged_weights_are_refused(model, tmp_path):
    copied = shutil.copytree(model, tmp_path / "cut")
    os.truncate(copied / "model.safetensors", 5000)
    with pytest.raises(ModelFileError, match="broke"):
        exported(copied, "fp16")


def test_an_end_outside_the_vocabulary_is_refused_by_the_name_of_the_folder(model, tmp_path):
    folder = shutil.copytree(model, tmp_path / "model")
    (folder / "generation_config.json").write_text('{"eos_token_id": 99999}')
    with pytest.raises(ModelFileError, match=f"{folder}: an answer is to end at token 99999"):
        exported(folder, "q8_0")


@pytest.mark.parametrize("name", ["../../evil", "a/b", "", "x" * 200])
def test_a_family_that_is_no_name_is_refused(model, name):
    if name:
        with pytest.raises(UsageError, match="--family"):
            exported(model, "fp16", family=name)


def test_an_arm_that_is_none_is_refused(model, tmp_path):
    training = make_training(tmp_path / "models", model, None)
    (training / "arm.json").write_text('{"family": "../../x"}')
    with pytest.raises(ModelFileError, match=r"arm\.json: does not describe"):
        exported(training, "fp16")
    with pytest.raises(UsageError, match="holds several trainings"):
        exported(training.parent, "fp16")


def test_a_form_that_is_there_is_not_written_over(model):
    exported(model, "fp16")
    before = (OUT / "fp16" / "model.safetensors").stat().st_mtime_ns
    with pytest.raises(UsageError, match="there already"):
        exported(model, "fp16")
    assert (OUT / "fp16" / "model.safetensors").stat().st_mtime_ns == before


@pytest.mark.parametrize("text", ["", "q9_K", "fp16;rm", "gguf-q4_K_M", "q4_K"])
def test_a_form_that_nobody_knows_is_refused_with_the_names(text):
    with pytest.raises(UsageError, match="there are fp32, fp16"):
        parse(text)


def test_a_form_is_known_in_any_case_and_once():
    assert [form.name for form in parse("Q4_k_m, q4_K_M,GGUF-FP16,iq4_XS")] == [
        "q4_K_M",
        "gguf-fp16",
        "iq4_xs",
    ]


@pytest.mark.parametrize("size", ["2", "GB", "-1GB", "1e9", "1B", "1 PB"])
def test_a_shard_size_that_is_none_is_refused(model, size):
    result = CliRunner().invoke(
        app, ["models", "export", str(model), "--to", "fp16", "--out", "out", "--shard-size", size]
    )
    assert isinstance(result.exception, UsageError)


# ---------------------------------------------------------------- stops and full disks


def test_a_stop_leaves_nothing_half(model, monkeypatch):
    def stop(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(export_check, "check_folder", stop)
    with pytest.raises(KeyboardInterrupt):
        exported(model, "fp16")
    assert [path.name for path in OUT.iterdir()] == [".export.lock"]


def test_what_a_killed_export_left_is_removed(model):
    (OUT / ".export" / "fp16").mkdir(parents=True)
    (OUT / ".export" / "fp16" / "model.safetensors").write_bytes(b"half")
    exported(model, "fp16")
    assert not (OUT / ".export").exists()


def test_two_exports_into_one_folder_do_not_mix(model):
    OUT.mkdir()
    with FileLock(OUT / ".export.lock"), pytest.raises(RunLockedError, match="another export"):
        exported(model, "fp16")


def test_a_disk_that_is_too_small_is_told_before_anything_is_written(model, monkeypatch):
    found = shutil.disk_usage(".")
    monkeypatch.setattr("shutil.disk_usage", lambda path: found._replace(free=1000))
    with pytest.raises(StorageError, match="0 MiB free"):
        exported(model, "fp16")


def test_a_disk_that_fills_up_is_one_line_and_nothing_half(model, monkeypatch):
    def full(*args, **more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(StorageError, match="no space left"):
        exported(model, "fp16")
    assert not (OUT / "fp16").exists()
    assert not (OUT / ".export").exists()


def test_full_precision_comes_as_gguf_too(model):
    assert exported(model, "gguf-fp32,gguf-bf16").refusal is None
    assert facts()["gguf-fp32"]["check"]["tensor_types"].keys() == {"F32"}
    assert facts()["gguf-bf16"]["check"]["tensor_types"].keys() == {"F32", "BF16"}


def test_the_card_names_a_base_on_the_hub_and_no_path(model, adapter, tmp_path):
    named = shutil.copytree(adapter, tmp_path / "named")
    told: list[str] = []
    for base, expected in (("meta-llama/Llama-3-8B", "meta-llama/Llama-3-8B"), ("models/base", None)):
        rewrite(
            named / "adapter_config.json", lambda found, base=base: found.update(base_model_name_or_path=base)
        )
        shutil.rmtree(OUT, ignore_errors=True)
        exported(model, "fp16", adapter=named, told=told.append)
        head = yaml.safe_load((OUT / "fp16" / "README.md").read_text().split("---\n")[1])
        assert head.get("base_model") == expected
    assert "the adapter names another base (meta-llama/Llama-3-8B); its shapes fit this one" in told
    with pytest.raises(UsageError, match="--base-model"):
        exported(model, "bf16", adapter=named, base_model="../x")


def test_a_classifier_is_exported_with_its_labels_and_never_as_gguf(tmp_path):
    tokenizer = make_tokenizer()
    config = llama_config(len(tokenizer), num_labels=3, id2label={0: "bad", 1: "even", 2: "good"})
    folder = make_tiny_hf(tmp_path / "head", tokenizer, LlamaForSequenceClassification(config))
    assert exported(folder, "fp16").refusal is None
    entry = yaml.safe_load((OUT / "models.yaml").read_text())["models"][0]
    assert entry["options"] == {"head": "classification", "labels": ["bad", "even", "good"]}
    head = yaml.safe_load((OUT / "fp16" / "README.md").read_text().split("---\n")[1])
    assert head["pipeline_tag"] == "text-classification"
    with pytest.raises(UsageError, match="holds no classification head"):
        exported(folder, "q8_0")


def test_an_adapter_that_changes_no_weights_is_refused(model, adapter, tmp_path):
    learned = shutil.copytree(adapter, tmp_path / "learned")
    rewrite(learned / "adapter_config.json", lambda found: found.update(peft_type="PROMPT_TUNING"))
    with pytest.raises(ModelFileError, match="cannot be merged"):
        exported(model, "fp16", adapter=learned)


def test_a_quant_that_needs_a_matrix_is_refused_before_anything_is_made(model):
    with pytest.raises(UsageError, match="needs an importance matrix"):
        exported(model, "fp16,iq2_xs")
    assert not OUT.exists()


def test_two_models_do_not_share_a_folder(model, wide):
    exported(model, "fp16")
    with pytest.raises(UsageError, match="export of another model"):
        exported(wide, "q8_0")


def test_a_merge_that_is_not_the_model_becomes_no_gguf(model, monkeypatch):
    damaged(monkeypatch, other_weights)
    with pytest.raises(ModelFileError, match="merged in fp16: logits"):
        exported(model, "q8_0")
    assert not (OUT / "gguf").exists()


@pytest.mark.parametrize("to", ["fp16,q8_0", "fp16,gguf-fp16", "fp16,nf4"])
def test_a_folder_that_is_not_the_model_is_what_no_other_form_is_made_of(model, monkeypatch, to):
    damaged(monkeypatch, other_weights)
    with pytest.raises(ModelFileError, match="merged in fp16: logits"):
        exported(model, to)
    assert [path.name for path in OUT.iterdir() if path.name[0] != "."] == []
