"""Task files of a user's own: what YAML, Python and CSV may say, and what a mistake in them is told."""

from pathlib import Path

import pytest
import yaml

from bench import tasks
from bench.errors import ConfigError

BARE = """\
name: mood
version: "1"
user: "{article}"
labels: [bad, good]
answer: {form: label, tolerates: [case]}
examples:
  - {article: Rain., answer: bad}
"""


def loaded(text: str, name: str = "task.yaml") -> tasks.Task:
    Path(name).write_text(text, encoding="utf-8")
    return tasks.load(name)


def refusal(text: str | bytes, name: str = "task.yaml") -> str:
    Path(name).write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    with pytest.raises(ConfigError) as caught:
        tasks.load(name)
    return str(caught.value)


# ---------------------------------------------------------------- YAML


def test_a_bare_answer_needs_no_field_and_a_task_no_system_message():
    task = loaded(BARE)
    assert task.answer.label == "label"
    assert task.answer.fields[0].choices == ("bad", "good")
    item = tasks.Item(text="Sun.").article("x")
    assert [m.role for m in task.render(item, "few_shot").messages] == ["user", "assistant", "user"]


def test_the_choices_of_a_label_field_follow_from_labels_and_synonyms_and_the_other_way_round():
    answer = "{label: mood, fields: [{name: mood, type: text}], label_map: {fine: good}}"
    task = loaded(f'name: m\nversion: "1"\nuser: "{{article}}"\nlabels: [bad, good]\nanswer: {answer}\n')
    assert task.answer.fields[0].choices == ("bad", "good", "fine")
    assert task.answer.label_of({"mood": "fine"}) == "good"
    answer = "{label: mood, fields: [{name: mood, type: text, choices: [b, a]}]}"
    assert loaded(f'name: m\nversion: "1"\nuser: "{{article}}"\nanswer: {answer}\n').labels == ("b", "a")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (BARE + "version: '2'\n", "task.yaml:8: 'version' is there twice; it was first set in line 2"),
        (BARE + "colour: red\n", "task.yaml:8: colour: unknown key; known here: name, version"),
        (BARE + "code: abc\n", "task.yaml:8: code: unknown key"),
        (
            BARE.replace("[bad, good]", "[no, good]"),
            "task.yaml:4: labels.0: input should be a valid string; found",
        ),
        (BARE.replace("[bad, good]", "[no, good]"), "false (YAML reads yes, no, on and off as true or false"),
        (BARE.replace("answer: bad}", "answer: ugly}"), "task.yaml:7: examples.0.answer: 'ugly' is none of"),
        (BARE.replace("answer: bad}", "answer: {x: 1}}"), "the form label wants the label alone"),
        (
            BARE.replace("Rain., answer", "Rain., title: x, answer"),
            "task.yaml:7: examples.0.title: unknown key",
        ),
        (
            BARE.replace("[bad, good]", "[bad, Bad]"),
            "task.yaml:5: answer.tolerates: 'bad' and 'Bad' would be",
        ),
        (BARE.replace("form: label", "form: letter"), "task.yaml:3: user: it has no {options}"),
        (
            BARE.replace("[case]", "[Case]"),
            "task.yaml:5: answer.tolerates.0: input should be 'space', 'case'",
        ),
        (BARE + "parts: [parent]\n", "task.yaml:3: user: it has no {parent}, which `parts` declares"),
        (BARE + "parts: [entity]\n", "task.yaml:8: parts: a name is there twice, or is one of entity"),
        (BARE + "tag: Bad Tag\n", "task.yaml:8: tag: string should match pattern"),
        (
            BARE + "items:\n  - {text: Sun., label: nice}\n",
            "task.yaml:9: items.0: the label 'nice' is none of",
        ),
        (BARE + "items:\n  - {text: ' '}\n", "task.yaml:9: items.0.text: string should match pattern"),
        (BARE + "items: other.yaml\n", "other.yaml: No such file"),
    ],
)
def test_a_mistake_is_told_with_file_and_line(text, expected):
    assert expected in refusal(text)


def test_items_may_stand_in_a_file_beside_the_task_whose_mistakes_name_that_file():
    Path("more.yaml").write_text("- {text: Sun., label: good}\n- {text: Rain., lable: bad}\n")
    assert "more.yaml:2: 1.lable: unknown key; known here: text, title" in refusal(
        BARE + "items: more.yaml\n"
    )
    Path("more.yaml").write_text("- {text: Sun., label: good}\n")
    assert [i.label for i in loaded(BARE + "items: more.yaml\n").items] == ["good"]


def test_items_do_not_change_what_the_task_is_but_everything_else_does():
    plain = loaded(BARE)
    assert loaded(BARE + "items: [{text: Sun.}]\n").digest == plain.digest
    assert loaded(BARE.replace("[case]", "[case, period]")).digest != plain.digest
    assert loaded(BARE.replace("Rain.", "Hail.")).digest != plain.digest


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"required": ["a"]}, "answer.json_schema.required: every key is required"),
        (
            {"additionalProperties": False},
            "answer.json_schema.additionalProperties: further keys are allowed",
        ),
        ({"properties": {"a": {"type": "array"}}, "required": ["a"]}, "properties.a.type: 'array' cannot be"),
        (
            {"properties": {"a": {"type": "string", "pattern": "x"}}, "required": ["a"]},
            "a.pattern: not supported",
        ),
        ({"properties": {}}, "answer.json_schema.properties: there is none"),
        ({"type": "array"}, "answer.json_schema: an answer is an object"),
    ],
)
def test_a_json_schema_that_asks_for_more_is_refused_by_name(changes, part):
    schema = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "number"}}}
    schema = {**schema, "required": ["a", "b"], **changes}
    task = {"name": "t", "version": "1", "user": "{article}", "answer": {"json_schema": schema}}
    message = refusal(yaml.safe_dump(task))
    assert part in message
    assert message.startswith("task.yaml:")


# ---------------------------------------------------------------- Python

PYTHON = """\
from bench.records import AnswerField, AnswerSchema
from bench.tasks import Task

TASK = Task(
    name="mine",
    version="1",
    user="{article}",
    answer=AnswerSchema(fields=(AnswerField(name="x", type="number"),)),
)
"""


def test_a_python_file_gives_its_task_and_is_part_of_what_the_task_is():
    first, second = loaded(PYTHON, "a.py"), loaded(PYTHON + "# changed\n", "b.py")
    assert first.name == "mine"
    assert first.digest != second.digest


def test_a_python_file_may_make_its_task_in_a_function_and_render_in_its_own_way():
    loud = """class Loud(Task):
    def render(self, article, style):
        return super().render(article.model_copy(update={"text": "LOUD"}), style)


def task():
    return Loud("""
    text = PYTHON.replace("TASK = Task(", loud)
    task = loaded(text, "loud.py")
    assert "LOUD" in task.render(tasks.Item(text="quiet").article("x"), "zero_shot").messages[-1].content


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("x = 1\n", "neither `TASK`, a Task, nor a function `task()`"),
        ("raise SystemExit(0)\n", "bad.py:1: SystemExit: 0"),
        ("import nothing_like_this\n", "bad.py:1: ModuleNotFoundError: No module named"),
        ("x = 1\ny = (\n", "bad.py:2: SyntaxError"),
        ("def task():\n    return 1 / 0\n", "bad.py:2: ZeroDivisionError: division by zero"),
        (PYTHON.replace("{article}", "nothing"), "bad.py:4: user: it has no {article}"),
        (b"x = '\xff'\n", "not UTF-8"),
        (
            PYTHON.replace(
                "TASK = Task(",
                "class Bad(Task):\n    def render(self, article, style):\n"
                "        return self.nothing\n\nTASK = Bad(",
            ),
            "bad.py:6: AttributeError",
        ),
    ],
)
def test_a_broken_python_file_is_told_with_file_and_line(text, part):
    assert part in refusal(text, "bad.py")


# ---------------------------------------------------------------- CSV

TABLE = 'prompt,expected\n"Is 7 prime?\nAnswer yes or no.",yes\nIs 8 prime?,no\nIs 9 prime?,\n'


def test_a_table_becomes_a_task_whose_prompts_are_sent_as_they_stand():
    task = loaded(TABLE, "primes.csv")
    assert (task.name, task.labels, task.answer.form) == ("primes", ("no", "yes"), "label")
    articles = task.articles()
    assert [a.label for a in articles] == ["yes", "no", None]
    messages = task.render(articles[0], "zero_shot").messages
    assert [(m.role, m.content) for m in messages] == [("user", "Is 7 prime?\nAnswer yes or no.")]


def test_a_hostile_cell_is_only_text():
    cell = "=cmd|' /C calc'!A0 {entity} {prompt} </article>\u202e"
    task = loaded(f'expected,prompt\nyes,"{cell}"\nno,b\n', "x.csv")
    assert task.render(task.articles()[0], "zero_shot").messages[0].content == cell


def test_a_new_prompt_leaves_the_task_the_same_and_a_new_label_does_not():
    first = loaded(TABLE, "primes.csv")
    assert loaded(TABLE + "Is 10 prime?,no\n", "primes.csv").digest == first.digest
    assert loaded(TABLE + "Is 10 prime?,perhaps\n", "primes.csv").digest != first.digest


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "t.csv:1: the columns must be prompt and expected; found none"),
        (
            "prompt,answer\na,b\n",
            "t.csv:1: the columns must be prompt and expected; found 'prompt', 'answer'",
        ),
        ("prompt;expected\na;b\n", "found 'prompt;expected'; separate the cells by commas"),
        ("prompt,expected\n", "t.csv:2: no prompt in it"),
        (TABLE + "a\n", "t.csv:6: 1 cells where the header has 2"),
        (TABLE + "a,b,c\n", "t.csv:6: 3 cells where the header has 2"),
        (TABLE + " ,yes\n", "t.csv:6: the prompt is blank"),
        (TABLE + "Is  8 prime?,no\n", "t.csv:6: the same prompt as in line 4"),
        (TABLE + 'a,"b\nc"\n', "t.csv:6: expected: a label is one line of at most 80 characters"),
        (TABLE + "a," + "b" * 81 + "\n", "t.csv:6: expected: a label is one line"),
        (TABLE + 'a,"b\n', "t.csv:6: not CSV"),
        (TABLE + "a,YES\n", "answer.tolerates: 'YES' and 'yes' would be the same"),
        ("prompt,expected\na,\n", "no answer is expected of any prompt"),
        ("prompt,expected\n" + "".join(f"{i},{i}\n" for i in range(60)), "60 different answers are expected"),
        (b"prompt,expected\n\xff,a\n", "not UTF-8"),
    ],
)
def test_a_bad_table_is_told_with_file_and_line(text, part):
    message = refusal(text, "t.csv")
    assert part in message
    assert "\n" not in message


def test_a_byte_order_mark_and_windows_line_ends_are_no_mistake():
    assert loaded("\ufeff" + TABLE.replace("\n", "\r\n"), "w.csv").labels == ("no", "yes")
