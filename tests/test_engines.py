"""One model on several engines: the mixed run with its report, and parity of what training exported."""

import contextlib
import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench import train
from bench.cli.app import app

for package in ("torch", "llama_cpp", "bitsandbytes"):
    pytest.importorskip(package)

BASE, ADAPTER = "models/nano/hf/base", "models/nano/adapter"


def arms(variant, backend, *quants, ref, **more):
    """An entry of a config's models."""
    in_process = {"n_threads": 1} if backend in {"llama_cpp", "hf"} else {}
    options = {**in_process, **more.pop("options", {})}
    given = {"family": "nano", "variant": variant, "backend": backend, "quants": quants, "ref": ref}
    return {**given, "options": options, **more}


MODELS = [
    arms("base", "llama_cpp", "fp16", "q4_K_M", ref="models/nano/base-{quant}.gguf"),
    *(arms("base", "hf", quant, ref=BASE) for quant in ("fp32", "fp16", "int8")),
    *(arms("fine-tuned", "hf", quant, ref=BASE, adapter=ADAPTER) for quant in ("nf4", "fp32")),
    arms("fine-tuned", "llama_cpp", "fp16", ref="models/nano/fine-tuned-{quant}.gguf"),
]


def write_config(*more, limit=3):
    """A config of short answers to the bundled articles; JSON is YAML too."""
    config = {
        "articles": {"source": "sample", "limit": limit},
        "iterations": 2,
        "width": 3,
        "sampling": {"temperature": 0.8, "max_tokens": 12, "context_tokens": 4096},
        "models": [*MODELS, *more],
        "comparisons": [["base/fp32@hf", "base/fp16@llama_cpp"]],
    }
    Path("config.yaml").write_text(json.dumps(config))


@pytest.fixture(scope="module")
def nano(tmp_path_factory):
    """The folder that holds `models/nano`."""
    root = tmp_path_factory.mktemp("engines")
    train.train("nano", root / "models")
    return root


@pytest.fixture
def project(nano, tmp_path):
    """A working folder with the models."""
    (tmp_path / "models").symlink_to(nano / "models")
    write_config()
    return tmp_path


def bench(*arguments):
    result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def server(nano):
    """llama.cpp's own server with the base's fp16 file."""
    pytest.importorskip("xllamacpp")
    from tests.fixtures.llama_server import LlamaServer

    made = LlamaServer(nano / "models" / "nano" / "base-fp16.gguf", context=4096)
    yield made
    made.kill()


def test_one_run_holds_five_kinds_of_arms_and_its_report_names_their_engines(project, server):
    options = {"base_url": server.address, "server": "llama_server"}
    write_config(arms("base", "openai_api", "fp16", ref="nano", options=options))
    assert bench("run", "--run-id", "mixed").exit_code == 0
    manifest = json.loads(Path("sentiments/mixed/manifest.json").read_text())
    assert manifest["status"] == "finished"
    loaded = {record["arm"]: record["loaded"]["details"] for record in manifest["arms"]}
    assert loaded["nano/fine-tuned/nf4@hf"]["adapter"] == "applied"
    assert loaded["nano/base/int8@hf"]["compute_dtype"] == "float16"
    done = bench("report", "mixed")
    assert done.exit_code == 0
    pairs = pairs_of("mixed")
    assert {row["kind"] for row in pairs} == {"quantization", "fine_tuning", "engine", "custom"}
    across = [row for row in pairs if row["kind"] in {"engine", "custom"}]
    assert {(row["arm_a"], row["arm_b"]) for row in across} == {
        ("nano/base/fp16@hf", "nano/base/fp16@llama_cpp"),
        ("nano/base/fp16@openai_api", "nano/base/fp16@llama_cpp"),
        ("nano/base/fp16@openai_api", "nano/base/fp16@hf"),
        ("nano/base/fp32@hf", "nano/base/fp16@llama_cpp"),
    }
    assert all("engines differ" in row["note"] for row in across)
    assert not any("engines differ" in row["note"] for row in pairs if row not in across)
    table = rows_of("mixed", "arms")
    assert {row["backend"] for row in table} == {"llama_cpp", "hf", "openai_api"}
    assert {row["n_samples"] for row in table} == {"6"}
    assert {row["n_failed_measurements"] for row in table} == {"0"}
    assert "(across engines)" in done.stdout


def rows_of(run, table):
    import csv

    with Path(f"reports/{run}/tables/{table}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def pairs_of(run):
    return rows_of(run, "pairs")


def test_a_run_on_transformers_resumes_where_it_was_stopped(project):
    assert bench("run", "--run-id", "whole").exit_code == 0
    shutil.copytree("sentiments/whole", "sentiments/cut")
    file = next(path for path in Path("sentiments/cut/samples").iterdir() if "fp32-hf" in path.name)
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:3]))
    manifest = json.loads(Path("sentiments/cut/manifest.json").read_text())
    Path("sentiments/cut/manifest.json").write_text(json.dumps({**manifest, "run_id": "cut"}))
    assert bench("run", "--resume", "cut").exit_code == 0
    assert texts_of(file) == texts_of(Path("sentiments/whole/samples") / file.name)


def texts_of(file):
    rows = map(json.loads, file.read_text().splitlines())
    return {(row["prompt_id"], row["iteration"]): row["completion"]["text"] for row in rows}


@pytest.mark.parametrize(
    ("arm_a", "arm_b", "code", "verdict"),
    [
        ("base/fp32@hf", "base/fp16@llama_cpp", 0, "same"),
        ("base/fp16@hf", "base/fp16@llama_cpp", 0, "same"),
        ("fine-tuned/fp32@hf", "fine-tuned/fp16@llama_cpp", 0, "same"),
        ("base/fp32@hf", "base/q4_K_M@llama_cpp", 14, "quantization"),
        ("fine-tuned/nf4@hf", "fine-tuned/fp16@llama_cpp", 14, "quantization"),
        ("base/fp32@hf", "fine-tuned/fp16@llama_cpp", 15, "export"),
    ],
)
def test_parity_tells_a_quantization_from_another_model(project, arm_a, arm_b, code, verdict):
    done = bench("models", "parity", arm_a, arm_b, "--json")
    found = json.loads(done.stdout)
    assert (done.exit_code, found["verdict"]) == (code, verdict)
    assert found["n_prompts"] == 3
    equal = {check["name"]: check["n_equal"] == check["n_compared"] for check in found["checks"][:3]}
    assert equal == {"prompt": True, "tokens": True, "stop": True}


@pytest.fixture
def imported(nano):
    """Ollama's API in front of a file of the base: `imported(quant)`."""
    from tests.fixtures.ollama_engine import OllamaOnEngine

    with contextlib.ExitStack() as stack:
        yield lambda quant: stack.enter_context(
            OllamaOnEngine(nano / f"models/nano/base-{quant}.gguf", quant)
        )


def parity(*names):
    done = bench("models", "parity", *names, "--json")
    found = json.loads(done.stdout)
    checks = {check["name"]: check for check in found["checks"]}
    return done.exit_code, found, {name: (c["n_equal"], c["n_compared"]) for name, c in checks.items()}


def test_an_import_into_ollama_and_a_server_are_held_against_the_folder(project, server, imported):
    options = {"base_url": server.address, "server": "llama_server"}
    write_config(
        arms("base", "ollama", "fp16", ref="tiny", options={"host": imported("fp16").address}),
        arms("base", "openai_api", "fp16", ref="nano", options=options),
    )
    code, found, checks = parity("base/fp32@hf", "base/fp16@ollama")
    assert (code, found["verdict"]) == (0, "same")
    assert checks == {"prompt": (3, 3), "tokens": (3, 3), "stop": (1, 1), "logprobs": (None, 3)}
    code, found, checks = parity("base/fp16@openai_api", "base/fp32@hf")
    assert (code, found["verdict"]) == (0, "same")
    assert checks == {"prompt": (3, 3), "tokens": (3, 3), "stop": (0, 0), "logprobs": (None, 3)}
    code, found, _ = parity("base/fp16@ollama", "base/fp16@openai_api")
    assert (code, found["verdict"]) == (0, "same")


def test_an_import_at_a_lower_quantization_is_no_damage(project, imported):
    write_config(arms("base", "ollama", "q4_K_M", ref="tiny", options={"host": imported("q4_K_M").address}))
    code, found, _ = parity("base/fp32@hf", "base/q4_K_M@ollama")
    assert (code, found["verdict"]) == (14, "quantization")


def test_an_import_with_a_wrong_template_is_damage(project, imported):
    server = imported("fp16")
    right = server.renders
    write_config(arms("base", "ollama", "fp16", ref="tiny", options={"host": server.address}))
    server.renders = lambda messages: right(messages).replace("<|", "\n<|", 1)
    code, found, checks = parity("base/fp32@hf", "base/fp16@ollama")
    assert (code, found["verdict"]) == (15, "export")
    assert checks["prompt"] == checks["tokens"] == (0, 3)


def test_a_folder_whose_tokenizer_lost_its_merges_is_damage(project, nano):
    Path("models").unlink()
    shutil.copytree(nano / "models", "models")
    path = Path("models/nano/hf/base/tokenizer.json")
    tokenizer = json.loads(path.read_text())
    del tokenizer["model"]["merges"][50:]
    path.write_text(json.dumps(tokenizer))
    code, found, checks = parity("base/fp32@hf", "base/fp16@llama_cpp")
    assert (code, found["verdict"]) == (15, "export")
    assert (checks["prompt"], checks["tokens"]) == ((3, 3), (0, 3))
    assert found["reason"].startswith("tokens differ")


def test_a_template_that_was_changed_after_the_export_is_damage(project, nano, tmp_path):
    Path("models").unlink()
    shutil.copytree(nano / "models", "models")
    template = Path("models/nano/hf/base/chat_template.jinja")
    template.write_text(template.read_text().replace("'|>' +", "'|> ' +"))
    done = bench("models", "parity", "base/fp32@hf", "base/fp16@llama_cpp")
    assert done.exit_code == 15
    assert "prompt    DIFFER on 0 of 3 prompts; at character" in done.stdout
    assert "export: prompt and tokens differ" in done.stdout


def test_parity_takes_arms_and_articles_of_a_run(project):
    assert bench("run", "--run-id", "whole", "--limit", "2").exit_code == 0
    Path("config.yaml").unlink()
    done = bench("models", "parity", "base/fp32@hf", "base/fp16@llama_cpp", "--run", "whole", "--json")
    assert (done.exit_code, json.loads(done.stdout)["n_prompts"]) == (0, 2)


def test_models_are_still_listed_without_a_subcommand(project):
    assert "base-q4_K_M.gguf" in bench("models", "models").stdout
    assert bench("models").stdout == bench("models", "list", "models").stdout


def test_fidelity_is_measured_on_transformers_too(project):
    write_config(limit=2)
    done = bench("run", "--run-id", "near", "--fidelity")
    assert done.exit_code == 0
    found = json.loads(next(Path("sentiments/near/fidelity").glob("*int8-hf*")).read_text())
    assert found["baseline"] == "nano/base/fp16@hf"
    assert 0 < found["kl_mean"] < 0.01
