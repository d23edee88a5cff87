"""The parts of `benchmarks/engine.py` that a wrong figure could come from."""

import pytest

from benchmarks.engine import CORES, better, ratios, table, tasks
from benchmarks.engine_methods import ANSWER_TOKENS, N_COMMON, OWN_TOKENS, Task, measure, prompts
from benchmarks.engine_models import model_file

QUIET = {"reference_loop_s": 0.05, "others_cores": 0.0}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The small random model, in full precision."""
    pytest.importorskip("llama_cpp")
    return str(model_file(tmp_path_factory.mktemp("models"), "tiny", "fp16"))


def found(**rates):
    """One model's measurements with these answers/s."""
    made = {label: {"answers_per_s": rate, **QUIET} for label, rate in rates.items()}
    return {"model": "tiny", "quant": "fp16", **made}


@pytest.mark.parametrize(
    "task",
    [
        Task("ours", "", 1, 2, n_threads=1, repeats=1),
        Task("cold", "", 1, 1, n_threads=1),
        Task("prefix", "", 1, 15, n_threads=1, n_timed=2),
    ],
    ids=lambda task: task.method,
)
def test_each_method_answers(model, task):
    result = measure(task._replace(path=model))
    n_answers = task.n_articles * task.n
    assert result["answers_per_s"] == pytest.approx(n_answers / result["seconds"])
    assert result["tokens_per_s"] == pytest.approx(ANSWER_TOKENS * result["answers_per_s"])
    assert result["answers_per_core_s"] > 0
    assert result["peak_memory_bytes"] > 0
    assert ("raw_answers_per_s" in result) == (task.method == "ours")


def test_the_raw_limit_decodes_the_same_tokens_without_the_common_beginning(model, monkeypatch):
    from bench.backends.llama_cpp.engine import Engine

    asked: list[int] = []
    decode = Engine.decode

    def noted(self, batch):
        asked.append(batch.native.n_tokens)
        decode(self, batch)

    monkeypatch.setattr(Engine, "decode", noted)
    from benchmarks import engine_methods

    engine = engine_methods._engine(Task("ours", model, 1, 2, n_threads=1), engine_methods.WIDTH)
    recorder = engine_methods._Recorder(engine)
    asked.clear()
    engine_methods._answer_all(engine, Task("ours", model, 1, 2), engine_methods.WIDTH, share=True)
    recorder.stop()
    steps = asked.count(engine_methods.WIDTH)
    engine.close()
    assert sum(asked) - steps * engine_methods.WIDTH == N_COMMON + OWN_TOKENS[0]
    assert steps == ANSWER_TOKENS - 1
    assert len(recorder.common) >= 3  # the beginning is more than two batches
    assert len(recorder.calls) > steps


def test_prompts_share_their_beginning_and_nothing_else():
    first, second = prompts(2)
    assert (first[:N_COMMON] == second[:N_COMMON]).all()
    assert (first[N_COMMON:][:50] != second[N_COMMON:][:50]).any()


def test_the_faster_of_two_counts_and_a_failure_only_where_there_is_nothing_else():
    slow, fast, failed = (
        {"answers_per_s": 1.0, "raw_answers_per_s": 9.0},
        {"answers_per_s": 2.0},
        {"error": "x"},
    )
    assert better(slow, fast) == {"answers_per_s": 2.0, "raw_answers_per_s": 9.0}
    assert better(failed, slow) == better(slow, failed) == slow
    assert better(None, failed) == failed


def test_ratios_are_against_the_best_of_each_kind():
    both = found(ours=8.0, ours_n5=4.0, cold=1.0, prefix_1t=2.0, prefix_2t_flash=4.0, server=5.0)
    both["ours"]["raw_answers_per_s"] = 10.0
    said = ratios(both)
    assert (said["of_raw"], said["over_cold"], said["over_prefix"]) == (0.8, 8.0, 2.0)
    assert (said["over_server"], said["cost_n15_of_n5"]) == (1.6, 0.5)
    assert "| tiny fp16 | 1.00 | 4.00 | 5.00 | 8.00 | 10.00 | 80% |" in table([both])


def test_processor_time_has_its_own_best():
    both = found(ours=8.0, prefix_1t=2.0, prefix_2t=4.0)
    for label, per_core in (("ours", 6.0), ("prefix_1t", 3.0), ("prefix_2t", 2.0)):
        both[label]["answers_per_core_s"] = per_core
    said = ratios(both, CORES)
    assert (said["best_prefix"], said["over_prefix"]) == ("prefix_1t", 2.0)


def test_what_is_not_there_is_a_dash():
    few = found(ours=8.0, ours_n5=4.0, cold=1.0, prefix_1t=2.0)
    few["prefix_2t"] = {"error": "it crashed", **QUIET}
    assert "| 1.00 | 2.00 | – | 8.00 |" in table([few])


def test_fewer_iterations_are_measured_on_as_many_answers(tmp_path):
    made = tasks("tiny", tmp_path / "x.gguf")
    assert made["ours"].n * made["ours"].n_articles == made["ours_n5"].n * made["ours_n5"].n_articles
