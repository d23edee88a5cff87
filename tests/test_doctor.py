"""`bench doctor`: findings with remedies, and a code only where the config misses something."""

import json
from pathlib import Path

import pytest
import yaml

from bench import doctor, plugins, provenance
from bench.cli import doctor as command
from bench.doctor import Diagnosis, Finding, examine
from tests.backends.loopback import FakeOpenAi


def write_config(folder: Path, **model) -> Path:
    """A config of one arm."""
    given = {"family": "f", "variant": "base", "quants": ["fp16"], "backend": "fake", "ref": "x", **model}
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({"task": "financial_news", "iterations": 2, "models": [given]}))
    return path


def named(diagnosis: Diagnosis, name: str) -> Finding:
    return next(finding for finding in diagnosis.findings if finding.name == name)


def test_without_a_config_nothing_is_missed(tmp_path):
    diagnosis = examine(tmp_path / "config.yaml")
    assert diagnosis.exit_code == 0
    assert named(diagnosis, str(tmp_path / "config.yaml")).remedy == "bench init"


def test_a_config_that_was_asked_for_has_to_be_there(tmp_path):
    assert examine(tmp_path / "config.yaml", is_required=True).exit_code == 2


def test_machine_and_every_backend_are_looked_at(tmp_path):
    found = {(f.part, f.name) for f in examine(tmp_path / "none.yaml").findings}
    assert {("system", name) for name in ("python", "processor", "memory", "disk", "gpu")} <= found
    assert {("backend", name) for name in plugins.names("backends")} <= found
    assert {("extra", "core"), ("extra", "llama"), ("extra", "train")} <= found


def test_an_arm_that_can_run_is_ok(tmp_path):
    diagnosis = examine(write_config(tmp_path))
    assert diagnosis.exit_code == 0
    assert named(diagnosis, "f/base/fp16@fake").state == "ok"


def test_an_arm_without_its_model_file_gives_that_errors_code(tmp_path):
    pytest.importorskip("llama_cpp")
    diagnosis = examine(write_config(tmp_path, backend="llama_cpp", ref="nothing.gguf"))
    assert diagnosis.exit_code == 5
    assert "bench train" in named(diagnosis, "f/base/fp16@llama_cpp").detail


def test_an_arm_whose_server_answers_is_told_what_it_serves(tmp_path):
    with FakeOpenAi() as server:
        diagnosis = examine(
            write_config(tmp_path, backend="openai_api", options={"base_url": server.address})
        )
    assert diagnosis.exit_code == 0
    assert named(diagnosis, "f/base/fp16@openai_api").detail == f"{server.address} serves tiny"


def test_an_arm_whose_server_is_away_says_what_to_start(tmp_path):
    options = {"base_url": "http://127.0.0.1:9/v1", "server": "llama_server"}
    diagnosis = examine(write_config(tmp_path, backend="openai_api", options=options))
    assert diagnosis.exit_code == 10
    assert "llama-server -m" in named(diagnosis, "f/base/fp16@openai_api").detail


def test_a_wrong_config_is_a_finding_with_its_line(tmp_path):
    path = write_config(tmp_path)
    path.write_text(path.read_text() + "no_such_key: 1\n")
    diagnosis = examine(path)
    assert diagnosis.exit_code == 2
    assert "no_such_key" in diagnosis.findings[-1].detail


def test_a_missing_package_names_the_extra_to_install(tmp_path, monkeypatch):
    version = provenance.package_version
    monkeypatch.setattr(provenance, "package_version", lambda name: None if name == "peft" else version(name))
    finding = named(examine(tmp_path / "none.yaml"), "train")
    assert (finding.state, finding.remedy) == ("missing", 'pip install "bench[train]"')
    assert "peft" in finding.detail


def test_little_disk_space_is_a_warning(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "_FEW_BYTES", 2**70)
    assert named(examine(tmp_path / "none.yaml"), "disk").state == "warning"


def test_a_gpu_is_told_by_its_name(tmp_path, monkeypatch):
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "nvidia-smi").write_text("#!/bin/sh\necho 'NVIDIA T4, 15360 MiB'\n")
    (folder / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    assert named(examine(tmp_path / "none.yaml"), "gpu").detail == "NVIDIA T4, 15360 MiB"


def test_the_command_prints_json_for_scripts(tmp_path, capsys):
    command.command(None, as_json=True)
    assert json.loads(capsys.readouterr().out)["exit_code"] == 0


def test_the_command_prints_remedies_unbroken(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(provenance, "package_version", lambda name: None)
    command.command(None, as_json=False)
    assert '->  pip install "bench[train]"' in capsys.readouterr().out
