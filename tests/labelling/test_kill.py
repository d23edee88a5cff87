"""2,000 items, one call in ten fails, `bench data label` is killed (-9) three times and run again."""

import json
import subprocess
import sys
import time
from pathlib import Path

from bench.datasets import folder
from tests.labelling.server import KEY, LabelServer

N_ITEMS = 2000
ROOT = Path(__file__).parents[2]


def start(path):
    command = [sys.executable, "-m", "bench", "data", "label", str(path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for(server, n_calls, process):
    until = time.monotonic() + 600
    while server.n_calls < n_calls and time.monotonic() < until and process.poll() is None:
        time.sleep(0.01)
    assert server.n_calls >= n_calls


def test_each_item_is_labelled_once_and_calls_are_items_and_failures(recipe, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    told = ""
    with LabelServer(fail_every=10) as server:
        server.delay_s = 0.01
        # a retry may be a tenth call again, and again: with fewer retries one item in many fails
        path = recipe(server, N_ITEMS, ("longest_wait_s: 0.1", "longest_wait_s: 0.1, retries: 10"))
        for n_calls in (300, 900, 1500):
            process = start(path)
            wait_for(server, n_calls, process)
            process.kill()
            told += process.communicate()[0]
            assert process.returncode == -9
        process = start(path)
        told += process.communicate()[0]
        assert process.returncode == 0, told
        n_calls, n_failed = server.n_calls, server.n_failed
    assert n_calls == N_ITEMS + n_failed
    assert n_failed == n_calls // 10
    assert len(server.paid) == N_ITEMS
    assert set(server.paid.values()) == {1}
    assert set(server.keys.values()) == {1}
    card = folder.read_card(Path("datasets/lab"))
    assert card.labelling is not None
    one = card.labelling["labellers"]["one"]
    assert (one["labelled"], one["calls"], one["failed_calls"]) == (N_ITEMS, n_calls, n_failed)
    assert one["interrupted_calls"] == 0
    assert card.n_rows == N_ITEMS
    written = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert not [p for p in written if KEY.encode() in p.read_bytes()]
    assert KEY not in told
    assert json.loads((tmp_path / "datasets/lab/card.json").read_text())["labelling"]["items"] == N_ITEMS


def test_a_crash_shows_a_traceback_without_the_key(recipe, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
    (tmp_path / "sitecustomize.py").write_text(
        "import bench.labelling.state as s\n"
        "def fail(*a):\n    raise RuntimeError('a fault')\n"
        "s.standing.__code__ = (lambda past, schema, attempts: 1 / 0).__code__\n"
    )
    with LabelServer() as server:
        process = start(recipe(server, 3))
        told = process.communicate()[0]
    assert process.returncode == 70
    assert "Traceback" in told
    assert KEY not in told
