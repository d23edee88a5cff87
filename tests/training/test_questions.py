"""The base's conversations: right JSON, and never the task's own form."""

import json
from random import Random

import pytest

from bench.training.questions import conversation, records
from bench.training.stories import story
from bench.training.world import Scene


@pytest.fixture(scope="module")
def conversations():
    rng = Random(11)
    return [conversation(rng, [story(rng, frozenset(), 40) for _ in range(3)]) for _ in range(400)]


def answers(conversations):
    return [turn.content for turns in conversations for turn in turns if turn.role == "assistant"]


def test_every_answer_that_looks_like_json_is_json(conversations):
    objects = [json.loads(text) for text in answers(conversations) if text.startswith("{")]
    assert len(objects) > 300
    assert all(isinstance(found, dict) and len(found) >= 2 for found in objects)


def test_no_answer_has_the_keys_of_the_task(conversations):
    for text in answers(conversations):
        assert "sentiment" not in text
        assert "confidence" not in text.split(":")[0]
        assert '"reasoning"' not in text


def test_one_conversation_keeps_one_form(conversations):
    for turns in conversations:
        objects = [
            json.loads(t.content) for t in turns if t.role == "assistant" and t.content.startswith("{")
        ]
        assert len({tuple(found) for found in objects}) <= 1


def test_forms_differ_between_conversations(conversations):
    keys = {tuple(json.loads(text)) for text in answers(conversations) if text.startswith("{")}
    assert len(keys) > 100


def test_every_conversation_ends_with_an_answer(conversations):
    assert all(turns[-1].role == "assistant" for turns in conversations)


def test_records_of_one_document_have_the_same_keys():
    rng = Random(2)
    texts = [records(rng, Scene.draw(rng, frozenset())) for _ in range(60)]
    tables = [[json.loads(row) for row in text.splitlines()] for text in texts if text.startswith("{")]
    assert len(tables) > 20
    assert all(len({tuple(row) for row in table}) == 1 for table in tables)
