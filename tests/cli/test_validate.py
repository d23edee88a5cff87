"""`bench validate` as a person and as a script use it."""

import json

import pytest
from typer.testing import CliRunner, Result

from bench.cli.app import app
from bench.errors import UsageError

GOOD = '{"reasoning": "Sales rose.", "sentiment": 0.5, "confidence": 1}'


def run(*arguments: str, text: bytes = b"") -> Result:
    return CliRunner().invoke(app, ["validate", *arguments], input=text)


def lines(*requests) -> bytes:
    return "".join(json.dumps(request) + "\n" for request in requests).encode()


def test_a_file_is_judged(tmp_path):
    tmp_path.joinpath("answer.txt").write_text(GOOD)
    result = run("answer.txt", "--check")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == "valid"


def test_json_output_is_one_verdict():
    result = run("-", "--json", text=b"Hello " + GOOD.encode())
    verdict = json.loads(result.stdout)
    assert verdict["outcome"] == "extra_text"
    assert verdict["recoverable"] is True


def test_check_exits_with_13_when_the_text_is_not_valid():
    assert run("-", "--check", text=b"nope").exit_code == 13
    assert run("-", text=b"nope").exit_code == 0


def test_every_line_gets_its_verdict_in_order():
    requests = [{"text": GOOD}, {"text": "x"}, {"text": GOOD[:9], "stop_reason": "length", "id": 7}]
    result = run("-", "--jsonl", text=lines(*requests))
    outcomes = [json.loads(line)["outcome"] for line in result.stdout.splitlines()]
    assert outcomes == ["valid", "not_json", "truncated"]
    assert result.exit_code == 0


def test_check_looks_at_every_line():
    assert run("-", "--jsonl", "--check", text=lines({"text": GOOD}, {"text": "x"})).exit_code == 13
    assert run("-", "--jsonl", "--check", text=lines({"text": GOOD})).exit_code == 0


@pytest.mark.parametrize(
    "bad",
    [
        b"no json\n",
        b"[1]\n",
        b'{"text": 3}\n',
        b'{"text": "a", "stop_reason": "x"}\n',
        b"\xff\n",
        b"[" * 10**5,
    ],
)
def test_a_bad_line_is_named_and_the_others_are_judged(bad):
    result = run("-", "--jsonl", text=lines({"text": GOOD}) + bad + b"\n" + lines({"text": GOOD}))
    assert result.stdout.count('"valid"') == 2
    assert isinstance(result.exception, UsageError)
    assert "line 2" in str(result.exception)


def test_bytes_that_are_no_utf8_are_never_valid():
    result = run("-", "--json", text=GOOD.encode().replace(b"Sales", b"\xff\xfe"))
    assert json.loads(result.stdout)["outcome"] == "not_json"


def test_what_a_model_wrote_cannot_act_on_the_terminal():
    text = json.dumps({"reasoning": "\x1b[2J\x9b5m[/b]\u202e", "sentiment": 0, "confidence": 0, "\x07": 1})
    for options in ([], ["--json"]):
        output = run("-", *options, text=text.encode()).stdout
        assert output.replace("\n", "").isprintable()
    assert "[/b]" in output


def test_a_file_that_is_not_there_is_a_usage_error():
    result = run("missing.txt")
    assert isinstance(result.exception, UsageError)
    assert "missing.txt" in str(result.exception)


def test_another_task_can_be_named(tmp_path):
    task = (
        "name: t\nversion: '1'\nsystem: s\nuser: '{article}'\nanswer: {fields: [{name: n, type: integer}]}\n"
    )
    tmp_path.joinpath("mine.yaml").write_text(task)
    assert run("-", "--task", "mine.yaml", "--check", text=b'{"n": 3}').exit_code == 0
    assert isinstance(run("-", "--task", "unknown", text=b"{}").exception, UsageError)
