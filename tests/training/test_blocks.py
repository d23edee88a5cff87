"""Packing: whole documents, one after the other, into blocks."""

from hypothesis import given
from hypothesis import strategies as st

from bench.training.blocks import Marks, decisions, packed

END = 0


def lists(longest):
    return st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=longest).map(lambda d: [*d, END]))


@given(lists(30), st.integers(4, 20))
def test_no_token_is_lost_and_no_block_too_long(documents, n_tokens):
    found = packed(documents, n_tokens, Marks((), END))
    assert [token for block in found for token in block] == [token for d in documents for token in d]
    assert all(0 < len(block) <= n_tokens for block in found)


@given(lists(8))
def test_a_document_that_fits_a_block_is_never_divided(documents):
    found = packed(documents, 10, Marks((7,), END))
    assert all(block[0] == 7 and block[-1] == END for block in found)


def test_a_document_longer_than_a_block_is_cut_into_pieces():
    found = packed([[1, 2, 3, 4, 5, END]], 4, Marks((), END))
    assert found == [[1, 2, 3, 4], [5, END]]


def test_no_documents_are_no_blocks():
    assert packed([], 8, Marks((7,), END)) == []


def test_a_side_is_taken_where_an_answer_or_a_last_line_begins():
    assistant, newline = 90, 80
    block = [1, newline, 2, newline, 3, 4, 5, END, 6, 7, END, assistant, 8, 9, 10, END]
    found = decisions(block, frozenset({assistant}), frozenset({newline}), END, 2)
    assert [token for token, is_one in zip(block, found, strict=True) if is_one] == [3, 4, 8, 9]
