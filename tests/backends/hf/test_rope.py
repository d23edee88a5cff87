"""A long-context model computes a text alike alone, beside others and in parts, or is refused."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, LlamaForCausalLM, PhimoeConfig

from bench import backends
from bench.backends import Request
from bench.backends.hf import rope
from bench.backends.hf.rows import Reader, Rows
from bench.backends.hf.text_reader import text_tokens
from bench.errors import UsageError
from tests.backends.asking import hf_spec, prompt, sampling
from tests.builders import SCHEMA
from tests.fixtures.tiny_hf import llama_config, make_tiny_hf, make_tokenizer

ORIGINAL = 16
LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 1e4,
    "short_factor": [1.0] * 4,
    "long_factor": [4.0] * 4,
    "original_max_position_embeddings": ORIGINAL,
}
DEVICE = torch.device("cpu")


def phi3(n_tokens=97, seed=0):
    config = AutoConfig.for_model(
        "phi3",
        vocab_size=n_tokens,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        original_max_position_embeddings=ORIGINAL,
        rope_parameters=LONGROPE,
        initializer_range=0.3,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=0,
    )
    torch.manual_seed(seed)
    return AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").eval().requires_grad_(False)


def tokens(n, seed):
    return torch.randint(3, 97, (n,), generator=torch.Generator().manual_seed(seed)).tolist()


def whole(model, ids):
    with torch.inference_mode():
        return model(input_ids=torch.tensor([ids])).logits[0, -1]


@pytest.fixture(params=[ORIGINAL + 1, ORIGINAL], ids=["long", "short"])
def fixed(request):
    model = phi3()
    rope.fix_frequencies(model, request.param)
    return model


def test_a_row_is_computed_alike_beside_a_longer_one(fixed):
    read, a, b = Reader(fixed, DEVICE).read, tokens(10, 1), tokens(20, 2)
    rows = Rows(fixed, DEVICE, 2)
    rows.place(0, read(a)[0])
    rows.place(1, read(b)[0])
    assert torch.allclose(rows.step([5, 6], [0, 1])[0], whole(fixed, [*a, 5]), atol=1e-4)


def test_a_text_read_in_parts_is_the_text_read_whole(fixed):
    read, first, rest = Reader(fixed, DEVICE).read, tokens(10, 3), tokens(20, 4)
    assert torch.allclose(read(rest, read(first)[0])[1], whole(fixed, first + rest), atol=1e-4)


def test_the_set_is_the_one_that_transformers_takes_for_the_longest_text():
    short, long = tokens(ORIGINAL, 1), tokens(ORIGINAL + 1, 1)
    plain, model = phi3(), phi3()
    assert rope.fix_frequencies(model, ORIGINAL) == []
    assert torch.allclose(whole(model, short), whole(plain, short), atol=1e-6)
    (note,) = rope.fix_frequencies(model, ORIGINAL + 1)
    assert "long frequencies" in note
    assert torch.allclose(whole(model, long), whole(plain, long), atol=1e-6)
    assert (whole(model, short) - whole(plain, short)).abs().max() > 0.01


def test_another_model_is_left_as_it_is(tiny_hf):
    model = LlamaForCausalLM.from_pretrained(str(tiny_hf))
    before = model.model.rotary_emb.inv_freq.clone()
    assert rope.fix_frequencies(model, 100_000) == []
    assert torch.equal(model.model.rotary_emb.inv_freq, before)


@pytest.fixture
def long_folder(tmp_path):
    tokenizer = make_tokenizer()
    return make_tiny_hf(tmp_path / "phi3", tokenizer, phi3(len(tokenizer)))


def test_answers_beside_longer_prompts_are_those_alone_and_the_run_says_which_set(open_hf, long_folder):
    asked = [Request(prompt("word " * n, f"p{n}"), (1, 2)) for n in (1, 40, 5)]

    def answers(width, **how):
        session = open_hf(settings=sampling(), width=width, folder=long_folder)
        assert any("long frequencies" in note for note in session.loaded.details["warnings"])
        return {(a.prompt_id, a.seed_index): a.completion.text for a in session.generate(asked, **how)}

    assert answers(4) == answers(1, reuse=False)


def opened_reader(spec):
    hf = backends.get("hf")
    assert isinstance(hf, backends.ReadsText)
    return hf.open_reader(spec)


def test_windows_of_a_text_are_read_as_transformers_reads_them(long_folder):
    reader = opened_reader(hf_spec(long_folder))
    text = "Profits rose 14 percent at Examplecorp. " * 18
    try:
        (found,) = reader.text_surprise([text], 500, 250)
        model = AutoModelForCausalLM.from_pretrained(str(long_folder))
        ids = torch.tensor([text_tokens(reader._tokenizer, text)[0]])
        assert 256 < ids.shape[1] <= 500
        with torch.inference_mode():
            expected = model(input_ids=ids, labels=ids).loss * (ids.shape[1] - 1)
    finally:
        reader.close()
    assert found.nats == pytest.approx(float(expected), rel=1e-4)


# ---------------------------------------------------------------- what is refused


def dynamic(n_tokens):
    settings = {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}
    return LlamaForCausalLM(llama_config(n_tokens, max_position_embeddings=256, rope_parameters=settings))


def test_frequencies_that_grow_with_the_text_are_refused_beyond_the_trained_positions(tmp_path):
    tokenizer = make_tokenizer()
    spec = hf_spec(make_tiny_hf(tmp_path / "dynamic", tokenizer, dynamic(len(tokenizer))))
    hf = backends.get("hf")
    hf.check(spec, sampling(context_tokens=256))
    for attempt in (lambda s: hf.check(spec, s), lambda s: hf.open(spec, s, SCHEMA, 1)):
        with pytest.raises(UsageError, match=r"beyond 256 positions.*context_tokens is 257; set it to 256"):
            attempt(sampling(context_tokens=257))
    reader = opened_reader(spec)
    try:
        with pytest.raises(UsageError, match="the window is 257"):
            list(reader.text_surprise(["x"], 257, 100))
    finally:
        reader.close()


def test_attention_scaled_by_the_length_is_refused():
    settings = {**LONGROPE, "long_mscale": 1.2, "short_mscale": 1.1}
    config = PhimoeConfig(rope_parameters=settings, max_position_embeddings=512).to_dict()
    rope.refuse_growing("model", config, ORIGINAL, "it")
    with pytest.raises(UsageError, match=f"set it to {ORIGINAL} or less"):
        rope.refuse_growing("model", config, ORIGINAL + 1, "it")
