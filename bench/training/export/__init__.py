"""A trained model in the forms it is deployed in, each proven to be the same model.

    forms       what can be asked for: fp32, fp16, bf16, nf4, int8, gguf-fp16, q4_K_M, ...
    weights     a model in memory -> safetensors in parts, tokenizer, generation config
    check       a finished form against the model it was made of: prompt, tokens, stop, logits, types
    card        README.md in the hub's form

In: a model that was loaded, and with its adapter merged, in fp32. Out: folders and files in a folder of
work, and what a comparison with the model found. It decides nothing about what is published:
`bench.model_files.export` does.
"""
