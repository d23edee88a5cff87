"""Whole runs on servers: one that dies, one that comes back, one of two that is lost, one that never was."""

import json

import pytest

from bench import latency, sweep
from bench.cli import progress
from bench.config import ArticlesConfig, Config, ModelConfig
from bench.errors import BackendError
from bench.records import LoadedModel, Sampling
from bench.store import open_run
from benchmarks import serving
from tests.backends.loopback import FakeOllama, FakeOpenAi, Loopback


def config(*servers: Loopback, backend="openai_api", n_articles=6, iterations=5) -> Config:
    """One arm on these servers."""
    where = "host" if backend == "ollama" else "base_url"
    model = ModelConfig(
        family="f",
        variant="base",
        quants=("fp16",),
        backend=backend,
        ref="tiny",
        options={where: tuple(server.address for server in servers), "retries": 1},
    )
    return Config(
        articles=ArticlesConfig(limit=n_articles),
        iterations=iterations,
        width=4,
        sampling=Sampling(max_tokens=200, context_tokens=4096),
        models=(model,),
    )


class Meddler(sweep.Silent):
    """Does something after so many samples."""

    def __init__(self, after: int, act) -> None:
        self._left = after
        self._act = act

    def sample(self, sample) -> None:
        self._left -= 1
        if self._left == 0:
            self._act()


def rows(folder):
    """Every line of the one arm."""
    (path,) = (folder / "samples").glob("*.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def keys(found):
    return [(row["prompt_id"], row["iteration"]) for row in found]


@pytest.mark.parametrize(("backend", "fake"), [("openai_api", FakeOpenAi), ("ollama", FakeOllama)])
def test_a_server_that_dies_costs_no_finished_sample_and_the_run_goes_on_when_it_is_back(
    tmp_path, backend, fake
):
    with fake() as server:
        server.delay_s = 0.01
        settings = config(server, backend=backend)
        plan, port = sweep.plan(settings), server.port

        def die():
            server.moods.extend(["drops"] * 1000)

        with pytest.raises(
            BackendError, match=r"10 measurements failed in a row.*bench run --resume r"
        ) as caught:
            sweep.start(plan, tmp_path, "r", Meddler(8, die))
        assert caught.value.exit_code == 10
    before = rows(tmp_path / "r")
    assert len([row for row in before if row["completion"]["error"] is None]) >= 8
    assert open_run(tmp_path / "r").manifest.status == "failed"
    with fake(port=port):
        assert sweep.resume(sweep.plan(settings), tmp_path / "r").status == "finished"
    after = rows(tmp_path / "r")
    assert after[: len(before)] == before
    assert len(set(keys(after))) == len(after) == plan.n_samples
    assert not any(row["completion"]["error"] for row in after[len(before) :])


def test_a_resume_without_the_server_changes_nothing(tmp_path):
    with FakeOpenAi() as server:
        settings = config(server)

        def interrupt():
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            sweep.start(sweep.plan(settings), tmp_path, "r", Meddler(7, interrupt))
    before = rows(tmp_path / "r")
    with pytest.raises(BackendError, match="no server answers"):
        sweep.resume(sweep.plan(settings), tmp_path / "r")
    assert rows(tmp_path / "r") == before


def test_one_of_two_servers_is_lost_and_noted(tmp_path):
    with FakeOpenAi() as server, FakeOpenAi() as other:
        server.delay_s = other.delay_s = 0.01
        lost = Meddler(6, server.stop)
        manifest = sweep.start(sweep.plan(config(server, other)), tmp_path, "r", lost)
        assert manifest.status == "finished"
    found = rows(tmp_path / "r")
    assert not any(row["completion"]["error"] for row in found)
    assert len(set(keys(found))) == 30
    (record,) = manifest.arms
    assert record.loaded is not None
    told = {one["address"]: one["set_aside"] for one in record.loaded.details["endpoints"]}
    assert told[other.address] is None
    assert told[server.address]
    assert record.loaded.notes == (
        f"{server.address} was set aside, its work went to the others: {told[server.address]}",
    )


def test_what_was_noted_before_a_resume_is_kept():
    before, now = (LoadedModel(notes=notes) for notes in (("a was set aside", "b"), ("b", "c")))
    assert sweep._together(before, now).notes == ("a was set aside", "b", "c")


@pytest.mark.parametrize("interactive", [True, False])
def test_notes_are_printed_when_an_arm_is_finished(interactive, monkeypatch, capsys):
    monkeypatch.setattr("rich.console.Console.is_terminal", interactive)
    with FakeOpenAi() as server:
        plan = sweep.plan(config(server))
        with progress.sweep_progress(plan) as drawn:
            drawn.arm_started("f", 0, 1)
            drawn.arm_finished("f", LoadedModel(notes=("x was set aside\x1b[31m",)))
    printed = capsys.readouterr().err
    assert "note: x was set aside" in printed
    assert "\x1b[31m" not in printed


@pytest.mark.parametrize(("backend", "fake"), [("openai_api", FakeOpenAi), ("ollama", FakeOllama)])
def test_without_a_server_nothing_is_written(tmp_path, backend, fake):
    with fake() as server:
        settings = config(server, backend=backend)
    with pytest.raises(BackendError, match=r"no server answers .*start it"):
        sweep.start(sweep.plan(settings), tmp_path, "r")
    assert list(tmp_path.iterdir()) == []


def test_no_key_is_in_any_file_of_a_run(tmp_path, monkeypatch):
    monkeypatch.setenv("KEY_OF_TEST", "sk-very-s3cret")
    with FakeOpenAi(lambda seed: "The key was sk-very-s3cret.") as server:
        settings = config(server)
        (model,) = settings.models
        assert isinstance(model, ModelConfig)
        options = {**model.options, "api_key_env": "KEY_OF_TEST"}
        model = model.model_copy(update={"options": options})
        sweep.start(sweep.plan(settings.model_copy(update={"models": (model,)})), tmp_path, "r")
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or "s3cret" not in path.read_text()


def test_latency_mode_takes_the_time_to_the_first_token(tmp_path):
    with FakeOllama() as server:
        plan = sweep.plan(config(server, backend="ollama"))
        with sweep.created(plan, tmp_path, "r") as (writer, whole):
            assert latency.measure_latency(whole, writer, sweep.Silent(), 3) == 3
            timed = list(writer.latency_samples(plan.arms[0].arm))
        assert server.most_in_flight == 1
    assert all(row["completion"]["ttft_s"] > 0 for row in timed)
    assert {row["completion"]["cached_tokens"] for row in timed} == {None}


def test_the_benchmark_keeps_the_places_in_flight_full():
    config = ["--articles", "4", "--iterations", "6", "--in-flight", "4", "--repeats", "1"]
    found = serving.measure(serving.parser().parse_args(config))
    assert (found["n_samples"], found["in_flight_most"]) == (24, 4)
