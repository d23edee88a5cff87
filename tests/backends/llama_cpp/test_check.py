"""What is refused before anything loads, each with one line that says what to do."""

import importlib.util
import os
import random
from pathlib import Path

import pytest

from bench import backends
from bench.backends.llama_cpp import gguf_check, gguf_read
from bench.errors import BenchError, ConfigError, MissingExtraError, ModelFileError, UsageError
from tests.backends.asking import llama_spec, sampling
from tests.builders import SCHEMA
from tests.fixtures.tiny_gguf import make_tiny_gguf

BACKEND = backends.get("llama_cpp")


def refusal(path: Path, quant: str = "fp16", **fields) -> str:
    """The one line that the check gives."""
    with pytest.raises(ModelFileError) as caught:
        BACKEND.check(llama_spec(path, quant, **fields), sampling())
    line = str(caught.value)
    assert str(path) in line
    assert "\n" not in line
    return line


@pytest.fixture
def copy(tiny_model, tmp_path):
    """A copy of the tiny model, to be damaged."""
    path = tmp_path / "copy.gguf"
    path.write_bytes(tiny_model.read_bytes())
    return path


def test_a_good_file_passes(tiny_model):
    BACKEND.check(llama_spec(tiny_model), sampling())


@pytest.mark.parametrize("quant", ["fp32", "q8_0", "q4_K_M", "q5_K_M", "q4_0", "q6_K"])
def test_a_file_of_each_quant_is_known_by_its_tensors(tmp_path, quant):
    path = make_tiny_gguf(tmp_path / "model.gguf", quant=quant)
    assert gguf_check.inspect(path).quant == quant
    BACKEND.check(llama_spec(path, quant), sampling())
    assert "tensors are" in refusal(path, "fp16")


def test_a_sibling_quant_is_refused_too(tmp_path):
    path = make_tiny_gguf(tmp_path / "model.gguf", quant="q4_K_S")
    assert "(q4_K_S)" in refusal(path, "q4_K_M")


@pytest.mark.parametrize("quant", ["FP16", "f16", "F16"])
def test_other_spellings_of_a_quant_are_the_same(tiny_model, quant):
    BACKEND.check(llama_spec(tiny_model, quant), sampling())


def test_a_quant_of_another_format_is_refused(tiny_model):
    assert "declared as nf4" in refusal(tiny_model, "nf4")


def test_a_quant_that_nobody_knows_is_let_pass(tiny_model):
    BACKEND.check(llama_spec(tiny_model, "my_own_mix"), sampling())


def test_a_missing_file_says_how_to_get_one(tmp_path):
    line = refusal(tmp_path / "nothing.gguf")
    assert "no such model file" in line
    assert "bench train --preset tiny" in line


def test_a_folder_is_refused(tmp_path):
    assert "a folder" in refusal(tmp_path)


def test_a_pipe_is_refused_without_waiting_for_it(tmp_path):
    os.mkfifo(tmp_path / "pipe.gguf")
    assert "not a plain file" in refusal(tmp_path / "pipe.gguf")


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "empty.gguf").touch()
    assert "empty (0 bytes)" in refusal(tmp_path / "empty.gguf")


def test_something_else_is_not_a_gguf_file(tmp_path):
    (tmp_path / "x.gguf").write_text("<html>not found</html>")
    assert "not a GGUF file" in refusal(tmp_path / "x.gguf")


def test_an_impossible_file_name_is_refused():
    with pytest.raises(ModelFileError, match="cannot be read"):
        BACKEND.check(llama_spec("a\0b.gguf"), sampling())


@pytest.mark.parametrize("share", [0.001, 0.01, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(copy, share):
    content = copy.read_bytes()
    copy.write_bytes(content[: int(len(content) * share)])
    assert "cut off" in refusal(copy)


def test_one_missing_byte_is_noticed(copy):
    copy.write_bytes(copy.read_bytes()[:-1])
    assert "cut off" in refusal(copy)


def test_an_architecture_the_engine_does_not_know_is_named(tmp_path):
    path = make_tiny_gguf(tmp_path / "model.gguf", architecture="nosuchthing")
    assert "unknown model architecture: 'nosuchthing'" in refusal(path)


def test_an_unknown_tokenizer_is_refused(tmp_path):
    path = make_tiny_gguf(tmp_path / "model.gguf", pre="nosuchthing")
    assert "nosuchthing" in refusal(path)


def test_a_file_without_a_chat_template_is_refused(tmp_path):
    path = make_tiny_gguf(tmp_path / "model.gguf", template=None)
    assert "no chat template" in refusal(path)


@pytest.mark.parametrize(
    "template",
    ["{% if %}", "{{ raise_exception('no') }}", "{{ messages[99].content.x.y }}", "{{ 1 // 0 }}"],
)
def test_a_template_that_fails_is_refused(tmp_path, template):
    path = make_tiny_gguf(tmp_path / "model.gguf", template=template)
    assert "chat template cannot be used" in refusal(path)


def test_a_template_without_end_is_refused_in_time(tmp_path, monkeypatch):
    loops = "".join(f"{{% for i{n} in range(99999) %}}" for n in range(3))
    path = make_tiny_gguf(tmp_path / "model.gguf", template=loops + "{% endfor %}" * 3)
    monkeypatch.setattr(gguf_check, "PROBE_TIMEOUT_S", 3.0)
    assert "did not end" in refusal(path)


def test_a_template_that_fills_memory_is_refused(tmp_path):
    path = make_tiny_gguf(tmp_path / "model.gguf", template="{{ 'a' * 10**12 }}")
    assert "too much memory" in refusal(path)


def test_a_damaged_header_never_hangs_or_crashes_the_caller(copy):
    """Bytes of the header are changed at random; whatever is let pass has to open and answer."""
    content = copy.read_bytes()
    chance = random.Random(1)
    n_refused = 0
    for _ in range(60):
        damaged = bytearray(content)
        for _ in range(chance.randint(1, 4)):
            # sizes, counts and types stand before the vocabulary and after it
            place = chance.choice([chance.randrange(1200), chance.randrange(8000, 13000)])
            damaged[place] = chance.randrange(256)
        copy.write_bytes(damaged)
        try:
            gguf_check.inspect(copy)
        except ModelFileError:
            n_refused += 1
    assert n_refused > 20


def test_damage_that_the_reader_cannot_see_is_met_by_the_engine_in_a_child(copy):
    content = copy.read_bytes()
    key = b"llama.attention.head_count\x04\x00\x00\x00"
    assert content.count(key) == 1
    place = content.index(key) + len(key)
    for heads in (0, 7, 2**31, 2**32 - 1):
        copy.write_bytes(content[:place] + heads.to_bytes(4, "little") + content[place + 4 :])
        with pytest.raises(BenchError):
            BACKEND.open(llama_spec(copy), sampling(), SCHEMA, 1)


@pytest.mark.parametrize(
    ("n_keys", "n_tensors"), [(2**63, 1), (1, 2**63), (2**64 - 1, 2**64 - 1), (10**6, 0)], ids=str
)
def test_absurd_counts_are_refused_at_once(tmp_path, n_keys, n_tensors):
    path = tmp_path / "small.gguf"
    path.write_bytes(
        b"GGUF\x03\x00\x00\x00" + n_tensors.to_bytes(8, "little") + n_keys.to_bytes(8, "little") + b"x" * 89
    )
    assert "more than it can hold" in refusal(path)


def test_tensors_that_overlap_are_refused(copy):
    content = bytearray(copy.read_bytes())
    second = b"blk.0.attn_q.weight"
    place = content.index(second) + len(second) + 4 + 16 + 4
    content[place : place + 8] = bytes(8)
    copy.write_bytes(content)
    assert "overlap" in refusal(copy)


def test_a_big_endian_file_is_named_as_that(tmp_path):
    (tmp_path / "big.gguf").write_bytes(b"GGUF\x00\x00\x00\x03" + bytes(100))
    assert "big-endian" in refusal(tmp_path / "big.gguf")


def test_a_child_that_dies_is_the_files_fault(copy, monkeypatch):
    monkeypatch.setattr(gguf_read, "__file__", "/no/such/reader.py")
    assert "damaged or hostile" in refusal(copy)


def test_a_changed_file_is_looked_at_again(copy):
    gguf_check.inspect(copy)
    digest = BACKEND.digest(llama_spec(copy))
    copy.write_bytes(copy.read_bytes()[:-4] + b"abcd")
    os.utime(copy, ns=(1, 1))
    assert BACKEND.digest(llama_spec(copy)) != digest


def test_the_expected_digest_is_held_against_the_file(tiny_model):
    right = BACKEND.digest(llama_spec(tiny_model))
    assert BACKEND.digest(llama_spec(tiny_model, options={"sha256": right})) == right
    wrong = llama_spec(tiny_model, options={"sha256": "0" * 64})
    with pytest.raises(ModelFileError, match="asks for sha256:0000"):
        BACKEND.digest(wrong)
    with pytest.raises(ModelFileError, match="asks for sha256:0000"):
        BACKEND.open(wrong, sampling(), SCHEMA, 1)


def test_an_adapter_is_refused(tiny_model):
    with pytest.raises(UsageError, match="PEFT adapter"):
        BACKEND.check(llama_spec(tiny_model, adapter="x"), sampling())


def test_an_empty_stop_text_is_refused(tiny_model):
    with pytest.raises(ConfigError, match=r"sampling\.stop"):
        BACKEND.check(llama_spec(tiny_model), sampling(stop=("",)))


@pytest.mark.parametrize(
    "options", [{"n_threads": 0}, {"n_batch": 0}, {"sha256": "abc"}, {"flash_attn": "perhaps"}], ids=str
)
def test_options_out_of_range_are_refused(tiny_model, options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        BACKEND.check(llama_spec(tiny_model, options=options), sampling())


def test_hub_options_on_a_path_are_refused(tiny_model):
    with pytest.raises(ConfigError, match="belong to a hub reference"):
        BACKEND.check(llama_spec(tiny_model, options={"file": "x.gguf"}), sampling())


def test_layers_on_a_gpu_that_is_not_there_are_refused(tiny_model):
    import llama_cpp

    if llama_cpp.llama_supports_gpu_offload():
        pytest.skip("this build has a GPU")
    with pytest.raises(UsageError, match="without a GPU"):
        BACKEND.check(llama_spec(tiny_model, options={"n_gpu_layers": 1}), sampling())


def test_a_missing_engine_is_a_missing_extra(tiny_model, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "llama_cpp" else find(name))
    with pytest.raises(MissingExtraError, match=r'pip install "bench\[llama\]"'):
        BACKEND.check(llama_spec(tiny_model), sampling())
    assert not BACKEND.state().installed
