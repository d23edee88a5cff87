"""config.yaml: what is wrong is said with its file, its line and what was expected."""

import json
from pathlib import Path

import pytest

from bench.cli.init import TEMPLATE
from bench.config import Config, find_arm, json_schema, load_config
from bench.errors import ConfigError, UsageError

GOOD = """\
iterations: 3
models:
  - family: tiny
    variant: base
    quants: [q4_K_M, fp16]
    backend: fake
    ref: "{family}-{variant}-{quant}"
"""


def load(text: str) -> Config:
    Path("config.yaml").write_text(text, encoding="utf-8")
    return load_config(Path("config.yaml"))


def problem(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(text)
    return str(caught.value)


def test_each_quant_becomes_an_arm():
    assert [spec.arm for spec in load(GOOD).arms()] == ["tiny/base/q4_K_M@fake", "tiny/base/fp16@fake"]
    assert load(GOOD).arms()[1].ref == "tiny-base-fp16"


def test_the_template_is_a_valid_config_with_eight_arms():
    assert len(load(TEMPLATE).arms()) == 8


def test_the_repository_holds_what_init_writes():
    root = Path(__file__).parents[1]
    assert (root / "config.yaml").read_text() == TEMPLATE
    assert json.loads((root / "config.schema.json").read_text()) == json_schema()


def test_the_defaults_of_sampling_are_neutral():
    sampling = load(GOOD).sampling
    assert (sampling.temperature, sampling.top_p, sampling.top_k, sampling.min_p) == (0.2, 1.0, 0, 0.0)
    assert (sampling.repeat_penalty, sampling.max_tokens, sampling.context_tokens) == (1.0, 1024, 8192)


def test_an_unknown_key_is_refused_with_its_line_and_the_known_ones():
    message = problem("iteratoins: 3\n" + GOOD)
    assert message.startswith("config.yaml:1: iteratoins: unknown key")
    assert "iterations" in message


def test_a_duplicate_key_is_refused_with_both_lines():
    assert (
        problem(GOOD + "iterations: 4\n")
        == "config.yaml:8: 'iterations' is there twice; it was first set in line 1"
    )


def test_a_duplicate_key_deep_inside_is_refused():
    message = problem(GOOD.replace("    variant: base\n", "    variant: base\n    family: other\n"))
    assert message == "config.yaml:5: 'family' is there twice; it was first set in line 3"


def test_a_number_that_yaml_reads_as_text_is_explained():
    message = problem("sampling: {temperature: 2e-4}\n" + GOOD)
    assert message.startswith("config.yaml:1: sampling.temperature:")
    assert "found the text '2e-4'; write 0.0002" in message


def test_a_word_that_yaml_reads_as_a_boolean_is_explained():
    message = problem(GOOD.replace("family: tiny", "family: no"))
    assert message.startswith("config.yaml:3: models.0.family:")
    assert "quote them" in message


@pytest.mark.parametrize("value", ["'3'", "3.5", "yes", "[3]", "0", "-1", ".nan", "null"])
def test_a_wrong_number_of_iterations_is_refused(value):
    assert problem(GOOD.replace("iterations: 3", f"iterations: {value}")).startswith(
        "config.yaml:1: iterations"
    )


def test_every_mistake_is_told_at_once():
    message = problem("iterations: x\ntask: 3\n" + GOOD.replace("iterations: 3\n", ""))
    assert len(message.splitlines()) == 2


@pytest.mark.parametrize("name", ["../../x", "a/b", "a b", "", "x" * 81, "a@b", "a+b", ".hidden"])
def test_a_name_that_could_be_mistaken_for_something_else_is_refused(name):
    assert "models.0.family" in problem(GOOD.replace("family: tiny", f"family: {json.dumps(name)}"))


def test_a_model_in_both_styles_is_an_arm_in_each_at_every_quant():
    Path("config.yaml").write_text(
        GOOD.replace("    variant: base\n", "    variant: base\n    styles: [zero_shot, few_shot]\n")
    )
    config = load_config(Path("config.yaml"))
    quants = {spec.quant for spec in config.arms()}
    assert [(s.prompt_style, s.quant) for s in config.arms()] == [
        (style, quant)
        for style in ("zero_shot", "few_shot")
        for quant in config.models[0].quants  # type: ignore[union-attr]
    ]
    assert len({spec.arm for spec in config.arms()}) == 2 * len(quants)
    assert Config.model_validate(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    ("keys", "part"),
    [
        (
            "styles: [zero_shot, few_shot], prompt_style: few_shot",
            "give `prompt_style` or `styles`, not both",
        ),
        ("styles: [few_shot]", "for one write `prompt_style`"),
        ("styles: [few_shot, few_shot]", "once each"),
        ("styles: [one_shot, few_shot]", "styles.0"),
    ],
)
def test_styles_that_say_too_little_or_too_much_are_refused(keys, part):
    lines = "".join(f"    {key}\n" for key in keys.replace(", p", "\n    p").split("\n    "))
    assert part in problem(GOOD.replace("    variant: base\n", "    variant: base\n" + lines))


def test_a_ref_that_does_not_tell_quants_apart_is_refused():
    assert "put {quant} into it" in problem(GOOD.replace("{quant}", ""))


@pytest.mark.parametrize("ref", ["{quant.__class__}", "{0}", "{quant", "{nope}"])
def test_a_ref_can_only_use_the_placeholders_there_are(ref):
    assert "ref" in problem(GOOD.replace("{family}-{variant}-{quant}", ref))


def test_the_same_arm_twice_is_refused():
    assert "is there twice" in problem(GOOD.replace("[q4_K_M, fp16]", "[fp16, fp16]"))


@pytest.mark.parametrize(
    "text", ["", "[", "- 1", "a: &x [*x]", "\t", "a: !!python/object:os.system {}", "a: 2026-99-99"]
)
def test_what_is_no_config_at_all_is_one_clear_error(text):
    assert problem(text).startswith("config.yaml")


def test_aliases_cannot_explode():
    bomb = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9))
    assert "aliases" in problem(bomb)


def test_a_missing_file_says_how_to_make_one():
    with pytest.raises(ConfigError, match="bench init"):
        load_config(Path("nowhere.yaml"))


def test_an_unknown_arm_is_refused_with_the_known_ones():
    arms = load(GOOD).arms()
    assert find_arm("fp16", arms).quant == "fp16"
    with pytest.raises(UsageError, match="is not an arm; there are: tiny/base/q4_K_M@fake"):
        find_arm("q8_0", arms)
    with pytest.raises(UsageError, match="fits several arms"):
        find_arm("tiny", arms)


REPEATED = """\
models:
  - {family: tiny, variant: base, quants: [q8_0, fp16], backend: fake, ref: "{quant}"}
  - repeat_of: ARM
"""


@pytest.mark.parametrize("text", ["tiny/base/fp16", "fp16", "tiny/base/fp16@fake"])
def test_an_arm_is_repeated_by_one_line(tmp_path, text):
    (tmp_path / "c.yaml").write_text(REPEATED.replace("ARM", text))
    arms = load_config(tmp_path / "c.yaml").arms()
    assert [spec.arm for spec in arms] == [
        "tiny/base/q8_0@fake",
        "tiny/base/fp16@fake",
        "tiny/base/fp16@fake+repeat",
    ]
    assert arms[2].repeat_of == arms[1].arm
    assert arms[2].group == arms[1].group


@pytest.mark.parametrize(("text", "problem"), [("q5_0", "is not an arm"), ("base", "fits several arms")])
def test_a_repeat_of_what_is_not_one_arm_is_refused(tmp_path, text, problem):
    (tmp_path / "c.yaml").write_text(REPEATED.replace("ARM", text))
    with pytest.raises(ConfigError, match=problem):
        load_config(tmp_path / "c.yaml")


def test_a_repeat_is_meant_only_where_it_is_said(tmp_path):
    (tmp_path / "c.yaml").write_text(REPEATED.replace("ARM", "fp16"))
    arms = load_config(tmp_path / "c.yaml").arms()
    assert find_arm("fp16", arms).repeat_of is None
    assert find_arm("fp16+repeat", arms).repeat_of == "tiny/base/fp16@fake"


@pytest.mark.parametrize(
    ("width", "fits"), [("16", True), ("auto", True), ("0", False), ("255", False), ("wide", False)]
)
def test_a_width_is_a_number_or_auto(tmp_path, width, fits):
    (tmp_path / "c.yaml").write_text(REPEATED.replace("ARM", "fp16") + f"width: {width}\n")
    if fits:
        assert str(load_config(tmp_path / "c.yaml").width) == width
    else:
        with pytest.raises(ConfigError, match="width"):
            load_config(tmp_path / "c.yaml")


@pytest.mark.parametrize(("width", "found"), [("0", "0"), ("300", "300"), ("x", "the text 'x'")])
def test_a_width_that_is_neither_a_number_nor_auto_is_one_line(width, found):
    message = problem(GOOD + f"width: {width}\n")
    assert message.startswith("config.yaml:8: width: input should be ")
    assert message.endswith(f", or input should be 'auto'; found {found}")
    assert "\n" not in message


def test_a_list_whose_only_item_is_wrong_is_not_told_to_be_empty():
    message = problem(GOOD.replace("{family}-{variant}-{quant}", "x"))
    assert message == "config.yaml:3: models.0: ref 'x' is the same for 2 quants; put {quant} into it"
    assert problem("models: []\n").startswith("config.yaml:1: models: tuple should have at least 1 item")


def test_an_arm_that_is_there_twice_is_placed():
    assert problem(GOOD.replace("q4_K_M, fp16", "fp16, fp16")).startswith("config.yaml:2: models")
