"""Classification heads: real tiny models whose probabilities become the task's answer."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, DistilBertConfig, DistilBertForSequenceClassification

from bench import backends, sweep, tasks
from bench.backends import ChecksSchema, Classifies, Request
from bench.backends.hf.classifier import answer_text
from bench.backends.hf.labels import task_labels
from bench.config import Config
from bench.errors import ConfigError, ModelFileError, NoArticlesError, UsageError
from bench.records import AnswerField, AnswerSchema, Outcome
from bench.validation import judge, judge_text
from tests import builders
from tests.backends.asking import complete, hf_spec, prompt, sampling
from tests.builders import SCHEMA

BACKEND = backends.get("hf")
LABELS = ["negative", "neutral", "positive"]
HEAD = {"head": "classification", "labels": LABELS}


@pytest.fixture(scope="module")
def classifier(tiny_hf, tmp_path_factory):
    """The folder of a random classifier of three labels, which reads 128 tokens."""
    folder = tmp_path_factory.mktemp("classifier")
    tokenizer = AutoTokenizer.from_pretrained(str(tiny_hf))
    tokenizer.model_max_length = 128
    tokenizer.chat_template = None  # classifiers have none
    torch.manual_seed(0)
    config = DistilBertConfig(
        vocab_size=len(tokenizer), dim=32, hidden_dim=64, n_layers=1, n_heads=2, max_position_embeddings=128,
        id2label={0: "Bad", 1: "Neither", 2: "Good"}, label2id={"Bad": 0, "Neither": 1, "Good": 2},
        initializer_range=0.6,
    )  # fmt: skip
    DistilBertForSequenceClassification(config).save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
    return folder


@pytest.fixture
def opened(classifier):
    sessions = []

    def open_arm(schema=SCHEMA, settings=None, **options):
        spec = hf_spec(classifier, options={**HEAD, **options})
        BACKEND.check(spec, sampling())
        sessions.append(BACKEND.open(spec, settings or sampling(), schema, 4))
        return sessions[-1]

    yield open_arm
    for session in sessions:
        session.close()


def test_a_label_is_answered_with_its_probability(opened, classifier):
    (found,) = complete(opened(), (1,), text="Profits rose.")
    model = DistilBertForSequenceClassification.from_pretrained(str(classifier))
    ids = AutoTokenizer.from_pretrained(str(classifier))("Profits rose.", return_tensors="pt")["input_ids"]
    bad, neither, good = model(ids).logits[0].softmax(dim=0).tolist()
    answer = json.loads(found.text)
    assert answer["sentiment"] == pytest.approx(good - bad, abs=1e-5)
    assert answer["confidence"] == pytest.approx(max(bad, neither, good), abs=1e-5)
    assert f"positive {good:.3f}" in answer["reasoning"]
    assert judge(found, SCHEMA).outcome == Outcome.VALID
    assert (found.prompt_tokens, found.completion_tokens) == (ids.shape[1], None)


def test_a_bare_label_is_answered_with_its_probability_beside_it(opened, classifier):
    choices = AnswerField(name="label", type="text", choices=tuple(LABELS))
    (found,) = complete(
        opened(AnswerSchema(form="label", fields=(choices,), label="label")), (1,), text="Up."
    )
    model = DistilBertForSequenceClassification.from_pretrained(str(classifier))
    ids = AutoTokenizer.from_pretrained(str(classifier))("Up.", return_tensors="pt")["input_ids"]
    probabilities = model(ids).logits[0].softmax(dim=0).tolist()
    assert found.text == LABELS[probabilities.index(max(probabilities))]
    assert found.confidence == pytest.approx(max(probabilities), abs=1e-5)


def test_the_answer_follows_from_the_article_alone(opened):
    session = opened(settings=sampling(temperature=5.0, top_k=1))
    assert len({c.text for c in complete(session, range(5), text="Profits rose.")}) == 1
    other = complete(session, (1,), text="Losses.", system="Something else.")[0].text
    assert other != complete(session, (1,), text="Profits rose.")[0].text
    assert other == complete(session, (2,), text="Losses.")[0].text


def test_a_task_gives_the_classifier_the_article_without_its_question():
    article = builders.article("Profits rose.", title="News")
    rendered = tasks.load("financial_news").render(article, "zero_shot")
    assert rendered.text == "News\n\nProfits rose."


def test_an_instruction_is_read_before_the_article(opened):
    (plain,) = complete(opened(), (1,), text="Judge.\n\nProfits rose.")
    (instructed,) = complete(opened(instruction="Judge."), (1,), text="Profits rose.")
    assert instructed.text == plain.text
    assert instructed.prompt_tokens == plain.prompt_tokens


def test_the_name_of_a_control_token_in_an_article_is_text(opened, classifier):
    tokenizer = AutoTokenizer.from_pretrained(str(classifier))
    (found,) = complete(opened(), (1,), text=f"Profits rose. {tokenizer.pad_token}")
    assert found.prompt_tokens == len(tokenizer("Profits rose. ")["input_ids"]) + len(
        tokenizer(tokenizer.pad_token, split_special_tokens=True)["input_ids"]
    )


def test_what_it_cannot_read_whole_is_an_overflow_and_not_cut(opened):
    session = opened()
    (found,) = complete(session, (1,), text="word " * 400)
    assert (found.stop_reason, found.text) == ("context_overflow", "")
    assert found.prompt_tokens is not None
    assert found.prompt_tokens > 128
    with pytest.raises(NoArticlesError, match="reads at most 128"):
        list(session.stream(Request(prompt("word " * 400), (1,))))


def test_a_stream_is_the_whole_answer(opened):
    session = opened()
    assert list(session.stream(Request(prompt("a"), (1,)))) == [complete(session, (1,), text="a")[0].text]


def test_the_record_says_that_sampling_does_not_apply(opened):
    details = opened().loaded.details
    assert "not applicable" in details["sampling"]
    assert details["label_scores"] == {"negative": -1, "neutral": 0, "positive": 1}


def test_scores_of_other_labels_are_given():
    labels = task_labels("a", ("up", "down"), {"up": 0.5, "down": -0.25}, SCHEMA)
    assert json.loads(answer_text(labels, [0.2, 0.8]))["sentiment"] == pytest.approx(-0.1)


def test_a_label_field_gets_the_likeliest_label():
    schema = AnswerSchema(fields=(AnswerField(name="topic", type="text", choices=("a", "b", "c")),))
    assert json.loads(answer_text(task_labels("x", ("a", "c"), {}, schema), [0.2, 0.8])) == {"topic": "c"}


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"form": "label"}, "c"),
        ({"form": "letter"}, "C"),
        ({"form": "letter", "prefix": "It is", "prefix_as": "turn"}, "C"),
        ({"form": "label", "prefix": "It is", "prefix_as": "instruction"}, "It is c"),
    ],
)
def test_a_bare_label_is_answered_where_the_task_asks_for_one(more, text):
    fields = (AnswerField(name="topic", type="text", choices=("a", "b", "c")),)
    schema = AnswerSchema.model_validate({"fields": fields, "label": "topic", **more})
    found = answer_text(task_labels("x", ("a", "c"), {}, schema), [0.2, 0.8])
    assert found == text
    assert judge_text(found, schema).answer == {"topic": "c"}


def field(name, kind, **more) -> AnswerSchema:
    return SCHEMA.model_copy(update={"fields": (*SCHEMA.fields, AnswerField(name=name, type=kind, **more))})


@pytest.mark.parametrize(
    ("schema", "match"),
    [
        (field("is_new", "boolean"), "is_new"),
        (field("impact", "number"), "impact"),
        (field("topic", "text", choices=("a", "b")), "no choice of the field 'topic'"),
        (AnswerSchema(fields=(AnswerField(name="summary", type="text"),)), "neither a score nor a label"),
    ],
)
def test_a_schema_that_cannot_be_served_is_refused(classifier, schema, match):
    with pytest.raises(UsageError, match=match):
        BACKEND.open(hf_spec(classifier, options=HEAD), sampling(), schema, 1)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"labels": []}, "calls them: Bad, Neither, Good"),
        ({"labels": ["negative", "positive"]}, "each of the 3 outputs"),
        ({"labels": ["positive", "positive", "neutral"]}, "each of the 3 outputs"),
    ],
)
def test_labels_that_do_not_fit_the_head_are_refused(classifier, options, match):
    with pytest.raises(ConfigError, match=match):
        BACKEND.check(hf_spec(classifier, options={**HEAD, **options}), sampling())


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"labels": ["up", "flat", "down"]}, "label_scores has to give"),
        ({"label_scores": {"negative": -1, "neutral": 0}}, "label_scores has to give"),
        ({"label_scores": {"negative": -3, "neutral": 0, "positive": 1}}, "is outside sentiment"),
    ],
)
def test_scores_that_do_not_fit_the_task_are_refused(classifier, options, match):
    assert isinstance(BACKEND, Classifies)
    assert isinstance(BACKEND, ChecksSchema)
    with pytest.raises(ConfigError, match=match):
        BACKEND.check_schema(hf_spec(classifier, options={**HEAD, **options}), SCHEMA)


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"options": {"labels": LABELS}}, "need head: classification"),
        ({"options": {"instruction": "Judge."}}, "need head: classification"),
        ({"options": {**HEAD, "instruction": " "}}, "instruction"),
        ({"options": HEAD, "prompt_style": "few_shot"}, "without examples"),
    ],
)
def test_settings_that_mean_nothing_are_refused(classifier, fields, match):
    with pytest.raises(ConfigError, match=match):
        BACKEND.check(hf_spec(classifier, **fields), sampling())


def test_a_model_without_a_head_is_refused(tiny_hf, copied):
    spec = hf_spec(copied, options={"head": "classification", "labels": ["negative", "positive"]})
    with pytest.raises(ModelFileError, match="weights are missing"):
        BACKEND.open(spec, sampling(), SCHEMA, 1)


def test_a_head_of_several_labels_at_once_is_refused(copied):
    path = copied / "config.json"
    path.write_text(
        json.dumps({**json.loads(path.read_text()), "problem_type": "multi_label_classification"})
    )
    spec = hf_spec(copied, options={"head": "classification", "labels": ["negative", "positive"]})
    with pytest.raises(ConfigError, match="does not choose one"):
        BACKEND.check(spec, sampling())


@pytest.fixture
def config(classifier):
    """A classifier beside an arm that draws, on three articles."""
    texts = ("Sales rose.", "Sales fell.", "Nothing happened.")
    Path("articles.jsonl").write_text("".join(builders.article(t).model_dump_json() + "\n" for t in texts))
    fake = {"family": "t", "variant": "base", "quants": ["fp16"], "backend": "fake", "ref": "x"}
    ours = {**fake, "variant": "classifier", "backend": "hf", "ref": str(classifier), "options": HEAD}
    return Config.model_validate(
        {"articles": {"source": "articles.jsonl"}, "iterations": 4, "width": 2, "models": [fake, ours]}
    )


def test_a_run_asks_a_classifier_once_and_the_others_as_often_as_configured(config):
    plan = sweep.plan(config)
    assert plan.n_samples == 3 * (4 + 1)
    manifest = sweep.start(plan, Path("sentiments"), "r")
    assert manifest.n_expected_samples == 15
    assert [record.iterations for record in manifest.arms] == [None, 1]
    assert [record.n_decoded for record in manifest.arms] == [12, 3]
    again = sweep.resume(plan, Path("sentiments/r"))
    assert [record.n_decoded for record in again.arms] == [12, 3]


def test_a_report_of_a_classifier_is_complete(config):
    from bench.report import make_report

    sweep.start(sweep.plan(config), Path("sentiments"), "r")
    found = make_report(Path("sentiments/r"), Path("reports"), Path("heatmaps"), only=["csv"])
    assert not any("not complete" in note for note in found.notes)
    arm = found.tables["arms"].set_index("arm").loc["t/classifier/fp16@hf"]
    assert (arm["n_samples"], arm["n_valid"], arm["valid_rate"]) == (3, 3, 1.0)


def test_a_schema_that_a_classifier_cannot_serve_ends_a_run_before_it_begins(config, tmp_path):
    task = tasks.load("financial_news").model_dump(mode="json", exclude={"code"})
    task["answer"]["fields"].append({"name": "is_new", "type": "boolean"})
    for example in task["examples"]:
        example["answer"]["is_new"] = True
    Path("task.yaml").write_text(json.dumps(task))
    with pytest.raises(UsageError, match="is_new"):
        sweep.plan(config.model_copy(update={"task": "task.yaml"}))
    assert not (tmp_path / "sentiments").exists()
