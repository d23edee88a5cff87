"""The join finds every similar pair: held against comparing all of them."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.datasets.row import words
from bench.datasets.similar import join
from bench.datasets.similar.join import Groups, first_similar, linked
from bench.datasets.similar.shingles import ShingleFile

VOCABULARY = ["sales", "rose", "fell", "by", "nine", "percent", "in", "the", "north", "again"]
TEXTS = st.lists(
    st.lists(st.sampled_from(VOCABULARY), min_size=0, max_size=9).map(" ".join), min_size=1, max_size=25
)
THRESHOLDS = st.sampled_from([0.3, 0.5, 0.6, 0.75, 0.8, 1.0])


def pairs(text, run):
    found = words(text)
    return {tuple(found[i : i + n]) for n in range(1, run + 1) for i in range(len(found) - n + 1)}


def similarity(a, b, run):
    first, second = pairs(a, run), pairs(b, run)
    return len(first & second) / len(first | second)


def shingled(texts, run, tmp_path_factory):
    file = ShingleFile(tmp_path_factory.mktemp("s"), run)
    for text in texts:
        file.add(text)
    return file


@settings(max_examples=60)
@given(TEXTS, THRESHOLDS, st.integers(1, 3))
def test_those_that_stay_are_dissimilar_and_those_that_go_are_not(tmp_path_factory, texts, threshold, run):
    with shingled(texts, run, tmp_path_factory) as file:
        earlier = first_similar(file.shingles(), threshold).earlier
    stay = [n for n in range(len(texts)) if earlier[n] < 0]
    for a, b in itertools.combinations(stay, 2):
        assert similarity(texts[a], texts[b], run) < threshold
    for n in set(range(len(texts))) - set(stay):
        assert earlier[n] in stay
        assert similarity(texts[n], texts[earlier[n]], run) >= threshold - 1e-9


@settings(max_examples=60)
@given(TEXTS, THRESHOLDS, st.integers(1, 3))
def test_similar_texts_are_of_one_group_and_no_others(tmp_path_factory, texts, threshold, run):
    n = len(texts)
    with shingled(texts, run, tmp_path_factory) as file:
        found = linked(file.shingles(), threshold, Groups(n)).earlier
    wanted = list(range(n))
    for a, b in itertools.product(range(n), repeat=2):
        if a != b and similarity(texts[a], texts[b], run) >= threshold - 1e-9:
            low, high = sorted((wanted[a], wanted[b]))
            wanted = [low if w == high else w for w in wanted]
    assert found.tolist() == wanted


def test_a_text_with_too_many_candidates_is_counted(tmp_path_factory, monkeypatch):
    texts = [f"the same beginning of all x{'abcdefgh'[n]}" for n in range(8)]
    for most, n_expected in ((3, 6), (100, 0)):
        monkeypatch.setattr(join, "MOST_MET", most)
        with shingled(texts, 2, tmp_path_factory) as file:
            assert first_similar(file.shingles(), 0.8).n_not_finished == n_expected


def test_texts_apart_share_no_run(tmp_path):
    with ShingleFile(tmp_path, 2) as file:
        file.add("sales rose again", apart=1)
        file.add("sales rose again", apart=2)
        assert first_similar(file.shingles(), 0.5).earlier.tolist() == [-1, -1]


def test_counts_are_never_too_low(tmp_path):
    with ShingleFile(tmp_path, 1) as file:
        for n in range(50):
            file.add(f"common w{n}")
        shingles = file.shingles()
        assert max(shingles.counts(np.asarray(shingles.runs))) >= 50


def test_blocks_of_texts_are_joined_across_their_borders(tmp_path, monkeypatch):
    monkeypatch.setattr("bench.datasets.similar.shingles._WORDS_PER_BLOCK", 7)
    with ShingleFile(tmp_path, 2) as file:
        for n in range(40):
            file.add(f"sales rose in w{n % 20}")
        earlier = first_similar(file.shingles(), 1.0).earlier
    assert earlier.tolist() == [-1] * 20 + list(range(20))
