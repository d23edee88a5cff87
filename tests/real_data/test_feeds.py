"""Every real and broken feed is read without a crash: its items, or one clear reason."""

import feedparser

from bench.articles.feeds import FeedError, parse_feed

FRAGMENTS = {
    "AmazonWebServicesBlogFirstEntryContent.xml",
    "PaulDixExplainsNothingFirstEntryContent.xml",
    "TechCrunchFirstEntry.xml",
}
"""Files of the collection that are expected values, not feeds."""
NO_FEEDS = {"notafeed.html", "rss_empty_document.xml"}


def files(real_data):
    paths = (p for p in sorted((real_data / "feeds").rglob("*")) if p.is_file() and "output" not in p.parts)
    return [p for p in paths if p.suffix in {".xml", ".rss", ".atom", ".json", ".html"}]


def test_every_feed_gives_items_or_a_reason(real_data):
    refused, reasons, n_items, n_read = set(), [], 0, 0
    for path in files(real_data):
        try:
            items = parse_feed(path.read_bytes(), f"https://example.com/{path.name}")
        except FeedError as error:
            refused.add(path.name)
            reasons.append(str(error))
            continue
        n_read += 1
        n_items += len(items)
    assert not any("\n" in reason for reason in reasons)
    assert refused == FRAGMENTS | NO_FEEDS
    assert n_read > 600
    assert n_items > 1000


def test_no_item_is_lost_that_feedparser_alone_would_find(real_data):
    for path in files(real_data):
        content = path.read_bytes()
        try:
            n_items = len(parse_feed(content))
        except FeedError:
            n_items = 0
        assert n_items >= len(feedparser.parse(content).entries), path.name
