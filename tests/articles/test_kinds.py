"""Paywalls, bot walls and empty pages are told from articles; 95 % of a made set at least, and no article."""

import pytest

from bench.articles.extract import extract
from tests.articles.site import article_html
from tests.articles.walls import BOT_WALLS, EMPTY, PAYWALLS

MADE = {"paywall": PAYWALLS, "bot_wall": BOT_WALLS, "empty": EMPTY}
PAGES = [(kind, name, html) for kind, pages in MADE.items() for name, html in pages.items()]


@pytest.mark.parametrize(("kind", "name", "html"), PAGES, ids=[f"{k}-{n}" for k, n, _ in PAGES])
def test_a_page_without_an_article_is_called_what_it_is(kind, name, html):
    found = extract(html.encode())
    assert (found.kind, bool(found.reason)) == (kind, True)


@pytest.mark.parametrize(
    "extra",
    [
        "",
        "<div class='newsletter'>Subscribe to our newsletter. Already a subscriber? Log in.</div>",
        "<p>The captcha on its site asks users to prove that they are human, the company said.</p>",
        "<div>Sign in to comment. 404 comments</div>",
        "<script src='https://www.google.com/recaptcha/api.js'></script>",
    ],
)
def test_an_article_is_an_article_whatever_stands_around_it(extra):
    found = extract(article_html(extra=extra).encode())
    assert (found.kind, found.reason) == ("article", "")
    assert "Sales rose by" in found.text


def test_a_short_report_is_an_article():
    text = (
        "<p>Examplecorp will pay a dividend of 40 cents, the company said on Monday. It paid 35 cents a year ago. "
        "The money goes to shareholders on 4 May, after the annual meeting, which has still to agree to it.</p>"
        "<p>The shares were little changed in early trading, after they had risen for five days.</p>"
    )
    html = f"<html><title>Examplecorp dividend</title><body><article><h1>Dividend</h1>{text}</article></body></html>"
    assert extract(html.encode()).kind == "article"
