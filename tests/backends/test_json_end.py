"""Where the first object of a growing text ends."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.backends._json_end import JsonEnd

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)
OBJECTS = st.dictionaries(st.text(), VALUES | st.dictionaries(st.text(), VALUES, max_size=2), max_size=4)


@given(OBJECTS, st.integers(1, 7), st.booleans())
def test_it_is_where_the_parser_says(value, step, is_ascii):
    whole = json.dumps(value, ensure_ascii=is_ascii)
    raw = f"Sure: {whole} and {{more}}".encode("utf-8", "surrogatepass")
    end, expected = JsonEnd(), len(b"Sure: ") + len(whole.encode("utf-8", "surrogatepass"))
    found = [place for i in range(0, len(raw), step) if (place := end.add(raw[i : i + step])) is not None]
    assert found[0] == expected


@pytest.mark.parametrize("text", ["", "no braces", '{"a": 1', '{"a": "}', '{"a": "\\"}', "}{"])
def test_an_object_that_does_not_end_has_no_end(text):
    assert JsonEnd().add(text.encode()) is None
