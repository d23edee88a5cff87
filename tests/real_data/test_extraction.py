"""Extraction on real pages with human gold: better than bare trafilatura, on each half of them too."""

import pytest

from bench.articles.extract import extract
from benchmarks.extraction import FOLDER, f1, measure, pages, score

LEAST_GAIN = 0.01
LARGEST_LOSS = 0.2
MOST_REFUSED = 0.02


@pytest.fixture(scope="module")
def found(real_data):
    if not (real_data / FOLDER).is_dir():
        pytest.skip(f"no {FOLDER} in the public data")
    return pages(real_data)


@pytest.fixture(scope="module")
def measured(found):
    return measure(found)


def test_it_beats_bare_trafilatura_with_and_without_comments(measured):
    ours = score(measured["bench"][0]).f1
    assert ours >= score(measured["trafilatura"][0]).f1 + LEAST_GAIN
    assert ours >= score(measured["trafilatura, no comments"][0]).f1 + LEAST_GAIN


@pytest.mark.parametrize("half", [0, 1])
def test_the_gain_holds_on_each_half_of_the_pages(measured, half):
    ours, bare = (score(measured[name][0][half::2]).f1 for name in ("bench", "trafilatura"))
    assert ours >= bare + LEAST_GAIN


def test_no_page_is_much_worse(found, measured):
    for page, ours, bare in zip(found, measured["bench"][0], measured["trafilatura"][0], strict=True):
        assert f1(*ours) >= f1(*bare) - LARGEST_LOSS, page.url


def test_it_is_at_least_half_as_fast(measured):
    assert measured["bench"][1] <= 2 * measured["trafilatura"][1]


def test_real_articles_are_not_refused(found):
    refused = [page.url for page in found if extract(page.html, page.url).kind != "article"]
    assert len(refused) < MOST_REFUSED * len(found), refused


def test_every_real_page_has_a_title_and_a_date(found):
    lacking = [p.url for p in found if None in (extract(p.html).title, extract(p.html, p.url).published_at)]
    assert lacking == []
