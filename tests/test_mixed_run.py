"""What the script of the mixed run takes for success."""

import pytest

from benchmarks.mixed_run import is_as_promised

MIXED = {
    "arms": {"a": "", "b": ""},
    "n_arms_whole": 2,
    "comparisons_across_engines": ["a - b"],
    "n_named_as_such": 1,
}
KILLED = {
    "exit_code": 10,
    "exit_code_of_resume_without_server": 10,
    "n_missing": 0,
    "n_twice": 0,
    "n_changed": 0,
    "n_failed_after_resume": 0,
}


def test_a_whole_run_is_as_promised():
    assert is_as_promised(MIXED, KILLED)


@pytest.mark.parametrize(
    ("mixed", "killed"),
    [
        ({"n_arms_whole": 1}, {}),
        ({"n_named_as_such": 0}, {}),
        ({"comparisons_across_engines": [], "n_named_as_such": 0}, {}),
        ({}, {"exit_code": 0}),
        ({}, {"exit_code_of_resume_without_server": 0}),
        *(({}, {name: 1}) for name in KILLED if name.startswith("n_")),
    ],
)
def test_anything_less_is_not(mixed, killed):
    assert not is_as_promised(MIXED | mixed, KILLED | killed)
