"""A vocabulary of whole words, learnt from training texts alone.

In: texts. Out: a tokenizer that transformers saves as an ordinary tokenizer.json: a token that begins every
text, then the words; what was not seen often enough is one unknown token. It sees no test text, and names of
its control tokens in a text are words like others.
"""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

PADDING, UNKNOWN, BEGIN = "[PAD]", "[UNK]", "[CLS]"


def learn_words(
    texts: Iterable[str], most_words: int, min_count: int, *, lowercase: bool
) -> PreTrainedTokenizerFast:
    """The most frequent words, at most `most_words`; ties go by the alphabet."""
    tokenizer = Tokenizer(models.WordLevel({UNKNOWN: 0}, unk_token=UNKNOWN))
    steps = [normalizers.NFKC(), *([normalizers.Lowercase()] if lowercase else [])]
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()  # words, and runs of other signs
    special = [PADDING, UNKNOWN, BEGIN]
    trainer = trainers.WordLevelTrainer(
        vocab_size=most_words + len(special),
        min_frequency=min_count,
        special_tokens=special,
        show_progress=False,
    )
    tokenizer.encode_special_tokens = True
    tokenizer.train_from_iterator(texts, trainer)
    # no text is ever without a token
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A", special_tokens=[(BEGIN, tokenizer.token_to_id(BEGIN))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PADDING,
        unk_token=UNKNOWN,
        cls_token=BEGIN,
        padding_side="right",
        split_special_tokens=True,
        clean_up_tokenization_spaces=False,
    )
