"""How the engine's library is loaded."""

from types import SimpleNamespace

import pytest

from bench.backends.llama_cpp import native
from tests.backends.asking import complete


@pytest.mark.parametrize(
    ("system", "repacks"), [(b"CPU : AVX512 = 1 | AMX_INT8 = 1 | ", False), (b"CPU : AVX2 = 1 | ", True)]
)
def test_a_build_with_amx_leaves_weights_as_they_are(monkeypatch, system, repacks):
    monkeypatch.setattr(native, "library", lambda: SimpleNamespace(llama_print_system_info=lambda: system))
    assert native.repacks_weights() is repacks


@pytest.mark.parametrize("quant", ["q4_K_M", "q8_0"])
def test_quantized_models_decode_on_this_processor(open_model, tmp_path, quant):
    from tests.fixtures.tiny_gguf import make_tiny_gguf

    session = open_model(path=make_tiny_gguf(tmp_path / "model.gguf", quant=quant), quant=quant)
    assert complete(session, (1,))[0].error is None
    assert session.loaded.details["settings"]["repacked_weights"] is native.repacks_weights()
