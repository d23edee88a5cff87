"""A whole news site on loopback: what it serves is set per path, what was asked of it is counted."""

import contextlib
import gzip
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[["Handler"], None]

WORDS = (
    "Sales rose by {n} percent at Examplecorp in quarter {n}, the company said on Monday in a statement. ",
    "Analysts at bank number {n} had expected less, and the shares gained {n} cents in early trading. ",
    "Examplecorp, which employs {n} thousand people, kept its outlook for the year and named a new head. ",
    "The chairman of division {n} said that orders from abroad were strong, while energy cost less. ",
)


@dataclass
class Site:
    """A server with its pages."""

    server: ThreadingHTTPServer
    answers: dict[str, Answer] = field(default_factory=dict)
    hits: Counter[str] = field(default_factory=Counter)
    times: list[float] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)
    delay_s: float = 0.0

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server.server_address[1]}"

    def url(self, path: str) -> str:
        return f"http://{self.host}{path}"


class Handler(BaseHTTPRequestHandler):
    site: Site

    def do_GET(self) -> None:
        path = self.path
        self.site.hits[path] += 1
        self.site.times.append(time.monotonic())
        self.site.agents.add(self.headers.get("User-Agent", ""))
        time.sleep(self.site.delay_s)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.site.answers.get(path, status(404))(self)

    def send(self, body: bytes, code: int = 200, **headers: str) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def serving(n_hosts: int = 1, delay_s: float = 0.0) -> Iterator[list[Site]]:
    """Running sites, each on a port of its own."""
    sites = []
    for _ in range(n_hosts):
        handler = type("SiteHandler", (Handler,), {})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        handler.site = Site(server, delay_s=delay_s)  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        sites.append(handler.site)  # type: ignore[attr-defined]
    try:
        yield sites
    finally:
        for site in sites:
            site.server.shutdown()
            site.server.server_close()


# ---------------------------------------------------------------- answers


def page(
    body: bytes | str, code: int = 200, content_type: str = "text/html; charset=utf-8", **headers
) -> Answer:
    content = body.encode() if isinstance(body, str) else body
    return lambda handler: handler.send(content, code, Content_Type=content_type, **headers)


def status(code: int, **headers: str) -> Answer:
    return lambda handler: handler.send(b"<html><body>no</body></html>", code, **headers)


def redirect(to: str, code: int = 302) -> Answer:
    return lambda handler: handler.send(b"", code, Location=to)


def in_turn(*answers: Answer) -> Answer:
    """One answer after the other, the last one for ever."""
    left = list(answers)

    def answer(handler: Handler) -> None:
        now = left.pop(0) if len(left) > 1 else left[0]
        now(handler)

    return answer


def with_etag(body: str, tag: str = '"v1"') -> Answer:
    def answer(handler: Handler) -> None:
        if handler.headers.get("If-None-Match") == tag:
            handler.send_response(304)
            handler.end_headers()
        else:
            handler.send(body.encode(), Content_Type="text/html; charset=utf-8", ETag=tag)

    return answer


def slow_drip(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "text/html")
    handler.end_headers()
    for _ in range(600):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.05)


def endless(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "text/html")
    handler.end_headers()
    while True:
        handler.wfile.write(b"<p>more</p>" * 5_000)


def gzip_bomb(n_bytes: int = 300_000_000) -> Answer:
    engine = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = b"\0" * 1_000_000
    content = b"".join(engine.compress(block) for _ in range(n_bytes // len(block))) + engine.flush()
    return lambda handler: handler.send(content, Content_Type="text/html", Content_Encoding="gzip")


def zipped(body: str) -> Answer:
    content = gzip.compress(body.encode())
    return lambda handler: handler.send(content, Content_Type="text/html", Content_Encoding="gzip")


# ---------------------------------------------------------------- documents


def article_html(n: int = 1, *, charset: str = "utf-8", extra: str = "", date: str = "2026-01-02") -> str:
    """A page with an article, unlike that of any other number, and what stands around one."""
    texts = [text.format(n=n * 7 + i) for i, text in enumerate(WORDS * 2)]
    paragraphs = "".join(f"<p>{text}Line {n}-{i} tells no more.</p>" for i, text in enumerate(texts))
    return (
        f'<html><head><meta charset="{charset}"><title>Story number {n} of Examplecorp | The Daily</title>'
        f'<meta property="article:published_time" content="{date}T08:00:00Z"></head><body>'
        '<nav><a href="/">Home</a><a href="/news">News</a></nav><div class="cookie-bar">We use cookies.</div>'
        f"<article><h1>Story number {n} of Examplecorp</h1>{paragraphs}{extra}"
        '<div class="share-bar">Share on Facebook</div></article>'
        "<footer>Copyright The Daily. All rights reserved.</footer></body></html>"
    )


def feed_xml(urls: list[str], date: str = "Fri, 02 Jan 2026 08:00:00 GMT") -> str:
    items = "".join(
        f"<item><title>Story {i}</title><link>{url}</link><pubDate>{date}</pubDate></item>"
        for i, url in enumerate(urls)
    )
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>News</title>{items}</channel></rss>'
