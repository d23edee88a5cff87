"""The vocabulary of whole words."""

from bench.training.words import BEGIN, PADDING, UNKNOWN, learn_words

TEXTS = ("The cat sat.", "the cat ran", "a dog")


def test_it_keeps_the_most_frequent_words_and_the_rest_is_unknown():
    found = learn_words(TEXTS, 2, 1, lowercase=True)
    assert set(found.get_vocab()) == {PADDING, UNKNOWN, BEGIN, "the", "cat"}
    assert found.convert_ids_to_tokens(found("The dog")["input_ids"]) == [BEGIN, "the", UNKNOWN]


def test_words_seen_too_seldom_are_unknown():
    assert set(learn_words(TEXTS, 100, 2, lowercase=True).get_vocab()) == {
        PADDING,
        UNKNOWN,
        BEGIN,
        "the",
        "cat",
    }


def test_case_is_kept_where_asked():
    assert {"The", "the"} <= set(learn_words(TEXTS, 100, 1, lowercase=False).get_vocab())


def test_the_same_texts_give_the_same_vocabulary():
    found = [learn_words(texts, 100, 1, lowercase=True).get_vocab() for texts in (TEXTS, TEXTS[::-1])]
    assert found[0] == found[1]


def test_a_control_tokens_name_in_a_training_text_is_words():
    found = learn_words(("[PAD] x", "[CLS]"), 100, 1, lowercase=False)
    assert {"PAD", "CLS", "x"} <= set(found.get_vocab())
    assert found.pad_token_id not in found("[PAD] x")["input_ids"]
