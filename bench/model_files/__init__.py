"""Models on their way to be deployed: what `bench models` does with files, one module for each command.

    export   a training -> safetensors, bitsandbytes weights, GGUF    quantize    a GGUF -> other quants
    listing  what there is, its sizes and costs (cost)    show    one model
    push     to the hub                                   remove  away, unless a run needs it

The export_ modules are parts of `export`, `importance_source` is one of `quantize`. They join the rooms
`training`, `backends` and `tasks`; nothing here computes with weights.
"""
