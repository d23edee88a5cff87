"""A folder in transformers' form, for all who read one: the backend `hf`, trainings, exports.

    files     its JSON and its weights, without loading anything
    loading   what transformers raises and says while it loads one, and what it must not pass over

In: a folder. Out: paths and plain data, or a ModelFileError. It loads no model.
"""
