"""What the runner costs where the model costs nothing: `openai_api` against an instant server on loopback.

    python benchmarks/serving.py [--articles 51] [--iterations 20] [--in-flight 16] [--json]

In: nothing; the server is a process of its own. Out: milliseconds per sample of a bare loop with the same
client library and of a whole `bench run` (rendering, requests, verdicts, every answer on disk), their ratio
and difference, processor time per sample, requests in flight at a server that takes 50 ms for each, and a
fixed reference loop, all measured in this run. Exit code 1 where the runner spends 2 ms or more of its own
on a sample, or keeps less than nine tenths of what the bare loop keeps in flight.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from bench import sweep
from bench.config import ArticlesConfig, Config, ModelConfig
from benchmarks.sweep import reference_loop

LIMIT_MS = 2.0
SHARE_IN_FLIGHT = 0.9
SLOW_S = 0.05
_TRY_OUT = b'"max_tokens": 1,'  # asked before the run, one after the other
ANSWER = '{"reasoning": "Sales rose more than expected.", "sentiment": 0.6, "confidence": 0.8}'


class Cost(NamedTuple):
    """What one sample took."""

    wall_ms: float
    cpu_ms: float
    """Of this process, all threads."""


# ---------------------------------------------------------------- the server, a process of its own


class InstantServer:
    """Answers every completion alike, after `delay_s`; tells how many it held on average."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._n = self._most = 0
        self._area = 0.0
        self._first: float | None = None
        self._changed = time.perf_counter()
        body = {
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"content": ANSWER}}],
            "usage": {"prompt_tokens": 900, "completion_tokens": 25},
        }
        self._answer = _http(body)

    async def serve(self) -> None:
        """Listen at a free port, print it, and go on until killed."""
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(_content_length(head))
                writer.write(await self._reply(head.split(b" ", 2)[1], is_counted=_TRY_OUT not in body))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _reply(self, path: bytes, *, is_counted: bool) -> bytes:
        if path == b"/v1/models":
            return _http({"data": [{"id": "instant"}]})
        if path == b"/held":
            return _http({"mean": self._area / max(1e-9, self._span()), "most": self._most})
        if not is_counted:
            return self._answer
        self._count(1)
        if self._delay_s:
            await asyncio.sleep(self._delay_s)
        self._count(-1)
        return self._answer

    def _span(self) -> float:
        return self._changed - (self._first or self._changed)

    def _count(self, change: int) -> None:
        """Requests held, weighed by how long, from the first that came to the last that left."""
        now = time.perf_counter()
        self._first = self._first or now
        self._area += self._n * (now - self._changed)
        self._changed, self._n = now, self._n + change
        self._most = max(self._most, self._n)


def _http(value: dict[str, Any]) -> bytes:
    body = json.dumps(value).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _content_length(head: bytes) -> int:
    _, found, rest = head.lower().partition(b"content-length:")
    return int(rest.partition(b"\r\n")[0]) if found else 0


@contextmanager
def running(delay_s: float) -> Iterator[str]:
    """The address of a server in a process of its own."""
    command = [sys.executable, __file__, "--serve", str(delay_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            yield f"http://127.0.0.1:{child.stdout.readline().strip()}"
        finally:
            child.kill()


# ---------------------------------------------------------------- what is measured


def bodies(config: Config) -> list[bytes]:
    """The bodies that the runner sends, for the bare loop to send too."""
    from bench.backends.openai_api.body import Bodies
    from bench.backends.openai_api.options import Options

    plan = sweep.plan(config)
    (spec,) = plan.arms
    made = Bodies(spec.ref, Options.model_validate(spec.options), config.sampling, None)
    prompts = [plan.task.render(article, spec.prompt_style) for article in plan.articles]
    return [
        json.dumps(made.body(prompt.messages, (seed,), streamed=False)).encode()
        for prompt in prompts
        for seed in range(plan.iterations)
    ]


async def bare_loop(address: str, sent: list[bytes], n_in_flight: int) -> None:
    """The same requests with the same client library and nothing else: no verdict, no file."""
    import httpx2

    left = iter(sent)

    async def worker(client: httpx2.AsyncClient) -> None:
        for body in left:
            headers = {"Content-Type": "application/json"}
            (await client.post(f"{address}/v1/chat/completions", content=body, headers=headers)).json()

    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=512)
    async with httpx2.AsyncClient(limits=limits, trust_env=False) as client, asyncio.TaskGroup() as tasks:
        for _ in range(n_in_flight):
            tasks.create_task(worker(client))


def make_config(address: str, n_articles: int, iterations: int, n_in_flight: int) -> Config:
    """One arm on the server."""
    model = ModelConfig(
        family="instant",
        variant="base",
        quants=("fp16",),
        backend="openai_api",
        ref="instant",
        prompt_style="few_shot",
        options={"base_url": f"{address}/v1"},
    )
    articles = ArticlesConfig(limit=n_articles)
    return Config(articles=articles, iterations=iterations, width=n_in_flight, models=(model,))


@contextmanager
def timed(n_samples: int, into: list[Cost]) -> Iterator[None]:
    """The block's cost per sample."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    spent = (time.perf_counter() - wall, time.process_time() - cpu)
    into.append(Cost(*(1000 * seconds / n_samples for seconds in spent)))


def run_once(config: Config) -> int:
    """One whole run in a folder of its own; its number of samples."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        plan = sweep.plan(config)
        sweep.start(plan, Path(folder), "serving")
        return plan.n_samples


def held_by(address: str) -> dict[str, float]:
    """Requests that a server held at once: the mean over its time at work, and the most."""
    with urllib.request.urlopen(f"{address}/held") as reply:
        found: dict[str, float] = json.load(reply)
    return found


def measure(options: argparse.Namespace) -> dict[str, float]:
    """All figures."""
    bare: list[Cost] = []
    runner: list[Cost] = []
    with running(0.0) as address:
        config = make_config(address, options.articles, options.iterations, options.in_flight)
        sent = bodies(config)
        run_once(config.model_copy(update={"iterations": 1}))  # imports and first connections
        for _ in range(options.repeats):
            with timed(len(sent), bare):
                asyncio.run(bare_loop(address, sent, options.in_flight))
            with timed(len(sent), runner):
                run_once(config)
    with running(SLOW_S) as address:
        asyncio.run(bare_loop(address, sent, options.in_flight))
        bare_held = held_by(address)
    with running(SLOW_S) as address:
        run_once(make_config(address, options.articles, options.iterations, options.in_flight))
        held = held_by(address)
    best_bare, best_runner = min(bare), min(runner)
    return {
        "n_samples": len(sent),
        "bare_ms_per_sample": best_bare.wall_ms,
        "runner_ms_per_sample": best_runner.wall_ms,
        "ratio": best_runner.wall_ms / best_bare.wall_ms,
        "own_ms_per_sample": best_runner.wall_ms - best_bare.wall_ms,
        "bare_cpu_ms_per_sample": best_bare.cpu_ms,
        "runner_cpu_ms_per_sample": best_runner.cpu_ms,
        "in_flight_wanted": options.in_flight,
        "in_flight_mean": held["mean"],
        "in_flight_mean_bare": bare_held["mean"],
        "in_flight_most": held["most"],
        "reference_loop_s": reference_loop(),
    }


def parser() -> argparse.ArgumentParser:
    """What the command line takes."""
    found = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--articles", type=int, default=51)
    found.add_argument("--iterations", type=int, default=20)
    found.add_argument("--in-flight", type=int, default=16)
    found.add_argument("--repeats", type=int, default=3)
    found.add_argument("--json", action="store_true")
    found.add_argument("--serve", type=float, metavar="DELAY_S", help="be the server")
    return found


def main() -> None:
    """Run it from the command line."""
    options = parser().parse_args()
    if options.serve is not None:
        asyncio.run(InstantServer(options.serve).serve())
        return
    result = measure(options)
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        for name, value in result.items():
            print(f"{name:26}{value:10.3f}")
    enough = result["in_flight_mean"] >= SHARE_IN_FLIGHT * result["in_flight_mean_bare"]
    sys.exit(0 if result["own_ms_per_sample"] < LIMIT_MS and enough else 1)


if __name__ == "__main__":
    main()
