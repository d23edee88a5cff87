"""What a classifier is shown."""

from bench.classifiers.reading import shown


def test_an_instruction_stands_before_the_text():
    assert shown("Sales rose.", "Judge.") == "Judge.\n\nSales rose."
    assert shown("Sales rose.") == "Sales rose."


def test_a_lone_surrogate_is_shown_as_what_it_is():
    assert shown("a\ud800b") == "a\\ud800b"
