"""What bears loss: the labels of the batches that trl's trainer really hands to the model."""

import pytest

pytest.importorskip("trl", reason="the train extra is not installed")

from bench.backends.hf.tokens import Tokens
from bench.errors import ConfigError, ModelFileError
from bench.records import Message, Prompt
from bench.training import hf_trainer, sft
from bench.training.conversation import Conversations
from bench.training.methods import Example, Turn
from bench.training.model_folder import load_causal, load_tokenizer
from bench.training.sft_data import IGNORED, Longest, sequences
from tests.training import tuning


def prepared(tmp_path, template="plain", learnt=None, **trainer):
    """A trainer as `fit` makes it, before it trains, with its tokenizer and counts."""
    folder = tuning.base(tmp_path / "base", template=template)
    job = tuning.job(tmp_path, "full", folder, learnt, trainer=trainer)
    tokenizer = load_tokenizer(folder)
    conversations = Conversations(tokenizer, "base")
    found = sequences(job.data, tokenizer, conversations, Longest(job.trainer.max_tokens))
    fields = hf_trainer.arguments(job, **sft._own(job))
    return sft.trainer_for(load_causal(folder, "auto"), tokenizer, found, fields, job), found, job


def rows(trainer):
    """Ids and labels of every sequence of an epoch, padding taken off."""
    for batch in trainer.get_train_dataloader():
        kept = batch["attention_mask"].bool()
        for ids, labels, mask in zip(batch["input_ids"], batch["labels"], kept, strict=True):
            assert (labels[~mask] == IGNORED).all()
            yield ids[mask].tolist(), labels[mask].tolist()


def asked(example: Example) -> Prompt:
    messages = tuple(Message(role=turn.role, content=turn.content) for turn in example.turns)
    return Prompt(id="p", task="t", task_version="1", style="zero_shot", article_id="a", messages=messages)


@pytest.mark.parametrize("template", list(tuning.TEMPLATES))
def test_only_the_answer_and_the_end_of_its_turn_bear_loss(tmp_path, template):
    trainer, _, job = prepared(tmp_path, template)
    tokenizer = trainer.processing_class
    read = Tokens(tokenizer, "base")
    end = tuning.TEMPLATES[template][1]
    by_prompt = {read.of_prompt(asked(example)): example for example in job.data.train}
    n_seen = 0
    for ids, labels in rows(trainer):
        n_prompt = next(i for i, label in enumerate(labels) if label != IGNORED)
        # what stands before the first label is, token by token, what the backend will read
        example = by_prompt.pop(tuple(ids[:n_prompt]))
        assert labels[n_prompt:] == ids[n_prompt:]
        assert tokenizer.decode(labels[-1:]) == end
        assert tokenizer.decode(labels[n_prompt:-1]).strip() == example.answer
        n_seen += 1
    assert n_seen == len(job.data.train)
    assert not by_prompt


def test_the_loss_of_a_step_is_that_of_its_answers_alone(tmp_path):
    import torch

    trainer, _, _ = prepared(tmp_path)
    batch = next(iter(trainer.get_train_dataloader()))
    loss = trainer.compute_loss(trainer.model, dict(batch))
    with torch.no_grad():
        logits = trainer.model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    wanted = torch.nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), batch["labels"][:, 1:].flatten(), ignore_index=IGNORED
    )
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)


def test_a_control_token_in_a_text_is_text(tmp_path):
    turns = (Turn("user", "Say <|end|><|assistant|> twice"),)
    odd = Example("a", "tone", "x", turns, 'It is "<|end|>" so', "good")
    trainer, _, _ = prepared(tmp_path, learnt=tuning.data(train=(odd,), validation=()), batch_size=1)
    ((ids, labels),) = rows(trainer)
    end = trainer.processing_class.convert_tokens_to_ids("<|end|>")
    assert ids.count(end) == 2  # of the user's turn and of the answer's
    assert labels.count(end) == 1


def test_a_longer_example_is_left_out_and_counted_and_never_cut(tmp_path):
    long = tuning.examples(1)[0]._replace(answer="good " * 300)
    learnt = tuning.data(train=(*tuning.examples(5), long), validation=(long,))
    trainer, found, _ = prepared(tmp_path, learnt=learnt, evaluate=False)
    assert found.counts["examples_too_long"] == found.counts["validation_examples_too_long"] == 1
    assert len(list(rows(trainer))) == found.counts["examples"] == 5


def test_a_recipe_whose_every_example_is_too_long_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="all 16 examples are longer than 8 tokens; raise"):
        prepared(tmp_path, max_tokens=8)


def test_general_text_is_mixed_in_and_bears_loss_everywhere(tmp_path):
    texts = tuple(f"The word number {n} stood on the wall of a house." for n in range(4))
    trainer, found, _ = prepared(tmp_path, learnt=tuning.data(12, texts=texts))
    whole = [ids for ids, labels in rows(trainer) if IGNORED not in labels]
    assert len(whole) == found.counts["text_sequences"] == 4
    decoded = {trainer.processing_class.decode(ids) for ids in whole}
    assert decoded == set(texts)  # nothing that ends a turn stands behind a text


def test_texts_alone_are_learnt_with_their_end(tmp_path):
    learnt = tuning.data(train=(), validation=(), texts=("A saying.", "Another one."))
    trainer, _, _ = prepared(tmp_path, learnt=learnt)
    assert sorted(trainer.processing_class.decode(labels) for _, labels in rows(trainer)) == [
        "A saying.<|end|>",
        "Another one.<|end|>",
    ]


def test_an_order_that_is_to_be_kept_is_kept(tmp_path):
    trainer, _, job = prepared(tmp_path, learnt=tuning.data(8, keep_order=True))
    trainer._get_train_sampler = lambda dataset=None: hf_trainer._order(trainer, job)
    shown = [trainer.processing_class.decode(ids) for ids, _ in rows(trainer)]
    assert [int(text.partition("number ")[2].partition("?")[0]) for text in shown] == list(range(8))


def test_packing_is_refused_where_examples_would_see_each_other(tmp_path):
    job = tuning.job(tmp_path, "full", tuning.base(tmp_path / "base"), trainer={"packing": True})
    with pytest.raises(ConfigError, match="packing: true: without flash attention"):
        sft._attention(job)


def test_a_base_without_a_template_is_refused(tmp_path):
    folder = tuning.base(tmp_path / "base", template=None)
    with pytest.raises(ModelFileError, match="no chat template"):
        Conversations(load_tokenizer(folder), str(folder))


def test_a_base_that_would_not_stop_at_the_end_of_its_turn_is_refused(tmp_path):
    folder = tuning.base(tmp_path / "base", template="chatml")
    tokenizer = load_tokenizer(folder)
    tokenizer.eos_token = "<|endoftext|>"
    tokenizer.save_pretrained(str(folder))
    model = load_causal(folder, "auto")
    model.config.eos_token_id = model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.save_pretrained(str(folder))
    job = tuning.job(tmp_path, "full", folder)
    with pytest.raises(ModelFileError, match=r"ends a turn with <\|im_end\|>"):
        sft.fit(job, sft.DTYPES["fp32"], lambda model: model)


def trained_on_long_texts(tmp_path, kind, learnt):
    said = tuning.Noted()
    folder = tuning.base(tmp_path / "base", kind)  # which reads 512 tokens
    job = tuning.job(
        tmp_path, "full", folder, learnt, said, trainer={"max_tokens": 4000, "steps": 1, "evaluate": False}
    )
    return sft.fit(job, sft.DTYPES["fp32"], lambda model: model), said


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_an_example_longer_than_the_base_reads_is_left_out_and_counted(tmp_path, kind):
    long = tuning.examples(1)[0]._replace(answer="good " * 600)
    fitted, said = trained_on_long_texts(tmp_path, kind, tuning.data(train=(*tuning.examples(5), long)))
    assert (fitted.facts["data"]["examples"], fitted.facts["data"]["examples_too_long"]) == (5, 1)
    assert "out: 1 of 6 examples are longer than the 512 tokens that the base reads and are left out" in (
        said.notes
    )


def test_a_base_that_can_read_no_example_is_refused(tmp_path):
    long = tuning.examples(1)[0]._replace(answer="good " * 600)
    with pytest.raises(ConfigError, match="all 1 examples are longer than the 512 tokens that the base"):
        trained_on_long_texts(tmp_path, "llama", tuning.data(train=(long,)))


def test_learned_vectors_before_a_prompt_take_places_of_the_base(tmp_path):
    import peft

    config = peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=8)
    adapted = peft.get_peft_model(load_causal(tuning.base(tmp_path / "base"), "auto"), config)
    job = tuning.job(tmp_path, "full", tmp_path / "base", trainer={"max_tokens": 510})
    assert sft._longest(job, 512, adapted) == Longest(504, of_base=True)
