"""Small random models of each family with its kind of tokenizer, trained here: what the export is tested on.

In: a family's name and a folder. Out: the folder as save_pretrained writes it. Every weight is random, the
biases and norms too, so that none of them can be left out unseen.
"""

import json
from pathlib import Path

import torch
import transformers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers.trainers import BpeTrainer
from transformers import PreTrainedTokenizerFast

CORPUS = (
    "The profit of the company rose 14 percent in the third quarter, and its shares gained 3.5 % on Monday.",
    "Naïve café owners don't know what we'll say; they've said it's fine: 1234567890 or 3,141.59 dollars.",
    "Ελληνικά και русский текст, 日本語のテキスト, 한국어, हिन्दी, عربي and many other writings of the world.",
    '{"reasoning": "the outlook is good", "sentiment": 0.5, "confidence": 0.9}',
    "  two  spaces   and\ttabs\n\nand new lines\r\n, then the end of the text. The market, the market!",
)
ENGLISH = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = rf"{ENGLISH}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}|{REST}"
QWEN2 = rf"{ENGLISH}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}|{REST}"
BLOCK = "\u2581"
ENDS = ("<|end_of_text|>", "<|endoftext|>", "<|end|>")
"""Ends of an answer beside eos, as the families' own generation configs name them."""
SIZES = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
}
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
HEADERS = (
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n"
    "{{ m.content | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
INST = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]"
    "{% elif m.role == 'assistant' %}{{ m.content }}{{ eos_token }}"
    "{% else %}{{ raise_exception('only user and assistant') }}{% endif %}{% endfor %}"
)
PHI3 = (
    "{{ bos_token }}{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


def byte_level(pattern, special, *, whole=False, normalizer=None, plain=()):
    """A byte-level BPE tokenizer; without a pattern it cuts as GPT-2 does."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=whole))
    tokenizer.normalizer = normalizer
    split: pre_tokenizers.PreTokenizer = pre_tokenizers.ByteLevel(
        add_prefix_space=False, use_regex=pattern is None
    )
    if pattern is not None:
        split = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), split])
    tokenizer.pre_tokenizer = split
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = BpeTrainer(vocab_size=420, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(CORPUS * 3, trainer)
    tokenizer.add_special_tokens(list(special))
    tokenizer.add_tokens(list(plain))
    return tokenizer


def sentencepiece(special, *, metaspace=None, strips=()):
    """BPE with byte fallback as transformers makes it of a SentencePiece model: every split is a merge."""
    trained = Tokenizer(models.BPE())
    trained.normalizer = normalizers.Sequence([normalizers.Prepend(BLOCK), normalizers.Replace(" ", BLOCK)])
    trained.pre_tokenizer = pre_tokenizers.Split(Regex(rf"{BLOCK}+[^{BLOCK}]*"), "isolated")
    trained.train_from_iterator(
        CORPUS[:4] * 3, BpeTrainer(vocab_size=330, limit_alphabet=110, show_progress=False)
    )
    learned = json.loads(trained.to_str())["model"]
    made = ["".join(pair) for pair in learned["merges"]]
    single = [piece for piece in learned["vocab"] if len(piece) == 1]
    texts = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *made, *single]
    pieces = {*made, *single}
    merges = [
        (text[:i], text[i:])
        for text in made
        for i in range(1, len(text))
        if text[:i] in pieces and text[i:] in pieces
    ]
    vocabulary = {text: i for i, text in enumerate(texts)}
    tokenizer = Tokenizer(
        models.BPE(vocab=vocabulary, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    if metaspace is None:
        tokenizer.normalizer = normalizers.Sequence(
            [normalizers.Prepend(BLOCK), normalizers.Replace(" ", BLOCK)]
        )
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(BLOCK, prepend_scheme=metaspace, split=False)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(BLOCK, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    for text in ("<unk>", "<s>", "</s>", *special):
        added = AddedToken(text, normalized=False, rstrip=text in strips, special=True)
        tokenizer.add_special_tokens([added])
    begins_with(tokenizer, "<s>")
    return tokenizer


def begins_with(tokenizer, text):
    """Put a token before every text."""
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{text} $A", special_tokens=[(text, tokenizer.token_to_id(text))]
    )


def llama2():
    tokenizer = sentencepiece(())
    tokenizer.add_tokens([AddedToken("EBITDA", normalized=False)])
    return tokenizer, {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}, INST, {}


LLAMA3_ROPE = {
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}


def llama3():
    special = (
        "<|begin_of_text|>",
        "<|end_of_text|>",
        "<|start_header_id|>",
        "<|end_header_id|>",
        "<|eot_id|>",
    )
    tokenizer = byte_level(LLAMA3, special, whole=True, plain=("EBITDA",))
    begins_with(tokenizer, "<|begin_of_text|>")
    rope = {"rope_type": "llama3", "rope_theta": 500000.0, **LLAMA3_ROPE}
    names = {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"}
    return tokenizer, names, HEADERS, {"rope_parameters": rope, "tie_word_embeddings": True}


def mistral():
    tokenizer = sentencepiece(("[INST]", "[/INST]"), metaspace="first")
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    return tokenizer, names, INST.replace("[INST] ", "[INST]"), {"sliding_window": 256, "head_dim": 32}


def qwen2():
    special = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
    tokenizer = byte_level(QWEN2, special, normalizer=normalizers.NFC())
    names = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    return tokenizer, names, CHATML, {"tie_word_embeddings": True}


def qwen3():
    tokenizer, names, template, _ = qwen2()
    tokenizer.add_tokens(["<think>", "</think>"])
    return tokenizer, names, template, {"head_dim": 32, "tie_word_embeddings": False}


def phi3():
    special = ("<|endoftext|>", "<|assistant|>", "<|system|>", "<|end|>", "<|user|>")
    tokenizer = sentencepiece(special, strips=("</s>", *special[1:]))
    names = {
        "bos_token": "<s>",
        "eos_token": "<|endoftext|>",
        "unk_token": "<unk>",
        "pad_token": "<|endoftext|>",
    }
    return tokenizer, names, PHI3, {"sliding_window": 300, "tie_word_embeddings": False}


def phi3_long():
    tokenizer, names, template, _ = phi3()
    rope = {
        "rope_type": "longrope",
        "rope_theta": 10000.0,
        "short_factor": [1.0 + 0.05 * i for i in range(8)],
        "long_factor": [1.5 + 0.4 * i for i in range(8)],
        "factor": 8.0,
    }
    more = {"rope_parameters": rope, "original_max_position_embeddings": 512, "max_position_embeddings": 4096}
    return tokenizer, names, template, {**more, "tie_word_embeddings": False}


def gpt2():
    tokenizer = byte_level(None, ("<|endoftext|>",))
    names = dict.fromkeys(("bos_token", "eos_token", "unk_token"), "<|endoftext|>")
    return tokenizer, names, None, {}


FAMILIES = {
    "llama2": (transformers.LlamaForCausalLM, llama2),
    "llama3": (transformers.LlamaForCausalLM, llama3),
    "mistral": (transformers.MistralForCausalLM, mistral),
    "qwen2": (transformers.Qwen2ForCausalLM, qwen2),
    "qwen3": (transformers.Qwen3ForCausalLM, qwen3),
    "phi3": (transformers.Phi3ForCausalLM, phi3),
    "phi3-long": (transformers.Phi3ForCausalLM, phi3_long),
    "gpt2": (transformers.GPT2LMHeadModel, gpt2),
}


def make(family: str, folder: Path, *, shards: bool = False, dtype=torch.float32, **config) -> Path:
    """Write one family's folder."""
    kind, parts = FAMILIES[family]
    backend, names, template, more = parts()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, chat_template=template, clean_up_tokenization_spaces=False, **names
    )
    ids = {name: backend.token_to_id(names.get(f"{name}_token", "")) for name in ("bos", "eos", "pad")}
    sizes = {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 512} if family == "gpt2" else SIZES
    more_ends = [
        backend.token_to_id(name) for name in ENDS if backend.token_to_id(name) not in (None, ids["eos"])
    ]
    config = kind.config_class(
        vocab_size=backend.get_vocab_size() + 6,
        **{**sizes, **more, **config},
        bos_token_id=ids["bos"],
        pad_token_id=ids["pad"],
        eos_token_id=[ids["eos"], *more_ends] if more_ends else ids["eos"],
    )
    torch.manual_seed(7)
    model = kind(config).to(torch.float32)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            is_norm = weight.ndim == 1 and "bias" not in name
            weight.normal_(1.0 if is_norm else 0.0, 0.1)
    model.to(dtype).save_pretrained(folder, max_shard_size="60KB" if shards else "1GB")
    tokenizer.save_pretrained(folder)
    return folder
