"""Text of others becomes inert, and nothing is lost without a mark."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.reports.text import CELL_CHARS, csv_text, shortened, starts_formula, workbook_text

anything = st.text(st.characters(), max_size=80)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\n=1", "＝1"])
def test_what_a_spreadsheet_might_compute_gets_an_apostrophe(text):
    assert csv_text(text).startswith("'")


@given(anything)
def test_no_csv_text_starts_a_formula(text):
    assert not starts_formula(csv_text(text))


@given(anything)
def test_every_text_can_be_written_and_shows_no_hidden_character(text):
    for made in (csv_text(text), workbook_text(text)):
        made.encode("utf-8")
        assert (
            made.replace("\n", "").replace("\t", "").replace("\u3000", "").replace("\u00a0", "") is not None
        )
        assert not any(ord(c) < 32 and c not in "\n\t" for c in made)
        assert not any(c in made for c in "\u202e\u200b\ufffe\uffff\x7f\x9b")


@given(st.text(st.characters(categories=["L", "N", "P"], exclude_characters="_"), min_size=1))
def test_ordinary_text_stays_as_it_is_in_a_workbook(text):
    assert workbook_text(text) == text


def test_a_long_text_is_cut_with_a_mark():
    made = workbook_text("é" * 40_000)
    assert len(made) == CELL_CHARS
    assert made.endswith("[cut here; 40000 characters in all]")


def test_characters_of_two_units_count_twice():
    made = workbook_text("😀" * 20_000)
    assert len(made.encode("utf-16-le")) // 2 <= CELL_CHARS
    assert made.endswith("[cut here; 20000 characters in all]")
    assert workbook_text("😀" * 16_000) == "😀" * 16_000


def test_a_workbooks_own_escape_is_shown_as_text():
    assert workbook_text("_x0041_") == "_x005F_x0041_"


def test_a_shortened_text_is_one_line_with_an_ellipsis():
    assert shortened("a  b\nc", 10) == "a b c"
    assert shortened("abcdef", 4) == "abc…"
