"""Which arm a user means."""

import pytest

from bench.arm_names import fitting_arms, resolve_arm
from bench.errors import UsageError

ARMS = ["tiny/base/q4@fake", "tiny/base/q8@fake", "big/base/q4@fake"]


def test_a_short_form_names_its_arm():
    assert resolve_arm("big/q4", ARMS) == ARMS[2]


def test_an_ambiguous_arm_is_refused_with_those_it_fits():
    with pytest.raises(UsageError, match=r"'tiny' fits several arms; say which: tiny/base/q4@fake, tiny"):
        resolve_arm("tiny", ARMS)


def test_an_unknown_arm_is_refused_with_those_there_are():
    with pytest.raises(UsageError, match="is no arm of this run; there are: tiny/base/q4@fake, "):
        resolve_arm("int2", ARMS)


def test_a_glob_fits_a_whole_id_or_its_end():
    assert fitting_arms("tiny/*", ARMS) == ARMS[:2]
    assert fitting_arms("q4@*", ARMS) == [ARMS[0], ARMS[2]]


def test_what_is_no_glob_is_a_short_form():
    assert fitting_arms("base/q8", ARMS) == [ARMS[1]]


def test_a_pattern_that_fits_nothing_is_refused():
    with pytest.raises(UsageError, match="fits no arm"):
        fitting_arms("*int2*", ARMS)
