"""A recurrent classifier: embedding, one or more LSTM layers, dropout, one linear layer.

In: token ids (texts, tokens) padded at the right. Out: logits (texts, labels). It is a model like those of
transformers, saved as config.json and safetensors; importing this module makes it known to
AutoModelForSequenceClassification under the model_type `bench_lstm`. It knows no tasks.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.nn.functional as F  # noqa: N812 - the field's usual name
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from bench.classifiers import MODEL_TYPES

Pooling = Literal["last", "mean", "max"]


class LstmConfig(PreTrainedConfig):  # type: ignore[misc]  # transformers is not followed by mypy
    """Sizes of the network."""

    model_type = MODEL_TYPES[0]

    vocab_size: int = 1000
    embedding_size: int = 100
    hidden_size: int = 128
    """Of each direction."""
    num_layers: int = 1
    bidirectional: bool = True
    pooling: str = "last"
    """What of the outputs is classified: the last state of each direction, or their mean or maximum."""
    dropout: float = 0.3
    """Of the embedded words, between layers and before the linear layer."""
    initializer_range: float = 0.1
    pad_token_id: int | None = 0


class LstmForSequenceClassification(PreTrainedModel):  # type: ignore[misc]
    """The network."""

    config_class = LstmConfig
    _supports_sdpa = True  # there is no attention that could be computed otherwise

    def __init__(self, config: LstmConfig) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels
        self.embeddings = nn.Embedding(config.vocab_size, config.embedding_size, config.pad_token_id)
        self.encoder = nn.LSTM(
            config.embedding_size,
            config.hidden_size,
            config.num_layers,
            batch_first=True,
            bidirectional=config.bidirectional,
            dropout=config.dropout if config.num_layers > 1 else 0.0,
        )
        self.dropout = nn.Dropout(config.dropout)
        width = config.hidden_size * (2 if config.bidirectional else 1)
        self.classifier = nn.Linear(width, config.num_labels)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        **_: Any,
    ) -> SequenceClassifierOutput:
        """Logits (texts, labels); without a mask every token counts, whatever its id."""
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        embedded = self.dropout(self.embeddings(input_ids))
        packed = pack_padded_sequence(
            embedded, attention_mask.sum(dim=1).cpu(), batch_first=True, enforce_sorted=False
        )
        outputs, (states, _cells) = self.encoder(packed)
        logits = self.classifier(self.dropout(self._pooled(outputs, states)))
        loss = None if labels is None else F.cross_entropy(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)

    def _pooled(self, outputs: PackedSequence, states: Tensor) -> Tensor:
        """(texts, width): what stands for each text. `states` is (layers x directions, texts, hidden)."""
        if self.config.pooling == "last":
            last = states[-2:] if self.config.bidirectional else states[-1:]
            return last.transpose(0, 1).flatten(1)
        by_token, lengths = pad_packed_sequence(outputs, batch_first=True)
        places = torch.arange(by_token.shape[1], device=by_token.device)
        is_padding = (places >= lengths.to(by_token.device).unsqueeze(1)).unsqueeze(2)
        if self.config.pooling == "max":
            return by_token.masked_fill(is_padding, -torch.inf).amax(dim=1)
        total = by_token.masked_fill(is_padding, 0.0).sum(dim=1)
        return total / lengths.to(total).unsqueeze(1)


AutoConfig.register(MODEL_TYPES[0], LstmConfig, exist_ok=True)
AutoModelForSequenceClassification.register(LstmConfig, LstmForSequenceClassification, exist_ok=True)
