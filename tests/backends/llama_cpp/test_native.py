"""How the engine's library is loaded."""

import pytest

from bench.backends.llama_cpp import native
from bench.errors import ModelFileError
from bench.training import engine
from tests.backends.asking import complete


@pytest.mark.parametrize(("system", "repacks"), [(b"AMX_INT8 = 1 | ", False), (b"AVX2 = 1 | ", True)])
def test_every_model_is_loaded_as_the_build_allows(monkeypatch, tmp_path, system, repacks):
    lib, asked = native.library(), []
    monkeypatch.setattr(lib, "llama_print_system_info", lambda: system)
    monkeypatch.setattr(lib, "llama_model_load_from_file", lambda path, params: asked.append(params))
    with pytest.raises(ModelFileError):
        native.load_model(tmp_path / "a.gguf", "a.gguf")
    with pytest.raises(ModelFileError):
        engine.load_model(tmp_path / "a.gguf")
    assert [params.use_extra_bufts for params in asked] == [repacks, repacks]


@pytest.mark.parametrize("quant", ["q4_K_M", "q8_0"])
def test_quantized_models_decode_on_this_processor(open_model, tmp_path, quant):
    from tests.fixtures.tiny_gguf import make_tiny_gguf

    session = open_model(path=make_tiny_gguf(tmp_path / "model.gguf", quant=quant), quant=quant)
    assert complete(session, (1,))[0].error is None
    assert session.loaded.details["settings"]["repacked_weights"] is native.repacks_weights()
