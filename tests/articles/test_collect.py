"""Collecting from a whole site: what is kept, and for everything else the reason."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from bench import articles
from bench.articles import sources
from bench.articles.collect import collect
from bench.articles.duplicates import repeated
from bench.articles.relevance import mentions, most_mentioned, relevant_text
from bench.articles.sources import files, yahoo
from bench.config import ArticlesConfig, CompanyConfig
from bench.errors import ConfigError, NoArticlesError
from tests.articles.site import article_html, endless, feed_xml, page, redirect, serving, slow_drip, status
from tests.articles.walls import BOT_WALLS, EMPTY, PAYWALLS


def statuses(collection) -> list[str]:
    return [outcome.status for outcome in collection.outcomes]


def test_a_whole_site_is_collected_and_every_page_accounted_for(site, settings):
    latin = article_html(2, charset="iso-8859-1").replace("Line 2-0", "Käufer")
    site.answers |= {
        "/robots.txt": page("User-agent: *\nDisallow: /forbidden\n", content_type="text/plain"),
        "/good": page(article_html(1)),
        "/latin": page(latin.encode("cp1252"), content_type="text/html"),
        "/moved": redirect("/moved-to"),
        "/moved-to": page(article_html(3)),
        "/private": redirect("http://10.0.0.1/"),
        "/403": status(403),
        "/slow": slow_drip,
        "/endless": endless,
        "/forbidden": page(article_html(4)),
        "/paywall": page(PAYWALLS["continue"]),
        "/wall": page(BOT_WALLS["cloudflare"]),
        "/empty": page(EMPTY["headline"]),
        "/copy": page(article_html(1).replace("The Daily", "The Weekly")),
    }
    names = [
        "good",
        "latin",
        "moved",
        "private",
        "403",
        "404",
        "slow",
        "endless",
        "forbidden",
        "paywall",
        "wall",
        "empty",
        "copy",
    ]
    site.answers["/feed"] = page(
        feed_xml([site.url(f"/{n}") for n in names]), content_type="application/rss+xml"
    )
    found = collect(settings("rss", feeds=[site.url("/feed")], fetch={"total_s": 3.0, "max_bytes": 300_000}))
    assert dict(zip(names, statuses(found), strict=True)) == {
        "good": "kept", "latin": "kept", "moved": "kept", "private": "address", "403": "status", "404": "status",
        "slow": "timeout", "endless": "too_large", "forbidden": "robots", "paywall": "paywall", "wall": "bot_wall",
        "empty": "empty", "copy": "duplicate",
    }  # fmt: skip
    assert all(o.text for o in found.outcomes if o.status != "kept")
    assert "Käufer" in found.articles[1].text
    assert [a.source for a in found.articles] == ["rss"] * 3
    assert found.articles[2].url == site.url("/moved-to")


def test_a_feed_that_fails_costs_the_others_nothing(site, settings):
    site.answers |= {
        "/feed": page(feed_xml([site.url("/a")])),
        "/a": page(article_html()),
        "/bad": page("no feed"),
    }
    found = collect(settings("rss", feeds=[site.url("/bad"), site.url("/gone"), site.url("/feed")]))
    assert statuses(found) == ["feed", "status", "kept"]


def test_a_feed_may_be_a_file_and_carry_its_own_text(settings):
    body = "".join(f"<p>Paragraph {n} of a text that stands in the feed itself, whole.</p>" for n in range(9))
    Path("feed.json").write_text(json.dumps({"items": [{"title": "A", "content_html": body}]}))
    (article,) = collect(settings("rss", feeds=["feed.json"])).articles
    assert (article.title, article.url) == ("A", None)
    assert "Paragraph 8" in article.text


def test_only_the_newest_items_are_taken(site, settings):
    now = datetime.now(UTC)
    for n in range(4):
        site.answers[f"/{n}"] = page(article_html(n, date=f"{now:%Y-%m-%d}"))
    dates = [format_datetime(now - timedelta(days=d)) for d in (3, 1, 2, 30)]
    feed = feed_xml([site.url(f"/{n}") for n in range(4)])
    for date in dates:
        feed = feed.replace("Fri, 02 Jan 2026 08:00:00 GMT", date, 1)
    site.answers["/feed"] = page(feed)
    found = collect(settings("rss", feeds=[site.url("/feed")], max_items=2))
    assert [a.url for a in found.articles] == [site.url("/1"), site.url("/2")]
    found = collect(settings("rss", feeds=[site.url("/feed")], max_age_days=7))
    assert statuses(found) == ["kept", "kept", "kept", "too_old"]


def test_the_limit_counts_what_is_kept(site, settings):
    site.answers |= {"/a": status(404), "/b": page(article_html(1)), "/c": page(article_html(2))}
    found = collect(settings(urls=[site.url(p) for p in ("/a", "/b", "/c")], limit=1))
    assert statuses(found) == ["status", "kept", "over_limit"]


def test_an_address_that_only_differs_by_its_campaign_is_fetched_once(site, settings):
    site.answers["/a"] = page(article_html())
    found = collect(settings(urls=[site.url("/a"), site.url("/a?utm_source=x"), site.url("/a#top")]))
    assert statuses(found) == ["kept"]


def test_offline_uses_the_cache_and_says_what_is_missing(site, settings):
    site.answers |= {"/a": page(article_html(1)), "/b": page(article_html(2))}
    collect(settings(urls=[site.url("/a")]))
    n_hits = site.hits.total()
    found = collect(settings(urls=[site.url("/a"), site.url("/b")], offline=True))
    assert statuses(found) == ["kept", "not_cached"]
    assert site.hits.total() == n_hits


def test_yahoo_reads_several_symbols_at_once(site, settings, monkeypatch):
    monkeypatch.setattr(yahoo, "FEED", site.url("/feed?s={}"))
    monkeypatch.setattr(yahoo, "company_name", {"BBB": "Beta Works"}.get)
    for n, ticker in enumerate(("AAA", "BBB")):
        site.answers |= {
            f"/{ticker}": page(article_html(n)),
            f"/feed?s={ticker}": page(feed_xml([site.url(f"/{ticker}")])),
        }
    given = {"tickers": ["aaa", "BBB"], "companies": [{"name": "Alpha Works", "ticker": "AAA"}]}
    found = collect(settings("yahoo", **given))
    assert [(a.entity.name, a.entity.ticker) for a in found.articles if a.entity] == [
        ("Alpha Works", "AAA"),
        ("Beta Works", "BBB"),
    ]


def test_without_the_extra_a_symbol_is_its_own_name(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert yahoo.company_name("AAA") is None


# ---------------------------------------------------------------- companies

EXAMPLE = CompanyConfig(name="Examplecorp Inc.", aliases=("The Example Company",), ticker="EXC")
OTHER = CompanyConfig(name="Otherworks", ticker="F")


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ("Examplecorp Inc. grows", 1), ("EXAMPLECORP's sales", 1), ("the example company and Examplecorp", 2), ("(NYSE: EXC) rose", 1),
        ("$EXC and EXC", 2), ("exc", 0), ("Examplecorporation", 0), ("EXCEL", 0), ("nothing", 0), ("Example\u2011corp", 0),
    ],
)  # fmt: skip
def test_a_company_is_known_by_name_alias_and_symbol(text, n):
    assert mentions(text, EXAMPLE) == n


@pytest.mark.parametrize(
    ("text", "n"), [("F grade", 0), ("$F rose", 1), ("(NYSE: F)", 1), ("Ford (F) fell", 1), ("IF", 0)]
)
def test_a_short_symbol_counts_only_where_it_is_written_as_one(text, n):
    assert mentions(text, OTHER) == n


def test_only_paragraphs_that_speak_of_the_company_are_kept():
    assert (
        relevant_text("Examplecorp rose.\nIt rained.\nShares of EXC fell.", EXAMPLE)
        == "Examplecorp rose.\nShares of EXC fell."
    )


def test_the_company_that_is_spoken_of_most_is_meant():
    assert most_mentioned("Otherworks, Otherworks and Examplecorp", (EXAMPLE, OTHER)) == OTHER
    assert most_mentioned("nobody", (EXAMPLE, OTHER)) is None


def test_a_page_that_does_not_speak_of_the_company_is_left_out(site, settings):
    site.answers |= {
        "/a": page(article_html(1)),
        "/b": page(article_html(2).replace("Examplecorp", "Somebody")),
    }
    given = {"urls": [site.url("/a"), site.url("/b")], "company": {"name": "Examplecorp"}}
    whole = collect(settings(**given))
    assert statuses(whole) == ["kept", "kept"]
    found = collect(settings(**given, relevant_only=True))
    assert statuses(found) == ["kept", "not_relevant"]
    assert found.articles[0].entity == whole.articles[0].entity
    assert len(found.articles[0].text) < len(whole.articles[0].text)


# ---------------------------------------------------------------- near-duplicates


def test_the_same_story_with_another_beginning_is_a_repeat():
    story = " ".join(f"word{n} of the story" for n in range(200))
    assert repeated([story, "BERLIN (Agency) - " + story, "Quite another text about other things."]) == [
        None,
        0,
        None,
    ]


def test_texts_of_one_template_are_no_repeats():
    assert repeated(
        [f"Sales of {name} rose in the quarter. " + f"{name} said so. " * 20 for name in ("A1", "B2")]
    ) == [None, None]


# ---------------------------------------------------------------- files


def test_a_folder_of_texts_and_pages_is_read(settings):
    Path("mine").mkdir()
    Path("mine/a.txt").write_bytes("Käufer zahlen mehr.".encode("cp1252"))
    Path("mine/b.html").write_text(article_html())
    Path("mine/c.txt").write_text("  ")
    Path("mine/d.pdf").write_text("x")
    found = collect(settings("files", path="mine"))
    assert statuses(found) == ["kept", "kept", "empty"]
    assert found.articles[0].text == "Käufer zahlen mehr."
    assert found.articles[1].title == "Story number 1 of Examplecorp"


def test_csv_is_read_with_its_columns():
    Path("a.csv").write_text(
        'Text,Name,label,published_at\n"Sales, rose",Examplecorp,positive,2026-01-02T08:00:00Z\n,x,,\n'
    )
    (article,) = articles.load(ArticlesConfig(source="files", path="a.csv"))
    assert (article.text, article.label) == ("Sales, rose", "positive")
    assert article.entity is not None
    assert article.entity.name == "Examplecorp"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n", "no column `text`"),
        ("text,colour\nx,y\n", "unknown column 'colour'"),
        ("text,reference_score\nx,much\n", "a.csv:2: reference_score"),
        ('text\n"x', "not CSV"),
    ],
)
def test_a_bad_csv_is_refused_with_its_place(content, message):
    Path("a.csv").write_text(content)
    with pytest.raises(ConfigError, match=message):
        articles.load(ArticlesConfig(source="files", path="a.csv"))


def test_a_folder_that_is_not_there_ends_with_exit_code_6():
    with pytest.raises(NoArticlesError, match="nowhere"):
        articles.load(ArticlesConfig(source="files", path="nowhere"))


@pytest.mark.parametrize("name", ["yahoo", "rss", "urls", "files"])
def test_a_source_says_what_it_needs(name):
    with pytest.raises(ConfigError, match=f"`{name}` needs"):
        sources.get(name)


@pytest.mark.parametrize("name", sorted(sources.FETCHED))
def test_a_run_wants_what_is_fetched_frozen_first(name):
    with pytest.raises(ConfigError, match="bench articles freeze NAME"):
        articles.load(ArticlesConfig(source=name))


def test_files_take_what_jsonl_gives():
    Path("a.jsonl").write_text('{"text": "Sales rose."}\n')
    assert len(files._read(Path("a.jsonl"), {})) == 1


def test_two_hundred_pages_of_four_hosts_all_come(settings):
    with serving(n_hosts=4) as sites:
        for host, each in enumerate(sites):
            each.answers |= {f"/{n}": page(article_html(host * 1000 + n * 13)) for n in range(10)}
        urls = [each.url(f"/{n}") for n in range(10) for each in sites]
        found = collect(settings(urls=urls, fetch={"allow_hosts": ["127.0.0.0/8"]}))
    assert len(found.outcomes) == 40
    assert set(statuses(found)) <= {"kept", "duplicate"}
