"""kill -9 at random moments: the short version of `benchmarks/kill.py`."""

from benchmarks.kill import kill_and_resume


def test_no_key_is_missing_or_twice_after_kills(tmp_path):
    result = kill_and_resume(tmp_path, n_kills=4, seed=1, n_articles=6, iterations=10, delay_s=0.02)
    assert (result.n_missing, result.n_twice, result.status) == (0, 0, "finished")
    assert 0 < result.seen[0] < result.n_expected
    assert list(result.seen) == sorted(result.seen)
