"""Folders and settings that cannot be honoured: one clear line each, before anything is loaded."""

import importlib.util
import json
import pickle
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel, LlamaForCausalLM

from bench import backends
from bench.backends.hf import model_folder
from bench.errors import ConfigError, MissingExtraError, ModelFileError, UsageError
from tests.backends.asking import hf_spec, prompt, sampling, texts
from tests.backends.hf.conftest import adapter_for
from tests.builders import SCHEMA
from tests.fixtures.tiny_hf import llama_config, make_tiny_hf

BACKEND = backends.get("hf")


def refused(folder, match, quant="fp32", error=ModelFileError, **fields):
    """The check refuses in one line, and so does opening."""
    spec = hf_spec(folder, quant, **fields)
    with pytest.raises(error, match=match) as found:
        BACKEND.check(spec, sampling())
    assert "\n" not in str(found.value)
    with pytest.raises(error, match=match):
        BACKEND.open(spec, sampling(), SCHEMA, 1)


def edit(path, **fields):
    found = json.loads(path.read_text())
    path.write_text(json.dumps({**found, **fields}))


class Bomb:
    """What unpickling this does is what loading a hostile file would do."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return (open, (str(self.target), "w"))


def test_pickled_weights_are_refused_and_not_opened(copied, tmp_path):
    (copied / "model.safetensors").unlink()
    (copied / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(tmp_path / "ran")))
    refused(copied, "pickled")
    assert not (tmp_path / "ran").exists()


def test_a_folder_without_weights_is_refused(copied):
    (copied / "model.safetensors").unlink()
    refused(copied, "no safetensors")


@pytest.mark.parametrize("n_bytes", [0, 5, 9, 300, -1])
def test_weights_that_broke_off_are_refused(copied, n_bytes):
    whole = (copied / "model.safetensors").read_bytes()
    (copied / "model.safetensors").write_bytes(whole[:n_bytes])
    refused(copied, "safetensors")


def test_a_header_of_the_wrong_size_is_refused(copied):
    whole = (copied / "model.safetensors").read_bytes()
    (copied / "model.safetensors").write_bytes((2**40).to_bytes(8, "little") + whole[8:])
    refused(copied, "not a whole safetensors file")


@pytest.mark.parametrize(
    "header",
    [
        b"[" * 5000,
        b'{"a": 3}',
        b'{"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 4]}}',
        b'{"a": {"dtype": "F32", "shape": [-4], "data_offsets": [0, -16]}}',
        b'{"a": {"dtype": "X", "shape": [1], "data_offsets": [0, 4]}}',
    ],
)
def test_a_header_that_contradicts_itself_is_refused(copied, header):
    (copied / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    refused(copied, "header cannot be read")


def test_a_missing_part_of_a_model_is_refused(copied):
    (copied / "model.safetensors").unlink()
    (copied / "model.safetensors.index.json").write_text('{"weight_map": {"a": "model-1.safetensors"}}')
    refused(copied, r"model-1\.safetensors is missing")


@pytest.mark.parametrize("name", ["../model.safetensors", "/etc/passwd", "model.bin"])
def test_an_index_cannot_name_files_elsewhere(copied, name):
    (copied / "model.safetensors").unlink()
    (copied / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
    refused(copied, "names no .safetensors files of this folder")


def test_parts_are_loaded_like_a_whole(copied, tiny_hf, open_hf):
    tensors = load_file(copied / "model.safetensors")
    names = sorted(tensors)
    halves = {"model-1.safetensors": names[::2], "model-2.safetensors": names[1::2]}
    for file, part in halves.items():
        save_file({name: tensors[name] for name in part}, copied / file, {"format": "pt"})
    (copied / "model.safetensors").unlink()
    parts = {name: file for file, part in halves.items() for name in part}
    (copied / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": parts}))
    ours, theirs = open_hf(folder=copied), open_hf()
    assert ours.loaded.details["n_parameters"] == theirs.loaded.details["n_parameters"]
    assert ours.loaded.digest != theirs.loaded.digest


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_a_model_with_code_of_its_own_is_refused_and_its_code_not_run(copied, tmp_path, file):
    (copied / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    edit(copied / file, auto_map={"AutoConfig": "evil.C", "AutoModelForCausalLM": "evil.M"})
    refused(copied, "code of its own")
    spec = hf_spec(copied, options={"ignore_own_code": True})
    BACKEND.open(spec, sampling(), SCHEMA, 1).close()
    assert not (tmp_path / "ran").exists()


def test_an_unknown_kind_of_model_is_refused(copied):
    edit(copied / "config.json", model_type="no_such_model")
    refused(copied, "no_such_model")


def test_weights_that_are_quantized_already_are_refused(copied):
    edit(copied / "config.json", quantization_config={"quant_method": "gptq"})
    refused(copied, "gptq")


def test_a_model_without_a_chat_template_is_refused(copied):
    (copied / "chat_template.jinja").unlink()
    refused(copied, "chat template")


def test_a_model_without_a_chat_template_runs_plain_on_request(copied, open_hf):
    (copied / "chat_template.jinja").unlink()
    session = open_hf(folder=copied, options={"template": "plain"})
    assert session.rendered(prompt("Is it?", system="Answer.")) == "Answer.\n\nIs it?\n\n"
    assert texts(session, [1])[0]


def test_a_damaged_tokenizer_is_refused(copied):
    path = copied / "tokenizer.json"
    found = json.loads(path.read_text())
    found["model"]["merges"].append(["no such", "tokens"])
    path.write_text(json.dumps(found))
    with pytest.raises(ModelFileError, match="its tokenizer cannot be loaded: Token"):
        BACKEND.open(hf_spec(copied), sampling(), SCHEMA, 1)


def test_a_template_that_fails_is_refused(copied):
    (copied / "chat_template.jinja").write_text("{{ nothing.at.all() }}")
    refused(copied, "chat template cannot be used")


def test_a_template_cannot_leave_the_sandbox(copied):
    (copied / "chat_template.jinja").write_text("{{ messages.__class__.__mro__ }}{{ ''.__class__.__base__ }}")
    refused(copied, "unsafe")


def test_a_template_that_never_ends_is_refused_in_time(copied, monkeypatch):
    monkeypatch.setattr("bench.backends.hf.probe.PROBE_TIMEOUT_S", 3.0)
    loops = "{% for a in range(99999) %}" * 4 + "x" + "{% endfor %}" * 4
    (copied / "chat_template.jinja").write_text(loops)
    with pytest.raises(ModelFileError, match=r"did not end|writes more than|ended with code"):
        BACKEND.check(hf_spec(copied), sampling())


def test_more_context_than_learned_positions_is_refused(copied, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(str(copied))
    config = GPT2Config(
        vocab_size=len(tokenizer), n_embd=32, n_layer=1, n_head=2, n_positions=128, eos_token_id=1
    )
    folder = make_tiny_hf(tmp_path / "gpt2", tokenizer, GPT2LMHeadModel(config))
    session = BACKEND.open(hf_spec(folder), sampling(context_tokens=128), SCHEMA, 2)
    assert len(texts(session, (1, 2))) == 2
    session.close()
    with pytest.raises(UsageError, match="has learned 128 positions"):
        BACKEND.open(hf_spec(folder), sampling(context_tokens=129), SCHEMA, 2)


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00"])
def test_a_config_that_is_none_is_refused(copied, text):
    (copied / "config.json").write_text(text)
    refused(copied, "not JSON|not a JSON object")


def test_weights_of_another_model_are_refused(copied):
    edit(copied / "config.json", hidden_size=32)
    with pytest.raises(ModelFileError, match=r"mismatched|cannot be loaded"):
        BACKEND.open(hf_spec(copied), sampling(), SCHEMA, 1)


@pytest.mark.parametrize("quant", ["fp32", "nf4"])
def test_missing_weights_are_never_made_up(copied, quant):
    tensors = load_file(copied / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, copied / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelFileError, match=r"1 weights are missing.*up_proj|cannot be loaded"):
        BACKEND.open(hf_spec(copied, quant), sampling(), SCHEMA, 1)


@pytest.mark.parametrize("name", ["nowhere", "file", "nul\0l"])
def test_what_is_no_folder_is_refused(tmp_path, name):
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelFileError, match="folder"):
        BACKEND.check(hf_spec(tmp_path / name), sampling())


# ---------------------------------------------------------------- adapters


@pytest.fixture
def adapter(tiny_adapter, tmp_path):
    """A copy of the adapter that a test may damage."""
    return shutil.copytree(tiny_adapter, tmp_path / "adapter")


def test_an_adapter_of_another_base_is_refused(copied, tmp_path):
    other = LlamaForCausalLM(llama_config(512, hidden_size=128))
    adapter_for(other).save_pretrained(str(tmp_path / "other"))
    with pytest.raises(ModelFileError, match="does not fit") as found:
        BACKEND.open(hf_spec(copied, adapter=str(tmp_path / "other")), sampling(), SCHEMA, 1)
    assert "\n" not in str(found.value)


def test_an_adapter_of_a_deeper_base_is_refused(copied, tmp_path):
    other = LlamaForCausalLM(llama_config(512, num_hidden_layers=3))
    adapter_for(other).save_pretrained(str(tmp_path / "other"))
    with pytest.raises(ModelFileError, match="no counterpart"):
        BACKEND.open(hf_spec(copied, adapter=str(tmp_path / "other")), sampling(), SCHEMA, 1)


def test_an_adapter_that_lacks_weights_is_refused(copied, adapter):
    tensors = load_file(adapter / "adapter_model.safetensors")
    del tensors[min(tensors)]
    save_file(tensors, adapter / "adapter_model.safetensors", {"format": "pt"})
    with pytest.raises(ModelFileError, match="no counterpart"):
        BACKEND.open(hf_spec(copied, adapter=str(adapter)), sampling(), SCHEMA, 1)


def test_a_pickled_adapter_is_refused(copied, adapter):
    (adapter / "adapter_model.safetensors").rename(adapter / "adapter_model.bin")
    refused(copied, "pickled", adapter=str(adapter))


def test_an_adapter_that_broke_off_is_refused(copied, adapter):
    path = adapter / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-8])
    refused(copied, "broke off", adapter=str(adapter))


def test_a_folder_without_an_adapter_is_refused(copied):
    refused(copied, "holds no adapter_config.json", adapter=str(copied))


def test_an_adapter_that_names_another_base_is_said(copied, adapter, open_hf):
    edit(adapter / "adapter_config.json", base_model_name_or_path="someone/else")
    session = open_hf(folder=copied, adapter=str(adapter))
    assert any("someone/else" in warning for warning in session.loaded.details["warnings"])


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize("quant", ["q4_K_M", "int4", "FP32"])
def test_unknown_quantizations_are_refused(copied, quant):
    refused(copied, "nf4, int8", quant, ConfigError)


@pytest.mark.parametrize("quant", ["nf4", "int8"])
def test_merging_into_quantized_weights_is_refused(copied, adapter, quant):
    fields = {"adapter": str(adapter), "options": {"merge_adapter": True}}
    refused(copied, "not merged into", quant, ConfigError, **fields)


def test_merging_nothing_is_refused(copied):
    refused(copied, "no adapter", "fp32", ConfigError, options={"merge_adapter": True})


def test_a_schema_cannot_be_forced(copied):
    refused(copied, "cannot hold an answer to a schema", "fp32", ConfigError, output="json_schema")


def test_a_gpu_that_is_not_there_is_refused(copied):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    refused(copied, "no GPU", "fp32", UsageError, options={"device": "cuda"})


def test_a_revision_belongs_to_the_hub(copied):
    refused(copied, "belongs to a hub reference", "fp32", ConfigError, options={"revision": "a" * 40})


@pytest.mark.parametrize("revision", [None, "main", "A" * 40, "a" * 39])
def test_a_hub_model_needs_a_commit(revision):
    spec = hf_spec("hf://someone/model", options={"revision": revision})
    with pytest.raises(ConfigError, match="40 hex digits"):
        BACKEND.check(spec, sampling())


def test_a_width_out_of_range_is_refused(copied):
    with pytest.raises(UsageError, match="width"):
        BACKEND.open(hf_spec(copied), sampling(), SCHEMA, 0)


@pytest.mark.parametrize(
    ("package", "fields"),
    [("torch", {}), ("peft", {"adapter": "x"}), ("bitsandbytes", {"quant": "nf4"})],
)
def test_a_missing_package_names_the_extra(copied, monkeypatch, package, fields):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else find(name))
    with pytest.raises(MissingExtraError, match=rf"{package} is not installed.*bench\[hf\]"):
        BACKEND.check(hf_spec(copied, **fields), sampling())


def test_a_missing_package_is_said_by_the_state(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else find(name))
    assert BACKEND.state().remedy == 'pip install "bench[hf]"'


# ---------------------------------------------------------------- the digest


@pytest.mark.parametrize(
    "file", ["model.safetensors", "tokenizer.json", "config.json", "chat_template.jinja"]
)
def test_the_digest_is_over_every_file_that_is_loaded(copied, file):
    before = BACKEND.digest(hf_spec(copied))
    path = copied / file
    content = path.read_bytes()
    # the last byte of the weights is a number; of texts the last byte may be white space
    path.write_bytes(content[:-1] + b"\x01" if file.endswith("safetensors") else content + b" ")
    assert BACKEND.digest(hf_spec(copied)) != before


def test_the_digest_is_over_the_adapter_too(copied, adapter):
    assert BACKEND.digest(hf_spec(copied)) != BACKEND.digest(hf_spec(copied, adapter=str(adapter)))


def test_the_digest_ignores_what_is_not_loaded(copied):
    before = BACKEND.digest(hf_spec(copied))
    (copied / "README.md").write_text("words")
    assert BACKEND.digest(hf_spec(copied)) == before


def test_the_width_is_limited_by_memory(copied, monkeypatch):
    from bench.backends.hf import capacity
    from bench.memory import KEPT_BYTES
    from tests.backends.asking import prompt

    files = model_folder.inspect(copied)
    assert capacity.cache_values(files.config) == 2 * 2 * 2 * 16
    roomy = BACKEND.widest(hf_spec(copied), sampling(), [prompt()], 3)
    monkeypatch.setattr(capacity, "available_bytes", lambda: KEPT_BYTES + 2_000_000)
    tight = BACKEND.widest(hf_spec(copied), sampling(), [prompt()], 3)
    monkeypatch.setattr(capacity, "available_bytes", lambda: KEPT_BYTES)
    assert roomy == 256
    assert tight is not None
    assert 1 <= tight < 256
    assert BACKEND.widest(hf_spec(copied), sampling(), [prompt()], 3) == 0


@pytest.mark.parametrize(
    "fields", [{"num_attention_heads": 3}, {"rms_norm_eps": "abc"}, {"hidden_size": 64.5}], ids=str
)
def test_a_config_whose_values_do_not_fit_is_refused_in_one_line(copied, fields):
    edit(copied / "config.json", **fields)
    with pytest.raises(ModelFileError, match="cannot be loaded") as found:
        BACKEND.open(hf_spec(copied), sampling(), SCHEMA, 1)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe", "generation_config.json: not JSON"),
        (b'{"eos_token_id": "x"}', "eos_token_id is no token's number"),
        (b'{"eos_token_id": [2, null]}', "eos_token_id is no token's number"),
    ],
)
def test_a_damaged_generation_config_is_refused(copied, content, said):
    (copied / "generation_config.json").write_bytes(content)
    refused(copied, said)
