"""What cannot be exported faithfully, or is damaged, is refused in one line; nothing is left behind."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from bench.errors import ModelFileError, StorageError, UsageError
from bench.training.gguf import write_gguf
from bench.training.gguf.check import check_export
from tests.training.gguf import families

SPACED = "{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}"


@pytest.fixture
def copied(folder_of, tmp_path):
    """A family's folder as a copy that a test may damage."""

    def copy(family):
        return shutil.copytree(folder_of(family), tmp_path / "damaged")

    return copy


def refused(folder, quant="fp16"):
    """The one line that refuses a folder."""
    target = folder.parent / "out" / "model.gguf"
    with pytest.raises(ModelFileError) as caught:
        write_gguf(folder, target, "damaged", quant)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 5
    assert not target.parent.exists() or not list(target.parent.iterdir())
    return str(caught.value)


def change_json(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def configure(folder, **changes):
    change_json(folder / "config.json", lambda config: config.update(changes))
    return folder


def tokenize(folder, change):
    change_json(folder / "tokenizer.json", change)
    return folder


def weigh(folder, change):
    path = folder / "model.safetensors"
    weights = load_file(path)
    change(weights)
    save_file(weights, path, {"format": "pt"})
    return folder


def test_another_architecture_is_named_with_those_that_are_known(copied):
    line = refused(configure(copied("llama2"), model_type="opt"))
    assert (
        "architecture 'opt' cannot be exported to GGUF; known: gpt2, llama, mistral, phi3, qwen2, qwen3"
        in line
    )


def test_a_classifier_is_refused(copied):
    line = refused(configure(copied("llama2"), architectures=["LlamaForSequenceClassification"]))
    assert "holds a LlamaForSequenceClassification" in line


@pytest.mark.parametrize(
    ("content", "line"), [("[]", "not a JSON object"), ("{", "not JSON"), (None, "holds no config.json")]
)
def test_a_config_that_is_none_is_refused(copied, content, line):
    folder = copied("llama2")
    (folder / "config.json").unlink() if content is None else (folder / "config.json").write_text(content)
    assert line in refused(folder)


@pytest.mark.parametrize(
    ("family", "changes", "line"),
    [
        (
            "llama2",
            {"vocab_size": 100},
            "embed_tokens.weight has the shape (589, 64), but by config.json",
        ),
        ("llama2", {"intermediate_size": 128}, "mlp.gate_proj.weight has the shape (96, 64)"),
        ("llama2", {"num_key_value_heads": 4}, "self_attn.k_proj.weight has the shape (32, 64)"),
        ("llama2", {"num_hidden_layers": 3}, "model.layers.2.self_attn.q_proj.weight is missing"),
        (
            "llama2",
            {"num_hidden_layers": 1},
            "layers.1.input_layernorm.weight (9 tensors in all) has no place",
        ),
        ("llama2", {"num_hidden_layers": 10**7}, "no model has so many layers"),
        ("llama2", {"num_attention_heads": 0}, "cannot be used"),
        ("llama2", {"hidden_size": "64"}, "expected int, got str"),
        ("llama2", {"attention_bias": True}, "self_attn.q_proj.bias is missing"),
        ("llama2", {"tie_word_embeddings": True}, "ties lm_head.weight to the embedding, but the two differ"),
        ("llama2", {"hidden_act": "gelu"}, "hidden_act is 'gelu'"),
        ("llama2", {"quantization_config": {"quant_method": "bitsandbytes"}}, "its weights are quantized"),
        ("llama2", {"eos_token_id": 9999}, "end token 9999 is not in the vocabulary of 589"),
        ("qwen2", {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 64}, "head_dim is 64"),
        ("qwen3", {"attention_bias": True}, "attention_bias is True"),
        ("gpt2", {"activation_function": "relu"}, "activation_function is 'relu'"),
        ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx is True"),
        ("gpt2", {"n_head": 3}, "a width of 64 cannot be split over 3 heads"),
    ],
)
def test_a_config_that_contradicts_the_weights_or_the_engine_is_refused(copied, family, changes, line):
    assert line in refused(configure(copied(family), **changes))


@pytest.mark.parametrize(
    ("family", "rope", "line"),
    [
        ("llama2", {"rope_type": "dynamic", "factor": 2.0}, "rope scaling 'dynamic'"),
        ("qwen2", {"rope_type": "llama3", **families.LLAMA3_ROPE}, "rope scaling 'llama3'"),
        (
            "llama3",
            {"rope_type": "longrope", "short_factor": [1.0] * 8, "long_factor": [2.0] * 8},
            "'longrope'",
        ),
        ("qwen3", {"rope_type": "yarn", "factor": 4.0, "beta_fast": 16.0}, "rope parameter 'beta_fast'"),
        ("llama2", {"rope_type": "default", "partial_rotary_factor": 0.5}, "partial_rotary_factor is 0.5"),
    ],
)
def test_a_rope_scaling_that_llama_cpp_computes_otherwise_is_refused(copied, family, rope, line):
    folder = configure(copied(family), rope_parameters={"rope_theta": 10000.0, **rope})
    assert line in refused(folder)


@pytest.mark.parametrize("n_bytes", [0, 7, 100, 4000, -1])
def test_a_safetensors_file_that_was_cut_off_is_refused(copied, n_bytes):
    folder = copied("llama2")
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:n_bytes])
    assert "not a whole safetensors file" in refused(folder)


def test_a_missing_part_and_a_part_outside_the_folder_are_refused(tmp_path):
    folder = families.make("llama2", tmp_path / "model", shards=True)
    parts = sorted(folder.glob("*.safetensors"))
    parts[1].rename(tmp_path / parts[1].name)
    assert f"{parts[1].name} is missing" in refused(folder)
    index = folder / "model.safetensors.index.json"
    index.write_text(index.read_text().replace(parts[1].name, f"../{parts[1].name}"))
    assert "names no .safetensors files of this folder" in refused(folder)


def test_no_weights_at_all_are_refused(copied):
    folder = copied("llama2")
    (folder / "model.safetensors").unlink()
    assert "holds no safetensors of a model" in refused(folder)
    (folder / "pytorch_model.bin").write_bytes(b"")
    assert "its weights are pickled (pytorch_model.bin)" in refused(folder)


def test_a_missing_and_a_left_over_tensor_are_named(copied, folder_of, tmp_path):
    name = "model.layers.1.mlp.up_proj.weight"
    assert f"{name} is missing" in refused(weigh(copied("llama2"), lambda weights: weights.pop(name)))
    other = shutil.copytree(folder_of("llama2"), tmp_path / "other")
    line = refused(weigh(other, lambda weights: weights.update(extra=torch.zeros(2))))
    assert "extra (1 tensors in all) has no place" in line


def test_numbers_that_are_none_are_refused(copied):
    def break_one(weights):
        weights["model.norm.weight"][3] = float("nan")

    assert "model.norm.weight holds NaN" in refused(weigh(copied("llama2"), break_one))


def test_numbers_too_large_for_fp16_are_refused_there_only(copied, tmp_path):
    def enlarge(weights):
        weights["lm_head.weight"][5, 5] = 1e5

    folder = weigh(copied("llama2"), enlarge)
    assert "lm_head.weight holds 100000, more than fp16 can hold; export it as bf16" in refused(folder)
    assert write_gguf(folder, tmp_path / "whole.gguf", "large", "bf16").path.is_file()


def test_whole_numbers_are_no_weights(copied):
    def round_one(weights):
        weights["model.norm.weight"] = weights["model.norm.weight"].to(torch.int8)

    assert "model.norm.weight is stored as I8" in refused(weigh(copied("llama2"), round_one))


def test_an_unknown_quant_names_those_that_are_written(folder_of, tmp_path):
    with pytest.raises(UsageError, match="write fp32, fp16, bf16, then quantize"):
        write_gguf(folder_of("llama2"), tmp_path / "model.gguf", "small", "q4_K_M")


def test_a_folder_that_cannot_be_written_is_a_storage_error(folder_of, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        write_gguf(folder_of("llama2"), tmp_path / "file" / "model.gguf", "small")


# ---------------------------------------------------------------- tokenizers


def test_a_folder_without_a_tokenizer_is_refused(copied):
    folder = copied("llama2")
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()
    assert "tokenizer" in refused(folder)


def cut_by(expression):
    return lambda t: t["pre_tokenizer"]["pretokenizers"][0].update(pattern={"Regex": expression})


def move_one_merge(tokenizer):
    """The second way to make a token comes last."""
    merges = tokenizer["model"]["merges"]
    made = ["".join(pair) for pair in merges]
    merges.append(merges.pop(next(i for i, text in enumerate(made) if i and made[i - 1] == text)))


@pytest.mark.parametrize(
    ("family", "change", "line"),
    [
        ("llama3", cut_by(r"\w+|\W+"), r"cuts a text by \w+|\W+"),
        ("llama3", cut_by(families.QWEN2), "(ignore_merges)"),
        ("llama3", lambda t: t["pre_tokenizer"]["pretokenizers"][0].update(behavior="Removed"), "Removed"),
        ("llama3", lambda t: t.update(normalizer={"type": "Lowercase"}), "changes a text first (Lowercase)"),
        ("gpt2", lambda t: t["pre_tokenizer"].update(add_prefix_space=True), "add_prefix_space"),
        ("gpt2", lambda t: t.update(pre_tokenizer=None), "neither byte-level nor has it byte fallback"),
        ("gpt2", lambda t: t["model"].update(dropout=0.1), "sets dropout"),
        ("gpt2", lambda t: t["added_tokens"][0].update(lstrip=True), "sets lstrip"),
        ("llama2", lambda t: t["added_tokens"][1].update(rstrip=True), "swallows white space"),
        ("llama2", lambda t: t.update(normalizer={"type": "NFKC"}), "changes a text by NFKC"),
        ("llama2", lambda t: t["model"]["merges"].pop(3), "has no such merge"),
        ("llama2", move_one_merge, "at different ranks"),
        ("mistral", lambda t: t["pre_tokenizer"].update(split=True), "cuts a text by Metaspace"),
    ],
)
def test_a_tokenizer_that_llama_cpp_does_not_have_is_refused(copied, family, change, line):
    assert line in refused(tokenize(copied(family), change))


def test_a_unigram_tokenizer_is_refused(copied):
    folder = copied("llama2")
    unigram = Tokenizer(models.Unigram([("<unk>", 0.0), ("a", -1.0)], unk_id=0))
    unigram.pre_tokenizer = pre_tokenizers.Metaspace()
    unigram.save(str(folder / "tokenizer.json"))
    assert "a Unigram tokenizer cannot be exported" in refused(folder)


def test_a_tokenizer_with_more_tokens_than_the_embedding_has_rows_is_refused(copied):
    def add(tokenizer):
        last = tokenizer["added_tokens"][-1]
        more = [{**last, "id": last["id"] + i, "content": f"late {i}"} for i in range(1, 9)]
        tokenizer["added_tokens"] += more

    assert "has no row in the embedding of 589" in refused(tokenize(copied("llama2"), add))


def test_more_end_tokens_than_a_file_can_name_are_refused(copied):
    folder = copied("mistral")
    change_json(folder / "generation_config.json", lambda c: c.update(eos_token_id=[2, 100, 101, 102]))
    assert "beside eos; GGUF can name 2" in refused(folder)


def test_a_space_before_some_texts_of_a_prompt_only_is_refused(tmp_path, folder_of, copied):
    folder = copied("mistral")
    (folder / "chat_template.jinja").write_text(
        "{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}"
    )
    assert "puts a space before some texts of a prompt and not others" in refused(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.clear(),
        lambda t: t["model"]["vocab"].update(x="y"),
        lambda t: t["model"]["merges"].append(["zz", "qq"]),
        lambda t: t["added_tokens"].append({"id": 3}),
    ],
)
def test_a_damaged_tokenizer_is_refused(copied, change):
    assert "its tokenizer cannot be loaded" in refused(tokenize(copied("llama2"), change))


@pytest.mark.parametrize("ends", ["x", [1, None], {"a": 1}])
def test_end_tokens_that_are_no_numbers_are_refused(copied, ends):
    folder = copied("llama2")
    change_json(folder / "generation_config.json", lambda config: config.update(eos_token_id=ends))
    assert "eos_token_id is no token's number" in refused(folder)


@pytest.mark.parametrize(
    ("template", "fits"),
    [
        ("{{ bos_token }}{% for m in messages %}[INST]\n{{ m.content }}[/INST]\n{% endfor %}", True),
        ("{{ bos_token }}{% for m in messages %}[INST] {{ m.content }}[/INST] So:{% endfor %}", True),
        ("{{ bos_token }}{% for m in messages %}[INST] {{ m.content }}[/INST]\n{% endfor %}", False),
        ("{{ bos_token }}{% for m in messages %}[INST]{{ m.content }}[/INST]\n{% endfor %}", False),
    ],
)
def test_a_space_that_depends_on_what_follows_is_exported_where_the_template_decides(copied, template, fits):
    folder = tokenize(copied("mistral"), lambda t: t["pre_tokenizer"].update(prepend_scheme="always"))
    (folder / "chat_template.jinja").write_text(template)
    if fits:
        file = write_gguf(folder, folder.parent / "model.gguf", "small").path
        assert check_export(folder, file, "fp16", n_strings=100).differing == ()
    else:
        assert "puts a space before some texts" in refused(folder)


@pytest.mark.parametrize("legacy", [False, True])
def test_the_llama_tokenizer_of_transformers_passes(copied, legacy):
    """It cuts otherwise than the tokenizer.json it is made from; the export follows what is loaded."""
    folder = copied("llama2")
    settings = {"tokenizer_class": "LlamaTokenizer", "legacy": legacy}
    change_json(folder / "tokenizer_config.json", lambda config: config.update(settings))
    file = write_gguf(folder, folder.parent / "model.gguf", "small").path
    assert check_export(folder, file, "fp16").differing == ()


def test_composing_is_the_only_normalizer_and_is_noted(folder_of, tmp_path):
    notes = write_gguf(folder_of("qwen2"), tmp_path / "model.gguf", "small").notes
    assert any("composes characters (NFC)" in note for note in notes)
    assert normalizers.NFC().normalize_str("e\u0301") == "é"
