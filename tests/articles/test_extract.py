"""What is taken from a page: the article with its title and date, in any encoding, and nothing around it."""

import json

import pytest

from bench.articles.extract import extract
from bench.articles.extract.decode import decoded
from bench.articles.extract.metadata import parsed_date
from tests.articles.site import article_html


def text_of(html: str, **options) -> str:
    return extract(html.encode(), **options).text


def test_title_date_and_text_are_found():
    found = extract(article_html(3).encode())
    assert found.title == "Story number 3 of Examplecorp"
    assert str(found.published_at) == "2026-01-02 08:00:00+00:00"
    assert found.text.count("\n") == 7


@pytest.mark.parametrize(
    "extra",
    [
        "<div class='newsletter-box'><p>Sign up for our newsletter and never miss out again.</p></div>",
        "<div id='cookie-consent'><p>We use cookies to make this site better for you.</p></div>",
        "<ul class='share-tools'><li>Facebook</li><li>WhatsApp this story to a friend</li></ul>",
        "<figure><img src='a.jpg'><figcaption>The head office in spring. Photo by A. Nother</figcaption></figure>",
        "<p class='wp-caption-text'>The head office in spring seen from above.</p>",
        "<p><a href='/x'>Another company is bought by a third one in a large deal</a></p>",
        "<p>Read more: <a href='/x'>Another company is bought by a third one</a></p>",
        "<ul><li><a href='/1'>A first other story</a></li><li><a href='/2'>A second one</a></li><li><a href='/3'>Third</a></li></ul>",
        "<p>Click here to subscribe to our morning newsletter.</p>",
        "<p>© 2026 The Daily. All rights reserved.</p>",
        "<div style='display:none'><p>Words that no reader of the page will ever see.</p></div>",
        "<p>Reporting by A. Nother; editing by B. Other</p>",
    ],
)  # fmt: skip
def test_what_stands_around_an_article_is_left_out(extra):
    assert text_of(article_html(extra=extra)) == text_of(article_html())


def test_the_title_does_not_stand_in_the_text():
    assert "Story number" not in text_of(article_html())


def test_a_body_in_several_containers_is_read_whole():
    part = "".join(
        f"<p>Paragraph {{}} of part {n} with enough words to be taken for prose by any reader.</p>"
        for n in range(3)
    )
    parts = "".join(
        f"<div><div class='body-part x'>{part.replace('{}', str(i))}</div><div>advert</div></div>"
        for i in range(4)
    )
    text = text_of(f"<html><title>t</title><body><article><h1>Title</h1>{parts}</article></body></html>")
    assert [f"Paragraph {i} of part 2" in text for i in range(4)] == [True] * 4


def test_a_quoted_post_belongs_to_the_article():
    post = "<div class='social-embed'><blockquote class='twitter-tweet'><p>We are very sorry for what our machine did.</p></blockquote></div>"
    assert "very sorry" in text_of(article_html(extra=post))


def test_the_publishers_own_body_is_taken_where_the_page_shows_none():
    body = " ".join(f"Sentence {n} of a story that scripts would have shown." for n in range(20))
    data = json.dumps({"@type": "NewsArticle", "headline": "Shown by scripts", "articleBody": body})
    html = f"<html><head><script type='application/ld+json'>{data}</script></head><body><div id='app'></div></body></html>"
    found = extract(html.encode())
    assert (found.kind, found.title) == ("article", "Shown by scripts")
    assert found.text == body


def test_a_known_site_is_read_at_its_known_place():
    html = article_html().replace("<article>", "<div class='caas-body'>").replace("</article>", "</div>")
    assert "Sales rose by" in text_of(html, url="https://finance.yahoo.com/news/a.html")


@pytest.mark.parametrize(
    ("charset", "header", "declared"),
    [
        ("utf-8", None, "utf-8"), ("utf-8", None, "iso-8859-1"), ("cp1252", "text/html; charset=iso-8859-1", "x"),
        ("cp1252", None, "windows-1252"), ("cp1252", None, "utf-8"), ("cp1252", None, ""), ("utf-16", None, "utf-8"),
        ("utf-8-sig", "text/html; charset=latin-1", "latin-1"),
    ],
)  # fmt: skip
def test_western_text_survives_its_encoding(charset, header, declared):
    text = (
        "Der Käufer zahlt 5 € für die Aktie – „viel zu viel“, sagt Frau Müßig über das Geschäft in Köln. " * 5
    )
    html = f"<html><head><meta charset='{declared}'><title>t</title></head><body><article><p>{text}</p></article></body></html>"
    found = extract(html.encode(charset), content_type=header)
    assert "Käufer zahlt 5 € für die Aktie – „viel zu viel“, sagt Frau Müßig" in found.text


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("cp1251", "Компания сообщила о росте прибыли в третьем квартале на двенадцать процентов. "),
        ("koi8-r", "Компания сообщила о росте прибыли в третьем квартале на двенадцать процентов. "),
        ("shift_jis", "同社は第三四半期の利益が十二パーセント増えたと発表した。"),
        ("euc-kr", "회사는 삼분기 이익이 십이 퍼센트 늘었다고 발표했다. "),
        ("gb2312", "该公司宣布第三季度利润增长百分之十二。"),
        ("big5", "該公司宣布第三季度利潤增長百分之十二。"),
    ],
)
def test_a_declared_encoding_is_honoured(charset, text):
    page = f"<html><head><meta http-equiv='Content-Type' content='text/html; charset={charset}'></head><p>{text}</p></html>"
    assert text.strip() in decoded(page.encode(charset))


def test_a_wrong_utf_8_claim_on_cyrillic_is_seen_through():
    text = "Компания сообщила о росте прибыли в третьем квартале на двенадцать процентов. " * 5
    assert text in decoded(
        f"<meta charset='utf-8'><p>{text}</p>".encode("cp1251"), "text/html; charset=utf-8"
    )


@pytest.mark.parametrize("charset", ["no-such", "utf-7", "base64", "rot13", "idna", "hex", "\x00"])
def test_an_impossible_encoding_is_ignored(charset):
    assert decoded(b"plain +ADw-text", f"text/html; charset={charset}") == "plain +ADw-text"


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2026-01-02T08:00:00Z", "2026-01-02 08:00:00+00:00"), ("2026-01-02", "2026-01-02 00:00:00+00:00"),
        ("2026-01-02T08:00:00+0530", "2026-01-02 08:00:00+05:30"), ("Fri, 02 Jan 2026 08:00:00 GMT", "2026-01-02 08:00:00+00:00"),
        ("yesterday", None), ("", None), ("2126-01-01", None), ("0001-01-01", None), ("2026-13-45", None),
    ],
)  # fmt: skip
def test_a_date_is_read_or_absent(text, date):
    found = parsed_date(text)
    assert (str(found) if found else None) == date


@pytest.mark.parametrize(
    "html",
    ["<div>" * 50_000, "<p>" * 50_000, "<table><tr><td>" * 5_000, "<a href=x>" * 20_000, "<!--" * 10_000, "<script>", "]]>", "&#0;" * 999],
)  # fmt: skip
def test_hostile_markup_is_read_without_a_crash(html):
    assert extract(html.encode()).kind in {"article", "empty", "paywall", "bot_wall"}
