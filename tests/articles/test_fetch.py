"""Fetching from a whole site on loopback: each trouble is met in its own way."""

import asyncio
import ipaddress
import socket
import time
import tracemalloc
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from bench.articles.fetch.addresses import is_listed, is_public
from bench.articles.fetch.client import Client
from bench.articles.fetch.outcome import FetchError
from tests.articles.site import (
    article_html,
    endless,
    gzip_bomb,
    in_turn,
    page,
    redirect,
    serving,
    slow_drip,
    status,
    with_etag,
    zipped,
)


def get(settings, *urls, offline=False):
    """What each address gives: a document or a FetchError."""

    async def all_of_them():
        async with Client(settings.fetch, offline=offline) as client:
            return await asyncio.gather(*(client.get(url) for url in urls), return_exceptions=True)

    return asyncio.run(all_of_them())


def refusal(settings, url, **options) -> FetchError:
    (error,) = get(settings, url, **options)
    assert isinstance(error, FetchError), error
    return error


# ---------------------------------------------------------------- what comes


def test_a_page_comes_with_its_type_and_time(site, settings):
    site.answers["/a"] = page("<p>hello</p>")
    (found,) = get(settings(), site.url("/a"))
    assert found.content == b"<p>hello</p>"
    assert found.content_type == "text/html; charset=utf-8"
    assert datetime.now(UTC) - found.fetched_at < timedelta(minutes=1)


def test_a_compressed_page_is_decompressed(site, settings):
    site.answers["/a"] = zipped("<p>hello</p>")
    assert get(settings(), site.url("/a"))[0].content == b"<p>hello</p>"


def test_the_client_says_who_it_is(site, settings):
    get(settings(), site.url("/a"))
    (agent,) = site.agents
    assert agent.startswith("bench/")
    assert "obeys robots.txt" in agent


def test_a_redirect_is_followed_to_its_end(site, settings):
    site.answers |= {"/a": redirect("/b", 301), "/b": redirect(site.url("/c")), "/c": page("end")}
    (found,) = get(settings(), site.url("/a"))
    assert (found.content, found.url, found.final_url) == (b"end", site.url("/a"), site.url("/c"))


def test_one_address_is_asked_for_once(site, settings):
    site.answers["/a"] = page("a")
    get(settings(), *[site.url("/a")] * 5)
    assert site.hits["/a"] == 1


# ---------------------------------------------------------------- what may not be


@pytest.mark.parametrize(
    "to",
    [
        "http://127.0.0.1:1/secret", "http://localhost:1/", "http://10.0.0.1/", "http://169.254.169.254/latest/meta-data",
        "http://[::1]:1/", "http://[::ffff:127.0.0.1]:1/", "http://2130706433:1/", "http://0x7f.1:1/", "http://0.0.0.0:1/",
        "http://192.168.1.1/", "http://[fd00::1]/", "http://[fe80::1]/", "http://224.0.0.1/", "http://[64:ff9b::7f00:1]/",
    ],
)  # fmt: skip
def test_a_redirect_to_an_address_that_is_not_public_is_refused(site, settings, to):
    site.answers["/a"] = redirect(to)
    error = refusal(settings(), site.url("/a"))
    assert error.reason == "address"
    assert "not a public address" in str(error)


@pytest.mark.parametrize(
    "to", ["file:///etc/passwd", "ftp://example.com/a", "gopher://x/", "javascript:alert(1)"]
)
def test_only_http_is_fetched(site, settings, to):
    site.answers["/a"] = redirect(to)
    assert refusal(settings(), site.url("/a")).reason == "scheme"


def test_loopback_is_refused_unless_listed(site, settings):
    site.answers["/a"] = page("a")
    assert refusal(settings(fetch={"allow_hosts": []}), site.url("/a")).reason == "address"
    assert site.hits.total() == 0


def test_a_name_cannot_change_its_address_between_check_and_connection(site, settings, monkeypatch):
    answers = iter(["93.184.216.34", "127.0.0.1"])
    asked = []

    def resolve(host, port, *_, **__):
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    connected = []

    async def connect(self, protocol_factory, host=None, port=None, **__):
        connected.append(host)
        raise OSError("not in this test")

    async def getaddrinfo(self, host, port, **__):
        return resolve(host, port)

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(asyncio.BaseEventLoop, "create_connection", connect)
    monkeypatch.setattr("anyio.connect_tcp", _recorded(connected))
    refusal(settings(fetch={"allow_hosts": [], "retries": 0}), "http://rebind.example/a")
    assert asked == ["rebind.example"]
    assert set(connected) == {"93.184.216.34"}


def _recorded(connected):
    async def connect_tcp(remote_host, remote_port, **_):
        connected.append(str(remote_host))
        raise OSError("not in this test")

    return connect_tcp


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("93.184.216.34", True), ("2606:2800:220:1::1", True), ("127.0.0.1", False), ("10.1.2.3", False),
        ("100.64.0.1", False), ("169.254.169.254", False), ("0.0.0.0", False), ("224.0.0.1", False),
        ("255.255.255.255", False), ("::", False), ("::1", False), ("fe80::1", False), ("fec0::1", False),
        ("ff02::1", False), ("::ffff:10.0.0.1", False), ("2002:7f00:1::", False), ("64:ff9b::a00:1", False),
        ("240.0.0.1", False), ("192.0.2.1", False),
    ],
)  # fmt: skip
def test_an_address_is_public_or_not(text, public):
    assert is_public(ipaddress.ip_address(text)) is public


@pytest.mark.parametrize("entry", ["intranet", "intranet:80", "10.0.0.7", "10.0.0.7:80", "10.0.0.0/8"])
def test_a_listed_host_may_be_private(entry):
    assert is_listed("intranet", 80, ipaddress.ip_address("10.0.0.7"), (entry,))
    assert not is_listed("other", 81, ipaddress.ip_address("192.168.0.7"), (entry,))


def test_robots_txt_is_obeyed(site, settings):
    site.answers |= {
        "/robots.txt": page("User-agent: *\nDisallow: /private/*.html$\n", content_type="text/plain"),
        "/private/a.html": page("a"),
        "/b": redirect("/private/a.html"),
        "/c": page("c"),
    }
    first, second, third = get(settings(), site.url("/private/a.html"), site.url("/b"), site.url("/c"))
    assert (first.reason, second.reason) == ("robots", "robots")
    assert third.content == b"c"
    assert site.hits["/private/a.html"] == 0
    assert site.hits["/robots.txt"] == 1


def test_a_host_whose_robots_txt_fails_is_left_alone(site, settings):
    site.answers |= {"/robots.txt": status(503), "/a": page("a")}
    assert refusal(settings(fetch={"retries": 0}), site.url("/a")).reason == "robots"
    assert site.hits["/a"] == 0


# ---------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize("code", [403, 404, 410, 451])
def test_a_refusal_is_not_asked_again(site, settings, code):
    site.answers["/a"] = status(code)
    error = refusal(settings(), site.url("/a"))
    assert error.reason == "status"
    assert f"HTTP {code}" in str(error)
    assert site.hits["/a"] == 1


def test_a_passing_failure_is_asked_again(site, settings):
    site.answers["/a"] = in_turn(status(502), page("a"))
    assert get(settings(), site.url("/a"))[0].content == b"a"


def test_retry_after_is_waited_for(site, settings):
    site.answers["/a"] = in_turn(status(429, Retry_After="1"), page("a"))
    began = time.monotonic()
    assert get(settings(), site.url("/a"))[0].content == b"a"
    assert time.monotonic() - began >= 1


def test_retry_after_as_a_date_is_read(site, settings):
    at = format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True)
    site.answers["/a"] = status(503, Retry_After=at)
    error = refusal(settings(), site.url("/a"))
    assert error.reason == "retry_after"
    assert site.hits["/a"] == 1


def test_a_slow_drip_ends_with_the_total_time(site, settings):
    site.answers["/a"] = slow_drip
    began = time.monotonic()
    error = refusal(settings(fetch={"total_s": 0.4}), site.url("/a"))
    assert error.reason == "timeout"
    assert time.monotonic() - began < 3


def test_silence_ends_with_the_read_time(site, settings):
    site.answers["/a"] = lambda handler: time.sleep(1)
    assert refusal(settings(fetch={"connect_s": 0.2, "retries": 0}), site.url("/a")).reason == "timeout"


def test_an_endless_body_is_cut_at_the_limit(site, settings):
    site.answers["/a"] = endless
    assert refusal(settings(fetch={"max_bytes": 100_000}), site.url("/a")).reason == "too_large"


def test_a_gzip_bomb_is_stopped_with_little_memory(site, settings):
    site.answers["/a"] = gzip_bomb()
    tracemalloc.start()
    try:
        error = refusal(settings(fetch={"max_bytes": 2_000_000}), site.url("/a"))
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert error.reason == "too_large"
    assert peak_bytes < 20_000_000


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip, gzip", "exi"])
def test_a_compression_that_was_not_asked_for_is_an_error(site, settings, encoding):
    site.answers["/a"] = page(b"xx", Content_Encoding=encoding)
    assert refusal(settings(), site.url("/a")).reason == "encoding"


def test_damaged_compression_is_an_error(site, settings):
    site.answers["/a"] = page(b"not gzip at all", Content_Encoding="gzip")
    assert refusal(settings(), site.url("/a")).reason == "encoding"


@pytest.mark.parametrize("content_type", ["application/pdf", "image/png", "video/mp4"])
def test_what_is_no_text_is_not_read(site, settings, content_type):
    site.answers["/a"] = page(b"xx", content_type=content_type)
    assert refusal(settings(), site.url("/a")).reason == "content_type"


def test_a_circle_of_redirects_ends(site, settings):
    site.answers |= {"/a": redirect("/b"), "/b": redirect("/a")}
    assert refusal(settings(), site.url("/a")).reason == "redirects"


def test_a_host_that_is_not_there_is_an_error(settings):
    error = refusal(settings(fetch={"allow_hosts": ["127.0.0.1"], "retries": 0}), "http://127.0.0.1:9/a")
    assert error.reason == "network"


@pytest.mark.parametrize(
    "url", ["", "no address", "http://", "http:///x", "//example.com/a", "http://a" + "b" * 5000]
)
def test_what_is_no_address_is_an_error(settings, url):
    assert refusal(settings(), url).reason == "scheme"


# ---------------------------------------------------------------- pace


def test_one_host_is_asked_at_its_pace(site, settings):
    for n in range(5):
        site.answers[f"/{n}"] = page("a")
    get(settings(fetch={"per_host_s": 0.1}), *(site.url(f"/{n}") for n in range(5)))
    assert len(site.times) == 6
    assert site.times[-1] - site.times[0] > 0.4


def test_a_crawl_delay_is_kept(site, settings):
    site.answers["/robots.txt"] = page("User-agent: *\nCrawl-delay: 1\n", content_type="text/plain")
    get(settings(), site.url("/a"), site.url("/b"), site.url("/c"))
    assert site.times[-1] - site.times[1] > 1.0  # two gaps of a second, less what a busy machine blurs


def test_hosts_are_asked_side_by_side(settings):
    with serving(n_hosts=4, delay_s=0.1) as sites:
        urls = [s.url(f"/{n}") for n in range(5) for s in sites]
        for each in sites:
            each.answers |= {f"/{n}": page("a") for n in range(5)}
        fetch = {"per_host_s": 0.1, "allow_hosts": [s.host for s in sites]}
        assert all(found.content == b"a" for found in get(settings(fetch=fetch), *urls))
        # no host waits until another one is done
        assert max(s.times[0] for s in sites) < min(s.times[-1] for s in sites)


# ---------------------------------------------------------------- cache


def test_a_fresh_page_is_taken_from_the_cache(site, settings):
    site.answers["/a"] = page("a")
    get(settings(), site.url("/a"))
    (found,) = get(settings(), site.url("/a"))
    assert found.from_cache
    assert site.hits["/a"] == 1


def test_an_old_page_is_asked_for_again_if_it_changed(site, settings):
    site.answers["/a"] = with_etag("a")
    get(settings(), site.url("/a"))
    (found,) = get(settings(fetch={"cache_hours": 0}), site.url("/a"))
    assert (found.content, site.hits["/a"]) == (b"a", 2)
    assert datetime.now(UTC) - found.fetched_at < timedelta(minutes=1)


def test_a_changed_page_replaces_the_old_one(site, settings):
    site.answers["/a"] = in_turn(page("old", Last_Modified="Fri, 02 Jan 2026 08:00:00 GMT"), page("new"))
    get(settings(), site.url("/a"))
    assert get(settings(fetch={"cache_hours": 0}), site.url("/a"))[0].content == b"new"
    assert get(settings(), site.url("/a"))[0].content == b"new"


def test_offline_takes_old_pages_and_names_what_is_missing(site, settings):
    site.answers["/a"] = page("a")
    get(settings(), site.url("/a"))
    n_hits = site.hits.total()
    old = settings(fetch={"cache_hours": 0})
    found, error = get(old, site.url("/a"), site.url("/b"), offline=True)
    assert found.content == b"a"
    assert error.reason == "not_cached"
    assert site.hits.total() == n_hits


def test_a_torn_cache_file_is_no_page(site, settings, tmp_path):
    site.answers["/a"] = page("a" * 100)
    get(settings(), site.url("/a"))
    (kept,) = (tmp_path / "cache").rglob("*.page")
    kept.write_bytes(kept.read_bytes()[:-10])
    assert refusal(settings(), site.url("/a"), offline=True).reason == "not_cached"


def test_one_bad_page_never_costs_the_others(site, settings):
    site.answers |= {"/bad": endless, "/slow": slow_drip, "/gone": status(404), "/good": page(article_html())}
    fetch = {"max_bytes": 50_000, "total_s": 0.5}
    found = get(settings(fetch=fetch), *(site.url(f"/{n}") for n in ("bad", "slow", "gone", "good")))
    assert [getattr(f, "reason", "kept") for f in found] == ["too_large", "timeout", "status", "kept"]
