"""Small classifications to learn, tiny bases with real tokenizers, and what is looked at of a training."""

import json
import random
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    DebertaV2Config,
    DebertaV2ForMaskedLM,
    DistilBertConfig,
    DistilBertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForMaskedLM,
)

from bench import backends, tasks
from bench.records import AnswerField, AnswerSchema, ModelSpec
from bench.training import hf_trainer
from bench.training.display import Silent
from bench.training.methods import Data, Example, Job, Trained, Turn, load
from bench.training.tuning_recipe import TrainerOptions
from bench.validation import judge
from tests.backends.asking import complete, sampling

LABELS = ("negative", "neutral", "positive")
SCHEMA = tasks.load("phrasebank").answer
TELLING = {
    "negative": ("fell", "lost"),
    "neutral": ("moved", "met"),
    "positive": ("rose", "won"),
}
STD = 0.1
"""Of the bases' first weights: tiny ones hardly learn with the usual 0.02."""
ENCODERS = ("distilbert", "roberta", "deberta-v2", "bart")
FILLING = ("sales", "of", "the", "company", "in", "spring", "north", "harbour", "unit", "after", "years")
SYSTEM = "Say how the news sounds."


def toy(n: int, seed: int = 0, task: str = "tone", telling: Any = None) -> tuple[Example, ...]:
    """Examples in which one word tells the label; a label each in turn."""
    telling = telling or TELLING
    draw = random.Random(seed)
    found = []
    for place in range(n):
        label = list(telling)[place % len(telling)]
        words = [draw.choice(FILLING) for _ in range(draw.randint(2, 7))]
        words.insert(draw.randrange(len(words)), draw.choice(telling[label]))
        text = " ".join(words)
        turns = (Turn("system", SYSTEM), Turn("user", f"<sentence>\n{text}\n</sentence>"))
        found.append(Example(f"{task}-{seed}-{place}", task, text, turns, label, label))
    return tuple(found)


def toy_data(n: int = 96, n_validation: int = 30, **fields: Any) -> Data:
    """One task of three labels."""
    given = {"texts": (), "validation_texts": (), "labels": {"tone": LABELS}, **fields}
    return Data(**{"train": toy(n), "validation": toy(n_validation, seed=1), **given})


TOPIC = {"sport": ("match", "goal"), "trade": ("export", "tariff")}
TOPIC_SCHEMA = AnswerSchema(
    form="label",
    fields=(AnswerField(name="label", type="text", choices=tuple(TOPIC)),),
    label="label",
)


def two_tasks() -> Data:
    """The task above and one of two labels, mixed."""
    mixed = [e for pair in zip(toy(60), toy(60, task="topic", telling=TOPIC), strict=True) for e in pair]
    return toy_data(
        train=tuple(mixed),
        validation=(*toy(30, seed=1), *toy(30, seed=1, task="topic", telling=TOPIC)),
        labels={"tone": LABELS, "topic": tuple(TOPIC)},
    )


def job(tmp: Path, kind: str, base: Path | None = None, data: Data | None = None, **more: Any) -> Job:
    """A short training; `trainer` and everything else go to the method's options."""
    trainer = {"epochs": 5, "batch_size": 8, "rate": 5e-3, "max_tokens": 64, **more.pop("trainer", {})}
    progress = more.pop("progress", Silent())
    tmp.mkdir(parents=True, exist_ok=True)
    (tmp / "out").mkdir()
    return Job(
        options=load(kind).Options.model_validate(more),
        trainer=TrainerOptions.model_validate(trainer),
        base=base,
        data=toy_data() if data is None else data,
        out=tmp / "out",
        work=tmp / "work",
        seed=3,
        progress=progress,
    )


class Noted(Silent):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        """Keeps it."""
        self.notes.append(text)


# ---------------------------------------------------------------- bases


def _words(*, marks: bool) -> PreTrainedTokenizerFast:
    """A vocabulary of the toy texts' words; with BERT's marks, or with an end-of-text token alone."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"] if marks else ["<|endoftext|>", "<unk>"]
    unknown = special[1]
    tokenizer = Tokenizer(models.WordLevel({unknown: 0}, unk_token=unknown))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    texts = [*(example.text for example in toy(200)), SYSTEM, *(" ".join(words) for words in TOPIC.values())]
    tokenizer.train_from_iterator(
        texts, trainers.WordLevelTrainer(special_tokens=special, show_progress=False)
    )
    if not marks:
        return PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, eos_token=special[0], unk_token=unknown, model_max_length=64
        )
    around = [(mark, tokenizer.token_to_id(mark)) for mark in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=around)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token=unknown,
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=64,
    )


def make_base(kind: str, folder: Path) -> Path:
    """A random base of one architecture, as save_pretrained writes it."""
    tokenizer = _words(marks=kind in ENCODERS)
    n = len(tokenizer)
    ends: dict[str, Any] = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None}
    torch.manual_seed(0)
    model: Any
    if kind == "distilbert":
        model = DistilBertForMaskedLM(
            DistilBertConfig(
                vocab_size=n,
                dim=32,
                hidden_dim=64,
                n_layers=2,
                n_heads=2,
                max_position_embeddings=64,
                initializer_range=STD,
            )
        )
    elif kind == "roberta":
        # its positions begin after the padding token's
        model = RobertaForMaskedLM(
            RobertaConfig(
                vocab_size=n,
                hidden_size=32,
                intermediate_size=64,
                num_hidden_layers=2,
                num_attention_heads=2,
                max_position_embeddings=80,
                initializer_range=STD,
                pad_token_id=0,
            )
        )
    elif kind == "deberta-v2":
        shape = DebertaV2Config(
            vocab_size=n, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
            max_position_embeddings=64, initializer_range=STD, pooler_hidden_size=32,
        )  # fmt: skip
        model = DebertaV2ForMaskedLM(shape)
    elif kind == "bart":
        seq2seq = BartConfig(
            vocab_size=n, d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
            decoder_attention_heads=2, encoder_ffn_dim=64, decoder_ffn_dim=64, max_position_embeddings=64,
            pad_token_id=0, bos_token_id=2, eos_token_id=3, decoder_start_token_id=3, forced_eos_token_id=3,
        )  # fmt: skip
        model = BartForConditionalGeneration(seq2seq)
    elif kind == "gpt2":
        model = GPT2LMHeadModel(
            GPT2Config(
                vocab_size=n, n_embd=32, n_layer=2, n_head=2, n_positions=64, initializer_range=STD, **ends
            )
        )
    elif kind == "opt":
        config = OPTConfig(
            vocab_size=n, hidden_size=32, ffn_dim=64, num_hidden_layers=2, num_attention_heads=2,
            max_position_embeddings=64, word_embed_proj_dim=32, init_std=STD, **ends,
        )  # fmt: skip
        model = OPTForCausalLM(config)
    else:
        config = LlamaConfig(
            vocab_size=n, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=2, max_position_embeddings=64, initializer_range=STD, **ends,
        )  # fmt: skip
        model = LlamaForCausalLM(config)
    model.save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
    return folder


# ---------------------------------------------------------------- what came of it


def kept_trainer(monkeypatch) -> list[Any]:
    """The trainers that run from here on, so that a test can ask the trained model itself."""
    run, found = hf_trainer.run, []

    def kept(trainer: Any, job: Job) -> Any:
        found.append(trainer)
        return run(trainer, job)

    monkeypatch.setattr(hf_trainer, "run", kept)
    return found


def arm(trained: Trained, task: str | None = None) -> ModelSpec:
    """The arm that a training is."""
    found = trained if task is None else trained.tasks[task]
    return ModelSpec(
        family="toy",
        variant="trained",
        quant=trained.quant,
        backend="hf",
        ref=str(found.ref),
        adapter=None if found.adapter is None else str(found.adapter),
        options={**found.options, "device": "cpu", "n_threads": 1},
    )


def answers(spec: ModelSpec, texts: list[str], schema: AnswerSchema = SCHEMA) -> list[Any]:
    """What the arm answers, after the checks that a run makes; all of it has to be valid."""
    backend = backends.get("hf")
    settings = sampling()
    backend.check(spec, settings)
    backends.check_schema(spec, schema)
    session = backend.open(spec, settings, schema, 1)
    try:
        found = [complete(session, (1,), text=text)[0] for text in texts]
    finally:
        session.close()
    assert [judge(completion, schema).outcome for completion in found] == ["valid"] * len(texts)
    return [json.loads(c.text) if schema.form == "json" else c.text for c in found]


def likeliest(trainer: Any, trained: Trained, texts: list[str]) -> list[tuple[str, float]]:
    """Label and probability by the trained model itself, all texts in one padded batch."""
    from bench.classifiers.reading import token_ids

    tokenizer = trainer.data_collator.tokenizer
    batch = tokenizer.pad(
        {"input_ids": [token_ids(tokenizer, text, trained.options.get("instruction")) for text in texts]},
        return_tensors="pt",
    )
    with torch.no_grad():
        logits = trainer.model.eval()(**batch).logits / (trained.facts["temperature"]["tone"] or 1.0)
    found = logits.double().softmax(dim=1).max(dim=1)
    return [(LABELS[int(place)], float(p)) for p, place in zip(found.values, found.indices, strict=True)]
