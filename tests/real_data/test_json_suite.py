"""The validator against texts nobody here wrote: a JSON parser suite and collections of broken JSON."""

import json
from pathlib import Path

import pytest

from bench.validation import judge_text
from tests.builders import SCHEMA


def outcomes(folder: Path, prefix: str) -> dict[str, str]:
    """The outcome of every file with this prefix, read as `bench validate` reads a file."""
    files = sorted(folder.joinpath("json-test-suite", "test_parsing").glob(f"{prefix}*"))
    texts = {path.name: path.read_bytes().decode("utf-8", "surrogateescape") for path in files}
    return {name: judge_text(text, SCHEMA).outcome.value for name, text in texts.items()}


def test_no_text_that_must_parse_is_not_json(real_data):
    found = outcomes(real_data, "y_")
    assert len(found) == 95
    assert [name for name, outcome in found.items() if outcome == "not_json"] == []


def test_no_text_that_must_not_parse_is_taken_for_json(real_data):
    found = outcomes(real_data, "n_")
    assert len(found) == 188
    allowed = {"not_json", "extra_text", "empty"}
    assert {name: outcome for name, outcome in found.items() if outcome not in allowed} == {}


def test_every_text_left_to_the_parser_gets_a_verdict(real_data):
    assert len(outcomes(real_data, "i_")) == 35


@pytest.mark.parametrize("stop_reason", [None, "length"])
def test_every_broken_text_gets_a_verdict(real_data, stop_reason):
    files = sorted(real_data.joinpath("json-repair-cases").glob("*.jsonl"))
    inputs = [json.loads(line)["input"] for path in files for line in path.read_text("utf-8").splitlines()]
    texts = [text for text in inputs if isinstance(text, str)]
    assert texts
    for text in texts:
        judge_text(text, SCHEMA, stop_reason)
