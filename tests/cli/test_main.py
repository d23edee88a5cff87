"""The command line as a person or a script meets it: real processes, real exit codes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.cli import SUMMARIES, help_text

CONFIG = """\
articles: {source: articles.jsonl}
iterations: 4
models:
  - {family: a, variant: base, quants: [q8_0, fp16], backend: fake, ref: "{quant}", options: {delay_s: 0.0}}
"""


def bench(*arguments, **options):
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, **options)


@pytest.fixture
def project():
    """A working folder with a config and three articles."""
    from tests.builders import article

    Path("config.yaml").write_text(CONFIG)
    texts = ("Sales rose.", "Sales fell.", "Nothing happened.")
    Path("articles.jsonl").write_text("".join(article(t).model_dump_json() + "\n" for t in texts))


def test_the_quick_help_lists_every_command_with_its_summary():
    from bench.cli.app import app

    summaries = {}
    for command in app.registered_commands:
        assert command.callback is not None
        summaries[command.name] = (command.callback.__doc__ or "").strip().splitlines()[0]
    assert list(summaries) == [name for name in SUMMARIES if name in summaries]
    for group in app.registered_groups:
        assert group.typer_instance is not None
        summaries[str(group.name)] = group.typer_instance.info.help or ""
    assert summaries == SUMMARIES
    assert bench("--help").stdout == help_text()


def test_help_loads_nothing_heavy():
    code = "import sys, bench.cli; sys.argv = ['bench', '--help']\n"
    code += "try: bench.cli.main()\nexcept SystemExit: pass\n"
    code += "heavy = {'pandas', 'numpy', 'torch', 'matplotlib', 'llama_cpp', 'typer', 'pydantic'}\n"
    code += "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize("name", SUMMARIES)
def test_every_command_has_help(name):
    done = bench(name, "--help")
    assert done.returncode == 0
    assert "--help" in done.stdout


def test_version_is_printed():
    assert bench("--version").stdout.startswith("bench ")


def test_a_usage_error_ends_with_2():
    done = bench("run", "--no-such-option")
    assert done.returncode == 2
    assert "No such option" in done.stderr


def test_a_bad_config_is_one_line_without_traceback(project):
    Path("config.yaml").write_text("iterations: many\n" + CONFIG.replace("iterations: 4\n", ""))
    done = bench("run")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: config.yaml:1: iterations: input should be a valid integer")
    assert len(done.stderr.splitlines()) == 1


def test_a_dry_run_counts_and_writes_nothing(project):
    done = bench("run", "--dry-run")
    assert done.returncode == 0
    assert "2 arms x 3 articles = 6 cells, x 4 iterations = 24 samples" in done.stdout
    assert not Path("sentiments").exists()


def test_a_dry_run_expects_the_time_of_earlier_runs(project):
    assert json.loads(bench("run", "--dry-run", "--json").stdout)["expected_s"] is None
    assert bench("run").returncode == 0
    assert json.loads(bench("run", "--dry-run", "--json").stdout)["expected_s"] > 0


def test_a_run_prints_its_name_on_stdout(project):
    done = bench("run", "--run-id", "r")
    assert (done.returncode, done.stdout) == (0, "r\n")
    assert len(list(Path("sentiments/r/samples").iterdir())) == 2


def test_a_run_of_the_same_name_is_resumed(project):
    bench("run", "--run-id", "r")
    done = bench("run", "--run-id", "r", "--json")
    assert json.loads(done.stdout) == {"run": "r", "status": "finished", "n_samples": 24}
    assert len(Path("sentiments/r").joinpath("samples").glob("*").__next__().read_text().splitlines()) == 12


@pytest.mark.parametrize("name", ["../x", "a/b", "..", ".", "", "latest"])
def test_a_run_cannot_be_named_out_of_its_folder(project, name):
    assert bench("run", "--run-id", name).returncode == 2
    assert not Path("sentiments").exists()


def test_answers_are_timed_alone_beside_the_run(project):
    assert bench("run", "--run-id", "r").returncode == 0
    done = bench("run", "--resume", "r", "--mode", "latency", "--latency-samples", "2", "--json")
    assert (done.returncode, json.loads(done.stdout)["n_samples"]) == (0, 4)
    assert sum(p.read_bytes().count(b"\n") for p in Path("sentiments/r/latency").glob("*")) == 4
    assert json.loads(Path("sentiments/r/manifest.json").read_text())["status"] == "finished"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--latency-samples", "3"), "--latency-samples belongs to --mode latency"),
        (("--mode", "fast"), "there are throughput and latency"),
        (("--mode", "latency", "--extend", "r"), "adds no articles"),
        (("--width", "0"), "--width 0: a number from 1 to 254, or auto"),
        (("--iterations", "10001"), "--iterations 10001: input should be less than or equal to 10000"),
    ],
)
def test_what_a_run_cannot_do_is_refused_by_its_own_name(project, arguments, message):
    done = bench("run", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert not Path("sentiments").exists()


def test_arms_that_give_no_probabilities_are_told(project):
    done = bench("run", "--fidelity")
    assert done.returncode == 0
    assert "the backend fake gives no probabilities" in done.stderr


def test_a_changed_config_ends_with_8(project):
    bench("run", "--run-id", "r")
    Path("config.yaml").write_text(CONFIG + "sampling: {temperature: 0.9}\n")
    done = bench("run", "--run-id", "r")
    assert done.returncode == 8
    assert "sampling temperature: was 0.2, is 0.9" in done.stderr


def test_an_extension_is_asked_for(project):
    bench("run", "--run-id", "r")
    assert bench("run", "--resume", "r", "--iterations", "6").returncode == 8
    assert bench("run", "--extend", "latest", "--iterations", "6").returncode == 0


def test_no_articles_end_with_6(project):
    Path("articles.jsonl").write_text("")
    assert bench("run").returncode == 6


def test_failures_in_a_row_end_with_10(project):
    Path("config.yaml").write_text(CONFIG.replace("delay_s: 0.0", "fail_after: 2"))
    done = bench("run", "--run-id", "r")
    assert done.returncode == 10
    assert "in a row" in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder_ends_with_9(project):
    Path("sentiments").mkdir(mode=0o500)
    assert bench("run").returncode == 9


def test_a_file_in_the_way_ends_with_9(project):
    Path("sentiments").write_text("")
    done = bench("run")
    assert done.returncode == 9
    assert done.stderr.splitlines()[-1].startswith("error: cannot write sentiments")


def start_slow(n_samples=2):
    Path("config.yaml").write_text(CONFIG.replace("delay_s: 0.0", "delay_s: 0.4"))
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", "run", "--run-id", "r"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    while sum(p.read_bytes().count(b"\n") for p in Path("sentiments/r").glob("samples/*")) < n_samples:
        time.sleep(0.02)
        assert process.poll() is None
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_with_130_and_says_how_to_go_on(project, number):
    process = start_slow()
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert b"bench run --resume r" in errors
    assert json.loads(Path("sentiments/r/manifest.json").read_text())["status"] == "interrupted"
    assert bench("run", "--resume", "r").returncode == 0


def test_a_second_writer_ends_with_7(project):
    process = start_slow()
    try:
        done = bench("run", "--resume", "r")
        assert done.returncode == 7
        assert f"pid {process.pid}" in done.stderr
    finally:
        process.kill()
        process.communicate()


def test_a_closed_pipe_is_no_crash(project):
    code = f"{sys.executable} -m bench --help | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
    assert "Traceback" not in done.stderr
