"""The order of arms and the range of the score."""

from bench.reports.scale import arms_in_order, names_in_full, quant_order, score_limits
from tests.builders import SCHEMA, manifest, spec


def test_quantizations_go_from_coarse_to_fine():
    quants = ["fp32", "q8_0", "q4_K_M", "fp16", "q5_K_M", "q4_K_S", "q2_K", "int8", "strange", "nf4"]
    order = sorted(quants, key=quant_order)
    assert order == ["q2_K", "nf4", "q4_K_S", "q4_K_M", "q5_K_M", "int8", "q8_0", "fp16", "fp32", "strange"]


def test_arms_of_a_family_stand_together_and_unknown_ones_last():
    specs = [spec("fp16", family="b"), spec("fp16", family="a"), spec("q4_0", family="b", variant="tuned")]
    arms = [one.arm for one in specs]
    placed = arms_in_order(manifest(specs), ["who", *reversed(arms)])
    assert [place.arm for place in placed] == [arms[0], arms[2], arms[1], "who"]


def test_a_repeat_stands_behind_its_arm_and_is_called_one():
    first = spec("q4_K_M")
    specs = [first, spec("q4_K_S"), spec("q4_K_M", repeat_of=first.arm)]
    placed = arms_in_order(manifest(specs), [one.arm for one in specs])
    assert [place.name for place in placed] == ["q4_K_S", "q4_K_M", "q4_K_M (repeat)"]
    assert [place.repeats for place in placed] == [False, False, True]


def test_names_in_full_tell_prompts_output_and_engines_apart():
    specs = [spec(), spec(prompt_style="few_shot"), spec(output="json_schema")]
    assert names_in_full(arms_in_order(manifest(specs), [one.arm for one in specs])) == [
        "tiny base fp16",
        "tiny base few_shot fp16",
        "tiny base json_schema fp16",
    ]
    specs = [spec(), spec(backend="hf")]
    places = arms_in_order(manifest(specs), [one.arm for one in specs])
    assert names_in_full(places) == ["tiny base fake fp16", "tiny base hf fp16"]


def test_limits_are_the_tasks_own():
    assert score_limits(manifest()) == (-1.0, 1.0)
    answer = SCHEMA.model_dump(mode="json")
    answer["fields"][1] |= {"minimum": 0, "maximum": 10}
    assert score_limits(manifest(task={"name": "t", "answer": answer})) == (0.0, 10.0)
