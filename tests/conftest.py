"""Every test works in its own empty folder, with its own home and no network."""

import signal
import socket

import pytest
from hypothesis import settings

from bench.openmp import spin_briefly

spin_briefly()  # before any test imports torch or llama.cpp: two workers share the cores
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # a shell that starts tests in the background has Ctrl-C ignored, and every program they start inherits it
    signal.signal(signal.SIGINT, signal.default_int_handler)
settings.register_profile("bench", deadline=None)  # how long an example takes says nothing on a busy machine
settings.load_profile("bench")


@pytest.fixture(autouse=True)
def own_surroundings(tmp_path, monkeypatch):
    """A fresh working folder, home and caches; nothing a test writes is seen by another."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "matplotlib"))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Only loopback can be reached."""
    connect = socket.socket.connect

    def guarded(self, address):
        if isinstance(address, tuple) and address[0] not in {"127.0.0.1", "::1", "localhost"}:
            raise AssertionError(f"a test tried to reach {address}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
