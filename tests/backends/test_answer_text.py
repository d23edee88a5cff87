"""Bytes become text, whatever the borders between tokens."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bench.backends._answer_text import AnswerText


def feed(raw: bytes, cuts: list[int], stop: tuple[str, ...] = ()) -> tuple[AnswerText, str]:
    """The answer after all pieces, and what a stream of it showed."""
    answer, shown = AnswerText(stop), ""
    borders = [0, *sorted(cut % (len(raw) + 1) for cut in cuts), len(raw)]
    for begin, end in pairwise(borders):
        answer.add(raw[begin:end])
        shown += answer.news()
        if answer.stopped:
            break
    return answer, shown + answer.rest()


CUTS = st.lists(st.integers(0, 1000), max_size=20)


@given(st.text(), CUTS)
def test_text_survives_any_cutting(text, cuts):
    answer, shown = feed(text.encode("utf-8", "replace"), cuts)
    assert answer.text() == shown == text.encode("utf-8", "replace").decode()


@given(st.binary(), CUTS)
def test_bytes_that_are_no_text_are_shown_as_in_the_whole(raw, cuts):
    answer, shown = feed(raw, cuts)
    assert answer.text() == shown == raw.decode("utf-8", "replace")


@given(st.text("abé"), st.lists(st.text("abé", min_size=1, max_size=4), min_size=1, max_size=3), CUTS)
def test_the_answer_ends_before_the_first_stop_text(text, stop, cuts):
    answer, shown = feed(text.encode(), cuts, tuple(stop))
    assert answer.text() == shown
    assert text.startswith(shown)
    assert not any(s in shown for s in stop)
    assert answer.stopped == any(s in text for s in stop)


def test_what_may_begin_a_stop_text_is_held_back():
    answer = AnswerText(("END",))
    answer.add(b"abcEN")
    assert answer.news() == "abc"
    answer.add(b"x")
    assert answer.news() + answer.rest() == "ENx"


def test_half_a_character_is_not_shown():
    answer = AnswerText()
    answer.add("é".encode()[:1])
    assert answer.news() == ""
    answer.add("é".encode()[1:])
    assert answer.news() == "é"


def test_the_object_ends_the_answer_in_the_middle_of_a_token():
    answer = AnswerText(until_json=True)
    for piece in (b'{"a": ', b'"}"', b"} x"):
        assert not answer.stopped
        answer.add(piece)
    assert answer.stopped
    assert answer.text() == '{"a": "}"}'
