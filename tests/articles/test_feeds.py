"""Feeds as they come: items where there are any, else one clear reason; nothing in them expands or reads files."""

import gzip
import time
import tracemalloc
import zlib

import pytest

from bench.articles.feeds import FeedError, inflated, parse_feed
from tests.articles.site import feed_xml

FEED = feed_xml(["https://example.com/1", "/2"])
JSON = '{"version": "https://jsonfeed.org/version/1.1", "items": [{"url": "/1", "title": "A", "date_published": "2026-01-02T08:00:00Z"}, 5]}'


def urls(content: bytes | str) -> list[str | None]:
    data = content.encode() if isinstance(content, str) else content
    return [item.url for item in parse_feed(data, "https://example.com/feed")]


def test_items_have_address_title_and_date():
    first, second = parse_feed(FEED.encode(), "https://example.com/feed")
    assert (first.url, first.title, str(first.published_at)) == (
        "https://example.com/1",
        "Story 0",
        "2026-01-02 08:00:00+00:00",
    )
    assert second.url == "https://example.com/2"


def test_a_json_feed_is_read():
    assert urls(JSON) == ["https://example.com/1"]


@pytest.mark.parametrize(
    "packed", [gzip.compress(FEED.encode()), zlib.compress(FEED.encode()), gzip.compress(FEED.encode())[:-6]]
)
def test_a_compressed_feed_is_inflated(packed):
    assert len(urls(packed)) == 2


def test_a_truncated_feed_gives_what_it_has():
    assert len(urls(FEED[: FEED.rfind("</item>")])) == 2


def test_a_feed_that_hides_its_encoding_is_read():
    text = feed_xml(["/1"]).replace("Story", "Café")
    assert parse_feed(text.encode("latin-1"))[0].title == "Café 0"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty"), ("<html><p>no feed</p></html>", "no feed"), ("[1, 2]", "no JSON Feed"), ('{"items": 5}', "no JSON Feed"),
        ('{"items": [', "broken JSON"), ("[" * 100_000, "JSON"), ("plain words", "no feed"),
        ("<rss>" + "<a>" * 100_000, "nested more than"),
    ],
)  # fmt: skip
def test_what_is_no_feed_says_so(content, message):
    with pytest.raises(FeedError, match=message):
        parse_feed(content.encode())


def _with_doctype(subset: str, title: str, before: str = "") -> str:
    return f'{before}<!DOCTYPE rss [{subset}]><rss version="2.0"><channel><item><title>{title}</title><link>/1</link></item></channel></rss>'


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
BOMBS: dict[str, str | bytes] = {
    "laughs": _with_doctype(f'<!ENTITY l0 "lol">{LAUGHS}', "&l11;"),
    "laughs_declared": '<?xml version="1.0"?>' + _with_doctype(f'<!ENTITY l0 "lol">{LAUGHS}', "&l11;"),
    "quadratic": _with_doctype(f'<!ENTITY a "{"a" * 50_000}">', "&a;" * 20_000),
    "quadratic_after_words": _with_doctype(f'<!ENTITY a "{"a" * 50_000}">', "&a;" * 20_000, before="words "),
    "many_short": _with_doctype(f'<!ENTITY a "{"a" * 200}">', "&a;" * 100_000),
    "parameter": _with_doctype("<!ENTITY % p \"<!ENTITY a 'x'>\"> %p;", "&a;"),
    "two_doctypes": "<!DOCTYPE rss>" + _with_doctype(f'<!ENTITY l0 "lol">{LAUGHS}', "&l11;"),
    "closed_inside": _with_doctype(f'<!ENTITY x "]>"><!ENTITY l0 "lol">{LAUGHS}', "&l11;"),
    "after_comment": "<!-- <rss> -->" + _with_doctype(f'<!ENTITY l0 "lol">{LAUGHS}', "&l11;"),
    "utf16": _with_doctype(f'<!ENTITY l0 "lol">{LAUGHS}', "&l11;").encode("utf-16"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_no_entity_expands_far(name):
    bomb = BOMBS[name]
    tracemalloc.start()
    began = time.monotonic()
    try:
        items = parse_feed(bomb if isinstance(bomb, bytes) else bomb.encode())
    except FeedError:
        items = []
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert all(len(item.title or "") < 500_000 for item in items)
    assert peak_bytes < 60_000_000
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("kind", ['SYSTEM "file:{}"', 'PUBLIC "x" "{}"', 'SYSTEM "{}"'])
def test_no_entity_reads_a_file(tmp_path, kind):
    secret = tmp_path / "secret.txt"
    secret.write_text("top secret words")
    subset = f"<!ENTITY f {kind.format(secret)}>"
    for before in ("", "<!DOCTYPE rss>", "words "):
        try:
            items = parse_feed(_with_doctype(subset, "a &f; b", before).encode())
        except FeedError:
            continue
        assert "secret words" not in str(items)


def test_a_short_entity_that_a_feed_defines_is_filled_in():
    assert (
        parse_feed(_with_doctype('<!ENTITY co "Examplecorp">', "&co; grows").encode())[0].title
        == "Examplecorp grows"
    )


def test_a_gzip_bomb_is_stopped_at_the_limit():
    engine = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(engine.compress(b"\0" * 1_000_000) for _ in range(300)) + engine.flush()
    assert len(bomb) < 400_000
    tracemalloc.start()
    with pytest.raises(FeedError, match="larger than"):
        inflated(bomb, 5_000_000)
    assert tracemalloc.get_traced_memory()[1] < 30_000_000
    tracemalloc.stop()
