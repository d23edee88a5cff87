"""The LSTM baseline: a recurrent classifier with a vocabulary of its own, from nothing.

    method: {kind: lstm, hidden: 128, pooling: max}

In: labelled examples. Out: an arm of `hf` with option `head: classification`. Words and weights come from the
training texts alone. It needs no base model and trains in fp32.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bench.classifiers.reading import shown
from bench.errors import ConfigError
from bench.training.classifier_options import ClassifierOptions
from bench.training.methods import Job, Trained

NEEDS_BASE = False


class Options(ClassifierOptions):
    """Sizes of the network and of its vocabulary."""

    words: int = Field(20_000, ge=10, le=1_000_000)
    """Most words of the vocabulary."""
    min_count: int = Field(2, ge=1)
    """A word that is seen less often in training is unknown."""
    lowercase: bool = True
    """Whether upper and lower case are the same."""
    embedding: int = Field(100, ge=1, le=4096)
    """Numbers that stand for a word."""
    hidden: int = Field(128, ge=1, le=4096)
    """Numbers in the state of each direction."""
    layers: int = Field(1, ge=1, le=8)
    """LSTM layers on top of each other."""
    bidirectional: bool = True
    """Also read from the end."""
    pooling: Literal["last", "mean", "max"] = "last"
    """What of the states is classified."""
    dropout: float = Field(0.3, ge=0, lt=1)
    """Of the embedded words, between layers, and before the linear layer."""


def train(job: Job) -> Trained:
    """Learn the vocabulary, then the network."""
    import transformers

    from bench.classifiers.lstm import LstmConfig, LstmForSequenceClassification
    from bench.training import classification, classifier
    from bench.training.words import learn_words

    options = job.options
    assert isinstance(options, Options)
    if job.trainer.gradient_checkpointing or job.trainer.precision != "fp32":
        raise ConfigError(
            "method lstm trains in fp32 and keeps its activations; remove trainer.precision and "
            "trainer.gradient_checkpointing"
        )
    meaning = classification.outputs(job.data)
    before = classification.instructions(options, job.data)
    texts = [shown(e.text, before[e.task]) for e in job.data.train if e.label is not None]
    tokenizer = learn_words(texts, options.words, options.min_count, lowercase=options.lowercase)
    transformers.set_seed(job.seed)
    model = LstmForSequenceClassification(
        LstmConfig(
            vocab_size=len(tokenizer),
            embedding_size=options.embedding,
            hidden_size=options.hidden,
            num_layers=options.layers,
            bidirectional=options.bidirectional,
            pooling=options.pooling,
            dropout=options.dropout,
            pad_token_id=tokenizer.pad_token_id,
            **classifier.label_names(meaning),
        )
    )
    built = classifier.Untrained(model, tokenizer, meaning, before, job.trainer.max_tokens)
    return classifier.fit(job, built, options, lambda trained: classifier.Whole(trained, None, "fp32"))
