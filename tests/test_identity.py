"""The one definition of "the same"."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.identity import canonical_json, content_id, file_stem, match_arm, normalized_text, sample_seed

ARMS = [
    "tiny/base/q4_K_M@llama_cpp+few_shot",
    "tiny/base/q8_0@llama_cpp+few_shot",
    "tiny/tuned/q8_0@llama_cpp",
]


def test_the_order_of_keys_does_not_matter():
    assert content_id({"a": 1, "b": [2]}) == content_id({"b": [2], "a": 1})


def test_nan_has_no_canonical_form():
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"a": float("nan")})


def test_a_seed_is_stable_between_versions():
    assert sample_seed(0, "arm", "article", 0) == 2118620383
    assert sample_seed(0, "arm", "article", 1) != sample_seed(0, "arm", "article", 0)


def test_arms_draw_independent_streams():
    seeds = {sample_seed(0, arm, "article", i) for arm in ARMS for i in range(100)}
    assert len(seeds) == 300


@given(st.integers(0, 2**40), st.text(), st.text(), st.integers(0, 1000))
def test_a_seed_fits_31_bits(run_seed, arm, article, iteration):
    assert 0 <= sample_seed(run_seed, arm, article, iteration) < 2**31 - 1


def test_white_space_and_unicode_form_do_not_make_another_text():
    assert normalized_text(" caf\u00e9\n\n x") == normalized_text("cafe\u0301 x")


@given(st.text())
def test_a_file_name_cannot_leave_its_folder(arm):
    stem = file_stem(arm)
    assert stem.isascii()
    assert not set(stem) & set('/\\:*?"<>| \0')
    assert not stem.startswith(".")
    assert len(stem) < 100


def test_names_that_look_alike_get_different_files():
    assert file_stem("a:b") != file_stem("a_b") != file_stem("a/b")


def test_a_shorter_form_finds_its_arm():
    assert match_arm("base/q4_K_M", ARMS) == ARMS[:1]
    assert match_arm("tuned", ARMS) == ARMS[2:]


def test_an_ambiguous_form_finds_all_it_could_mean():
    assert match_arm("q8_0", ARMS) == ARMS[1:]


@pytest.mark.parametrize("text", ["", "/", "fp16", "q4_K_M/base"])
def test_what_is_no_part_of_an_arm_finds_nothing(text):
    assert match_arm(text, ARMS) == []
