"""The order of arms and the range of the score."""

from bench.reports.scale import arms_in_order, quant_order, score_limits
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


def test_limits_are_the_tasks_own():
    assert score_limits(manifest()) == (-1.0, 1.0)
    answer = SCHEMA.model_dump(mode="json")
    answer["fields"][1] |= {"minimum": 0, "maximum": 10}
    assert score_limits(manifest(task={"name": "t", "answer": answer})) == (0.0, 10.0)
