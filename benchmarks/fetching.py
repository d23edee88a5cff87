"""How long it takes to fetch pages of several hosts, against the least time that the rate limits allow.

    python benchmarks/fetching.py [--pages 200] [--hosts 4] [--delay-ms 50] [--per-host-s 0.5] [--json]

In: nothing; the site is on loopback and made up. Out: seconds, the least possible seconds (the turns of the
busiest host, robots.txt included, times the pace), and their ratio: the aim is at most 2. Pages are read too.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from bench.articles.collect import collect
from bench.config import ArticlesConfig, FetchConfig

TEXT = (
    "Sales of division {n} rose by {n} percent in the year, said a manager of works number {n} on day {n}. "
)


def page(n: int) -> bytes:
    """A page with an article of its own."""
    paragraphs = "".join(f"<p>{TEXT.format(n=n * 31 + i)}</p>" for i in range(12))
    return f"<html><title>Story {n}</title><article><h1>Story {n}</h1>{paragraphs}</article></html>".encode()


class Handler(BaseHTTPRequestHandler):
    """Answers each page after a delay; there is no robots.txt."""

    delay_s = 0.05

    def do_GET(self) -> None:
        """One answer."""
        time.sleep(self.delay_s)
        number = self.path.removeprefix("/story-")
        body = page(int(number)) if number.isdigit() else b"none"
        self.send_response(200 if number.isdigit() else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def hosts(n_hosts: int) -> Iterator[list[str]]:
    """The addresses of running servers."""
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), Handler) for _ in range(n_hosts)]
    for server in servers:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield [f"http://127.0.0.1:{server.server_address[1]}" for server in servers]
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


def measure(n_pages: int, n_hosts: int, per_host_s: float) -> dict[str, float]:
    """Seconds taken and seconds dictated."""
    with hosts(n_hosts) as addresses, tempfile.TemporaryDirectory() as folder:
        urls = tuple(f"{addresses[n % n_hosts]}/story-{n}" for n in range(n_pages))
        fetch = FetchConfig(cache=folder, allow_hosts=("127.0.0.0/8",), per_host_s=per_host_s)
        began = time.perf_counter()
        found = collect(ArticlesConfig(source="urls", urls=urls, fetch=fetch))
        taken_s = time.perf_counter() - began
    turns = -(-n_pages // n_hosts)  # robots.txt takes the first turn, so the last page starts after so many
    dictated_s = turns * per_host_s
    return {
        "n_pages": n_pages,
        "n_kept": len(found.articles),
        "taken_s": taken_s,
        "dictated_s": dictated_s,
        "ratio": taken_s / dictated_s,
    }


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pages", type=int, default=200)
    parser.add_argument("--hosts", type=int, default=4)
    parser.add_argument("--delay-ms", type=float, default=50.0)
    parser.add_argument("--per-host-s", type=float, default=0.5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    Handler.delay_s = options.delay_ms / 1000
    result = measure(options.pages, options.hosts, options.per_host_s)
    if options.json:
        print(json.dumps(result))
        return
    print(f"{result['n_kept']:.0f} of {result['n_pages']:.0f} pages kept")
    print(
        f"{result['taken_s']:.1f} s taken, {result['dictated_s']:.1f} s dictated, ratio {result['ratio']:.2f}"
    )


if __name__ == "__main__":
    main()
