"""When two texts are the same."""

from bench.datasets.row import Row, key, without_numbers, words


def test_case_punctuation_and_addresses_are_not_looked_at():
    assert words("Thanks, @United! https://t.co/AbC") == ["thanks", "united"]


def test_a_text_without_words_is_itself():
    assert words(" :-( ") == [":-("]
    assert words(":-)") != words(":-(")


def test_scripts_without_spaces_have_a_word_a_character():
    assert words("\u6771\u4eac A") == ["\u6771", "\u4eac", "a"]


def test_numbers_can_be_left_out_of_sight():
    assert without_numbers(words("EUR 13.1 mn")) == without_numbers(words("EUR 8.75 mn"))


def test_one_comment_under_two_parents_is_two():
    first = Row("Sure.", parts=(("parent", "It will rain."),))
    second = Row("Sure.", parts=(("parent", "It will snow."),))
    assert key(first, "words") != key(second, "words")
    assert key(first, "words") == key(first._replace(text="sure"), "words")
    assert key(first, "text") != key(first._replace(text="sure"), "text")


def test_ids_of_two_sources_are_different_ids():
    assert key(Row("a", id="1", source="x"), "id") != key(Row("a", id="1", source="y"), "id")
    assert key(Row("a"), "id") is None
