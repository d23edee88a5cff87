"""How OpenMP's threads wait."""

import os

from bench.openmp import spin_briefly


def test_threads_sleep_soon(monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.setenv("GOMP_SPINCOUNT", "x")
    monkeypatch.delenv("GOMP_SPINCOUNT")
    spin_briefly()
    assert os.environ["GOMP_SPINCOUNT"] == "1000"


def test_what_the_user_set_stays(monkeypatch):
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    spin_briefly()
    assert os.environ["GOMP_SPINCOUNT"] == "7"


def test_a_waiting_policy_is_left_to_decide(monkeypatch):
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    monkeypatch.setenv("GOMP_SPINCOUNT", "x")
    monkeypatch.delenv("GOMP_SPINCOUNT")
    spin_briefly()
    assert "GOMP_SPINCOUNT" not in os.environ
