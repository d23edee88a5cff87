"""A transformers folder as one GGUF file, on the `gguf` package's own writer and name map.

In: a folder that save_pretrained wrote (safetensors, whole or in parts). Out: a GGUF file in fp32, fp16
or bf16 with the model's own tokenizer and chat template, written under a temporary name and renamed; or a
ModelFileError. What llama.cpp would compute or tokenize otherwise than transformers is refused or noted,
never left out in silence. It quantizes nothing and runs no model: `check` proves the file afterwards.

    source         a folder's config, tokenizer and end tokens
    weights        a folder's tensors, one at a time
    layout         what an architecture expects of a folder, held against it
    architectures/ one file per architecture, named as its `model_type`
    rope           how positions turn
    tokenizers/    one file per kind of tokenizer
    write          the file itself
    check          whether the file is the model, with check_reading and check_numbers
"""

from bench.training.gguf.write import FP_QUANTS, Written, refuse_unfit, write_gguf

__all__ = ["FP_QUANTS", "Written", "refuse_unfit", "write_gguf"]
