"""The recurrent network by itself."""

import pytest

pytest.importorskip("torch", reason="the train extra is not installed")
pytest.importorskip("transformers", reason="the train extra is not installed")

import torch
from transformers import AutoModelForSequenceClassification

from bench.classifiers.lstm import LstmConfig, LstmForSequenceClassification


def network(**fields):
    torch.manual_seed(0)
    config = LstmConfig(vocab_size=50, embedding_size=8, hidden_size=6, num_labels=3, **fields)
    return LstmForSequenceClassification(config).eval()


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_padding_changes_nothing(pooling, bidirectional):
    model = network(pooling=pooling, bidirectional=bidirectional, num_layers=2)
    texts = [[2, 5, 7, 9], [2, 8], [2]]
    ids = torch.tensor([text + [0] * (6 - len(text)) for text in texts])
    mask = torch.tensor([[1] * len(text) + [0] * (6 - len(text)) for text in texts])
    together = model(input_ids=ids, attention_mask=mask).logits
    alone = torch.cat([model(input_ids=torch.tensor([text])).logits for text in texts])
    assert torch.allclose(together, alone, atol=1e-6)


def test_it_reads_both_ends():
    model = network()
    first, second, third = (
        model(input_ids=torch.tensor([ids])).logits for ids in ([2, 3, 4], [9, 3, 4], [2, 3, 9])
    )
    assert not torch.allclose(first, second)
    assert not torch.allclose(first, third)


def test_a_saved_network_is_loaded_by_transformers_without_code_of_its_own(tmp_path):
    model = network(pooling="max")
    model.save_pretrained(str(tmp_path))
    loaded = AutoModelForSequenceClassification.from_pretrained(str(tmp_path), trust_remote_code=False).eval()
    ids = torch.tensor([[2, 3, 4]])
    assert torch.equal(loaded(input_ids=ids).logits, model(input_ids=ids).logits)
    assert "auto_map" not in (tmp_path / "config.json").read_text()
