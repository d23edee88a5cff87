"""What was decoded by the wrong table is mended where it can be read in one way, and nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.datasets.mojibake import Kind, mended

BOTH: tuple[Kind, ...] = ("utf8_as_latin1", "utf8_as_cp850")


@pytest.mark.parametrize(
    ("damaged", "whole"),
    [
        ("caf\u00c3\u00a9", "caf\u00e9"),
        ("it\u00e2\u20ac\u2122s", "it\u2019s"),
        ("\u00f0\u0178\u02dc\u20ac", "\U0001f600"),
    ],
)
def test_utf8_read_as_latin1_is_read_again(damaged, whole):
    assert mended(damaged, ["utf8_as_latin1"]) == (whole, 1, 0)


@pytest.mark.parametrize(
    ("damaged", "whole"),
    [
        ("Sepp+\u00f1l+\u00f1", "Sepp\u00e4l\u00e4"),
        ("P+\u00c2yry", "P\u00f6yry"),
        ("+\u00e0land", "\u00c5land"),
        ("TYRV+\u00e4+\u00e4N", "TYRV\u00c4\u00c4N"),
        ("-\u00ae 2006", "\u00a9 2006"),
        ("5 -\u00c1m", "5 \u00b5m"),
    ],
)
def test_utf8_read_as_page_850_is_read_again_where_it_is_named(damaged, whole):
    assert mended(damaged, ["utf8_as_cp850"]).text == whole
    assert mended(damaged, ["utf8_as_latin1"]).text == damaged


@pytest.mark.parametrize("lost", ["company+\u00f3EUR", "+\u00f3  x201a -\u00bc 59.3 million", "it -\u00a6 s"])
def test_what_was_damaged_twice_stays_and_is_counted(lost):
    text, n_mended, n_lost = mended(lost, BOTH)
    assert (text, n_mended) == (lost, 0)
    assert n_lost >= 1


def test_a_lost_character_is_counted_and_not_guessed():
    assert mended("I \u00ef\u00bf\u00bd you", BOTH) == ("I \u00ef\u00bf\u00bd you", 0, 1)


@given(st.text())
def test_text_that_was_never_damaged_is_rarely_touched(text):
    plain = text.encode("ascii", "ignore").decode()
    assert mended(plain, BOTH) == (plain, 0, 0)


@given(st.text(alphabet="\u00e4\u00f6\u00fc\u00c4\u00d6\u00dc\u00df \u00e9\u00e8abc"))
def test_umlauts_and_accents_stay_as_they_are(text):
    assert mended(text, ["utf8_as_latin1"]).text == text
