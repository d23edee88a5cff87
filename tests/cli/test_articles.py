"""`bench articles`: fetch, freeze, list, show, extract, and a run on a frozen set."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.cli.app import app
from bench.errors import ConfigError, NoArticlesError, UsageError
from tests.articles.site import article_html, page, serving, status
from tests.articles.walls import PAYWALLS


@pytest.fixture
def site():
    with serving() as sites:
        yield sites[0]


def run(*arguments, **options):
    return CliRunner().invoke(app, ["articles", *arguments], catch_exceptions=False, **options)


def test_fetch_tells_what_was_kept_and_why_the_rest_was_not(site):
    site.answers |= {"/a": page(article_html()), "/b": status(404), "/c": page(PAYWALLS["continue"])}
    urls = [part for path in "abc" for part in ("--url", site.url(f"/{path}"))]
    done = run("fetch", *urls, "--allow-host", "127.0.0.1", "--json")
    rows = json.loads(done.stdout)["outcomes"]
    assert [row["status"] for row in rows] == ["kept", "status", "paywall"]
    assert run("fetch", *urls, "--allow-host", "127.0.0.1").stdout.count("\n") == 3


def test_fetch_that_keeps_nothing_ends_with_6(site):
    with pytest.raises(NoArticlesError):
        run("fetch", "--url", site.url("/a"), "--allow-host", site.host)


def test_an_address_that_is_not_public_is_refused_unless_listed(site):
    site.answers["/a"] = page(article_html())
    with pytest.raises(NoArticlesError):
        run("fetch", "--url", site.url("/a"))
    assert site.hits.total() == 0


def test_a_set_is_frozen_listed_shown_and_run(site):
    site.answers["/a"] = page(article_html())
    done = run(
        "freeze", "mine", "--url", site.url("/a"), "--allow-host", site.host, "--company", "Examplecorp"
    )
    digest = json.loads(Path("articles/mine.manifest.json").read_text())["digest"]
    assert digest in done.stdout
    assert digest in run("list").stdout
    assert json.loads(run("list", "--json").stdout)[0]["n_articles"] == 1
    assert "Examplecorp: Story number 1" in run("show", "mine").stdout
    identity = json.loads(run("show", "mine", "--json").stdout)["id"]
    assert "Sales rose by" in run("show", "mine", identity[:6]).stdout
    Path("config.yaml").write_text(
        "articles: {source: mine}\niterations: 1\n"
        "models: [{family: a, variant: base, quants: [fp16], backend: fake, ref: x}]\n"
    )
    assert CliRunner().invoke(app, ["run", "--run-id", "r"], catch_exceptions=False).exit_code == 0
    manifest = json.loads(Path("sentiments/r/manifest.json").read_text())
    assert manifest["provenance"]["articles"] == {"source": "mine", "digest": digest}


def test_extract_shows_what_a_page_gives():
    Path("a.html").write_text(article_html())
    done = run("extract", "a.html")
    assert done.stdout.startswith(
        "kind: article\ntitle: Story number 1 of Examplecorp\ndate: 2026-01-02T08:00:00"
    )
    found = json.loads(
        run("extract", "-", "--json", "--url", "https://example.com/a", input=PAYWALLS["limit"]).stdout
    )
    assert found["kind"] == "paywall"
    assert set(found) == {"kind", "reason", "title", "published_at", "text"}


def test_a_hostile_page_cannot_steer_the_terminal():
    Path("a.html").write_text(article_html(extra="<p>&#27;]0;owned&#7; \u202e\u009b31m and more words</p>"))
    for stdout in (
        run("extract", "a.html").stdout,
        run("freeze", "x", "--path", "a.html").stdout,
        run("show", "x").stdout,
    ):
        assert not {"\x1b", "\x07", "\u202e", "\x9b"} & set(stdout)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("extract", "nowhere.html"), UsageError), (("fetch", "--url", "x", "--feed", "y"), UsageError),
        (("freeze", "yahoo", "--path", "a.txt"), UsageError), (("show", "nothing"), ConfigError),
        (("fetch", "--source", "yahoo"), ConfigError),
        (("fetch", "--url", "x", "--max-age-days", "-1"), UsageError),
    ],
)  # fmt: skip
def test_a_mistake_is_a_usage_error(arguments, error):
    Path("a.txt").write_text("text")
    with pytest.raises(error):
        run(*arguments)
