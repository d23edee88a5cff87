"""Servers on loopback that speak a backend's language and misbehave when told to.

In: a script of moods, one for each answer that is asked for. Out: what a client sees. Everything that was
asked is kept in `asked`. The text of an answer follows from its seed alone, so that equal seeds give equal
answers; a token is one word here.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self

Json = dict[str, Any]


class Asked(NamedTuple):
    """One request."""

    path: str
    body: Json
    headers: dict[str, str]


class Reply(NamedTuple):
    """What is sent back; `pieces` one after the other, each flushed."""

    status: int = 200
    pieces: tuple[bytes, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    delay_s: float = 0.0
    breaks_off: bool = False


MOODS: dict[str, Reply] = {
    "busy": Reply(429, (b'{"error": "too many requests"}',), (("Retry-After", "0"),)),
    "unavailable": Reply(503, (b'{"error": {"message": "loading model"}}',), (("Retry-After", "0"),)),
    "away": Reply(503, (b"{}",), (("Retry-After", "9999"),)),
    "broken": Reply(500, (b'{"error": "out of memory"}',)),
    "not_json": Reply(200, (b"<html>welcome to the proxy</html>",)),
    "half_json": Reply(200, (b'{"choices": [{"mess',)),
    "deep_json": Reply(200, (b"[" * 200_000,)),
    "wrong_shape": Reply(200, (b'{"choices": 7, "message": 7, "done": "yes"}',)),
    "redirect": Reply(302, (), (("Location", "http://127.0.0.1:9/elsewhere"),)),
    "refusal": Reply(400, (b'{"error": {"message": "unknown parameter"}}',)),
    "drops": Reply(200, (b"{",), breaks_off=True),
}
"""Ways to misbehave that are alike in every language."""


class Loopback:
    """A server in a thread. Use as a context manager."""

    prefix = ""

    def __init__(self, texts: Callable[[int], str] | None = None, port: int = 0) -> None:
        self.asked: list[Asked] = []
        self.moods: deque[str] = deque()
        """For each answer asked for from now on; "ok" when there are none left."""
        self.text_of = texts or (lambda seed: f'{{"reasoning": "As seed {seed} says.", "sentiment": 0.5}}')
        self.context_tokens = 100_000
        self.cuts_to: int | None = None
        """Tokens that a prompt is cut to without a word; None where none is."""
        self.thought = ""
        """What it tells beside every answer."""
        self.delay_s = 0.0
        self.waits_for = 0
        """Requests for answers that have to be in flight before the first is answered."""
        self.n_in_flight = self.most_in_flight = 0
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", port), _handler(self))
        self.port = self._server.server_address[1]
        self.root = f"http://127.0.0.1:{self.port}"

    @property
    def address(self) -> str:
        """What a config names."""
        return self.root + self.prefix

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Listen no more, and cut what is open."""
        self._server.shutdown()
        self._server.server_close()
        for connection in self._server.connections:
            with contextlib.suppress(OSError):  # it ended by itself
                connection.shutdown(socket.SHUT_RDWR)

    def answers_asked(self) -> list[Json]:
        """The bodies of the requests for answers, without the one that tries the server out."""
        return [asked.body for asked in self.asked if self.is_measured(asked.path, asked.body)]

    def is_measured(self, path: str, body: Json) -> bool:
        """Whether a request asks for an answer that counts."""
        raise NotImplementedError

    def reply(self, path: str, body: Json) -> Reply:
        """What this language answers when all is well."""
        raise NotImplementedError

    def respond(self, asked: Asked) -> Reply:
        """The reply to one request, in the mood that is due."""
        with self._lock:
            self.asked.append(asked)
            is_measured = self.is_measured(asked.path, asked.body)
            mood = self.moods.popleft() if is_measured and self.moods else "ok"
            self.n_in_flight += is_measured
            self.most_in_flight = max(self.most_in_flight, self.n_in_flight)
        try:
            if is_measured and self.delay_s:
                time.sleep(self.delay_s)
            if is_measured:
                self._wait_for_others()
            reply = MOODS.get(mood) or self.reply(asked.path, asked.body)
            return self.in_mood(mood, reply, asked.body)
        finally:
            with self._lock:
                self.n_in_flight -= is_measured

    def _wait_for_others(self) -> None:
        """Until so many have come at once, however slowly; not for ever."""
        deadline = time.monotonic() + 10
        while self.most_in_flight < self.waits_for and time.monotonic() < deadline:
            time.sleep(0.005)

    def in_mood(self, mood: str, reply: Reply, body: Json) -> Reply:
        """Ways to misbehave that change a good reply."""
        if mood == "slow":
            return reply._replace(delay_s=0.3)
        if mood == "oversize":
            return reply._replace(pieces=(b" " * 50_000_000, *reply.pieces))
        if mood == "dies":  # in the middle of an answer
            whole = b"".join(reply.pieces)
            return reply._replace(pieces=(whole[: len(whole) // 2],), breaks_off=True)
        if mood == "byte_by_byte":
            return reply._replace(pieces=tuple(bytes([byte]) for byte in b"".join(reply.pieces)))
        return reply


class _Server(ThreadingHTTPServer):
    """Knows its connections, so that they can be cut."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self.connections: list[socket.socket] = []

    def process_request(self, request: Any, client_address: Any) -> None:
        """As ever, and keep the connection in mind."""
        self.connections.append(request)
        super().process_request(request, client_address)


def _handler(server: Loopback) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer({})

        def do_HEAD(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            raw = self._body()
            is_blob = self.path.startswith("/api/blobs/") or self.path == "/v1/files"
            self._answer({"raw": raw} if is_blob else json.loads(raw or b"{}"))

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            pieces = []
            while n_bytes := int(self.rfile.readline(), 16):
                pieces.append(self.rfile.read(n_bytes))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)

        def _answer(self, body: Json) -> None:
            reply = server.respond(Asked(self.path, body, dict(self.headers.items())))
            n_bytes = sum(map(len, reply.pieces)) + (1000 if reply.breaks_off else 0)
            self.send_response(reply.status)
            for name, value in (("Content-Length", str(n_bytes)), *reply.headers):
                self.send_header(name, value)
            self.end_headers()
            time.sleep(reply.delay_s)
            try:
                for piece in reply.pieces:
                    self.wfile.write(piece)
                    self.wfile.flush()
            except OSError:
                pass  # the client had enough
            self.close_connection = reply.breaks_off

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


class FakeOpenAi(Loopback):
    """A plain server with OpenAI's interface."""

    prefix = "/v1"
    models: tuple[str, ...] = ("tiny",)
    alternatives: dict[str, float | None] | None = None
    """Log-probabilities of first tokens; None where the server does not tell them."""

    def is_measured(self, path: str, body: Json) -> bool:
        return path.endswith("/completions") and body.get("max_tokens") != 1

    def reply(self, path: str, body: Json) -> Reply:
        if path == "/v1/models":
            return _json({"data": [{"id": name} for name in self.models]})
        if path not in {"/v1/chat/completions", "/v1/completions"}:
            return _json({"error": {"message": "not found"}}, 404)
        n_prompt = _n_prompt_tokens(body)
        if n_prompt > self.context_tokens:
            message = f"This model's maximum context length is {self.context_tokens} tokens"
            return _json({"error": {"code": "context_length_exceeded", "message": message}}, 400)
        n_prompt = min(n_prompt, self.cuts_to or n_prompt)
        text, reason = _cut(self.text_of(body["seed"]), body)
        usage = {"prompt_tokens": n_prompt, "completion_tokens": len(_tokens(text))}
        if body.get("stream"):
            return Reply(
                200, tuple(self._events(text, reason, usage)), (("Content-Type", "text/event-stream"),)
            )
        turn = {"role": "assistant", "content": text, "reasoning_content": self.thought}
        said: Json = {"message": turn} if "messages" in body else {"text": text}
        said |= self._logprobs(body)
        return _json({"choices": [{"index": 0, "finish_reason": reason, **said}], "usage": usage})

    def _logprobs(self, body: Json) -> Json:
        """The alternatives to the first token, in the words of either interface."""
        if "logprobs" not in body or self.alternatives is None:
            return {}
        if "messages" not in body:
            return {"logprobs": {"top_logprobs": [self.alternatives]}}
        listed = [{"token": token, "logprob": value} for token, value in self.alternatives.items()]
        return {"logprobs": {"content": [{"top_logprobs": listed}]}}

    def _events(self, text: str, reason: str, usage: Json) -> Iterator[bytes]:
        yield b": keep-alive\n\n"
        if self.thought:
            yield _event({"choices": [{"index": 0, "delta": {"reasoning_content": self.thought}}]})
        for token in _tokens(text):
            yield _event({"choices": [{"index": 0, "delta": {"content": token}, "finish_reason": None}]})
        yield _event({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
        yield _event({"choices": [], "usage": usage})
        yield b"data: [DONE]\n\n"


class FakeVllm(FakeOpenAi):
    """The same with vLLM's own routes, and several answers in one request."""

    def reply(self, path: str, body: Json) -> Reply:
        if path == "/version":
            return _json({"version": "0.22.1"})
        if path == "/v1/models":
            return _json({"data": [{"id": "tiny", "root": "org/tiny", "max_model_len": self.context_tokens}]})
        if path == "/tokenize":
            n_tokens = _n_prompt_tokens(body)
            return _json({"count": n_tokens, "max_model_len": 8192, "tokens": list(range(1, n_tokens + 1))})
        if body.get("n", 1) == 1:
            return super().reply(path, body)
        texts = [self.text_of(body["seed"] + i) for i in range(body["n"])]
        choices = [
            {"index": i, "finish_reason": "stop", "message": {"content": text}}
            for i, text in enumerate(texts)
        ]
        usage = {"prompt_tokens": _n_prompt_tokens(body), "completion_tokens": 99}
        return _json({"choices": choices[::-1], "usage": usage})


class FakeOllama(Loopback):
    """Ollama 0.33 as its published API describes it."""

    version = "0.33.0"

    def __init__(self, *args: Any, **fields: Any) -> None:
        super().__init__(*args, **fields)
        self.models: dict[str, Json] = {"tiny:latest": {"template": "{{ .Prompt }}", "digest": "ab" * 32}}
        """What /api/create made, and what was there before."""
        self.blobs: dict[str, int] = {}
        self.loaded: dict[str, int] = {}
        self.renders = lambda messages: "".join(m["content"] for m in messages)
        self.shows_prompts = True

    def is_measured(self, path: str, body: Json) -> bool:
        options = body.get("options") or {}
        return path == "/api/chat" and options.get("num_predict") != 1

    def reply(self, path: str, body: Json) -> Reply:
        if path.startswith("/api/blobs/"):
            return self._blob(path.removeprefix("/api/blobs/"), body)
        route = {
            "/api/version": lambda body: _json({"version": self.version}),
            "/api/tags": lambda body: _json({"models": [self._listed(name) for name in self.models]}),
            "/api/ps": self._running,
            "/api/show": self._show,
            "/api/chat": self._chat,
            "/api/create": self._create,
            "/api/pull": self._pull,
        }.get(path)
        return route(body) if route else Reply(404, (b"404 page not found",))

    def _listed(self, name: str) -> Json:
        details = {"format": "gguf", "family": "llama", "parameter_size": "1.3M", "quantization_level": "F16"}
        one = {"name": name, "model": name, "modified_at": "2026-01-02T03:04:05Z", "size": 2646016}
        return {**one, "digest": self.models[name]["digest"], "details": details}

    def _running(self, body: Json) -> Reply:
        listed = [
            {**self._listed(name), "context_length": n, "size_vram": 0} for name, n in self.loaded.items()
        ]
        return _json({"models": listed})

    def _show(self, body: Json) -> Reply:
        name = _tag(body["model"])
        if name not in self.models:
            return _json({"error": f"model '{body['model']}' not found"}, 404)
        model = self.models[name]
        shown = {
            "modelfile": model.get("modelfile", "FROM /models/blobs/sha256-00\n"),
            "template": model["template"],
            "parameters": model.get("parameters", ""),
            "details": self._listed(name)["details"],
            "model_info": {
                "general.architecture": "llama",
                "llama.context_length": model.get("trained", 131072),
            },
            "capabilities": model.get("capabilities", ["completion"]),
        }
        return _json(shown)

    def _chat(self, body: Json) -> Reply:
        name = _tag(body["model"])
        if name not in self.models:
            return _json({"error": f"model '{body['model']}' not found"}, 404)
        if body.get("_debug_render_only"):
            shown = {"_debug_info": {"rendered_template": self.renders(body["messages"])}}
            return _json({"model": name, **(shown if self.shows_prompts else {})})
        options = body["options"]
        self.loaded[name] = options["num_ctx"]
        n_prompt = _n_prompt_tokens(body)
        if n_prompt > min(options["num_ctx"], self.context_tokens) and not body.get("truncate", True):
            return _json({"error": "the input length exceeds the context length"}, 400)
        n_prompt = min(n_prompt, self.cuts_to or n_prompt)
        limits = {"max_tokens": options["num_predict"], "stop": options["stop"]}
        text, reason = _cut(self.text_of(options["seed"] if options["temperature"] else 0), limits)
        counts = {"prompt_eval_count": n_prompt, "eval_count": len(_tokens(text))}
        times = {"total_duration": 5_000_000_000, "load_duration": 1_000_000_000}
        end = {"done": True, "done_reason": reason, **times, **{k: v for k, v in counts.items() if v}}
        if not body.get("stream", True):
            message = {"role": "assistant", "content": text, "thinking": self.thought}
            return _json({"model": name, "message": message, **end})
        pieces = ["", *_tokens(text)]
        lines: list[Json] = [{"message": {"role": "assistant", "content": t}, "done": False} for t in pieces]
        lines[0]["message"]["thinking"] = self.thought
        lines.append({"message": {"role": "assistant", "content": ""}, **end})
        headers = (("Content-Type", "application/x-ndjson"),)
        return Reply(200, tuple(json.dumps(x, ensure_ascii=False).encode() + b"\n" for x in lines), headers)

    def _blob(self, digest: str, body: Json) -> Reply:
        raw = body.get("raw")
        if raw is None:
            return Reply(200 if digest in self.blobs else 404)
        if f"sha256:{hashlib.sha256(raw).hexdigest()}" != digest:
            return _json({"error": "digest mismatch"}, 400)
        self.blobs[digest] = len(raw)
        return Reply(201)

    def _create(self, body: Json) -> Reply:
        if not all(digest in self.blobs for digest in body["files"].values()):
            return _json({"error": "blob not found"}, 400)
        digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        self.models[_tag(body["model"])] = {"template": body.get("template", ""), "digest": digest}
        return _steps("parsing GGUF", "writing manifest", "success")

    def _pull(self, body: Json) -> Reply:
        if "missing" in body["model"]:
            return Reply(200, (b'{"error": "pull model manifest: file does not exist"}\n',))
        self.models[_tag(body["model"])] = {"template": "", "digest": "cd" * 32}
        return _steps("pulling manifest", "verifying sha256 digest", "success")


def _tag(name: str) -> str:
    return name if ":" in name else f"{name}:latest"


def _steps(*statuses: str) -> Reply:
    return Reply(200, tuple(json.dumps({"status": status}).encode() + b"\n" for status in statuses))


def _event(value: Json) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def _json(value: Json, status: int = 200) -> Reply:
    body = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return Reply(status, (body,), (("Content-Type", "application/json"),))


def _tokens(text: str) -> list[str]:
    """Words with the space before them."""
    words = text.split(" ")
    return [word if i == 0 else f" {word}" for i, word in enumerate(words)] if text else []


def _n_prompt_tokens(body: Json) -> int:
    prompt = body.get("prompt")
    if isinstance(prompt, list):
        return len(prompt)
    texts = [prompt] if isinstance(prompt, str) else [m["content"] for m in body["messages"]]
    return sum(len(_tokens(text)) for text in texts)


def _cut(text: str, body: Json) -> tuple[str, str]:
    """The text up to a stop text or the last token that is allowed, and which of the two it was."""
    for stop in body.get("stop") or ():
        text = text.partition(stop)[0]
    tokens = _tokens(text)
    n_most = body["max_tokens"]
    return ("".join(tokens[:n_most]), "length") if len(tokens) > n_most else (text, "stop")
