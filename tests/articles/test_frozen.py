"""A frozen set never changes: its name means one content, and its digest is checked whenever it is read."""

import json
from pathlib import Path

import pytest

from bench import articles
from bench.articles import frozen
from bench.config import ArticlesConfig
from bench.errors import NoArticlesError, StorageError, UsageError
from tests.builders import article

ARTICLES = (article("Sales rose."), article("Sales fell."))


def freeze(name="mine", found=ARTICLES):
    return frozen.freeze(name, found, {"source": "test"}, {"paywall": 3})


def test_a_run_takes_a_set_by_its_name():
    freeze()
    assert articles.load(ArticlesConfig(source="mine")) == ARTICLES
    assert articles.load(ArticlesConfig(source="mine", limit=1)) == ARTICLES[:1]
    assert articles.load("articles/mine.jsonl") == ARTICLES


def test_the_manifest_tells_where_it_came_from():
    manifest = freeze()
    there = json.loads(Path("articles/mine.manifest.json").read_text())
    assert there["digest"] == manifest.digest == frozen.digest_of(Path("articles/mine.jsonl").read_bytes())
    assert (there["n_articles"], there["sources"], there["left_out"]) == (2, {"test": 2}, {"paywall": 3})
    assert [len(a["text_sha256"]) for a in there["articles"]] == [64, 64]
    assert there["tools"]["trafilatura"]


def test_what_a_run_records_is_the_digest():
    manifest = freeze()
    for source in ("mine", "articles/mine.jsonl"):
        assert articles.identity(ArticlesConfig(source=source)) == {
            "source": source,
            "digest": manifest.digest,
        }
    assert articles.identity(ArticlesConfig()) == {"source": "sample"}


def test_freezing_the_same_again_changes_nothing():
    first = freeze()
    before = Path("articles/mine.manifest.json").read_bytes()
    assert freeze() == first
    assert Path("articles/mine.manifest.json").read_bytes() == before


def test_a_name_is_not_given_to_other_articles():
    freeze()
    before = Path("articles/mine.jsonl").read_bytes()
    with pytest.raises(UsageError, match="frozen with other articles"):
        freeze(found=ARTICLES[:1])
    assert Path("articles/mine.jsonl").read_bytes() == before


def test_a_changed_set_is_refused():
    freeze()
    path = Path("articles/mine.jsonl")
    path.write_bytes(path.read_bytes().replace(b"rose", b"fell"))
    for source in ("mine", "articles/mine.jsonl"):
        with pytest.raises(StorageError, match="changed since it was frozen"):
            articles.load(source)


def test_a_file_in_the_way_is_not_overwritten():
    Path("articles").mkdir()
    Path("articles/mine.jsonl").write_text("mine")
    with pytest.raises(UsageError, match="without a manifest"):
        freeze()


@pytest.mark.parametrize(
    "name", ["", "../x", "a/b", ".hidden", "yahoo", "sample", "a.jsonl", "a b", "x" * 99]
)
def test_a_name_that_cannot_be_one_is_refused(name):
    with pytest.raises(UsageError):
        freeze(name)
    assert not Path("articles").exists()


def test_nothing_is_not_frozen():
    with pytest.raises(NoArticlesError):
        freeze(found=())


def test_a_set_that_is_not_there_is_named_with_those_that_are():
    freeze()
    with pytest.raises(UsageError, match="there are: mine"):
        frozen.load("other")
    with pytest.raises(UsageError, match=r"or a frozen set \(mine\)"):
        articles.load("other")
