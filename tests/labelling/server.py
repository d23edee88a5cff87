"""A server with OpenAI's interface that fails one call in ten, counts what is paid, and takes batches.

In: requests on loopback. Out: answers that follow from the article alone, so that every labeller and every
attempt can be checked. It runs in the test's own process, so that it outlives whoever is killed.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections import Counter
from typing import Any

from tests.backends.loopback import Asked, FakeOpenAi, Json, Reply

KEY = "sk-secret-0123456789-never-to-be-shown"


class LabelServer(FakeOpenAi):
    """Answers in the shape of the task `financial_news`."""

    def __init__(self, fail_every: int = 0, **fields: Any) -> None:
        super().__init__(**fields)
        self.fail_every = fail_every
        self.n_calls = self.n_failed = 0
        self.paid: Counter[str] = Counter()
        """Answers given, by item."""
        self.keys: Counter[str] = Counter()
        """Calls by their Idempotency-Key."""
        self.invalid_first = False
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, Json] = {}
        self.polls_left = 1
        self._counting = threading.Lock()

    def respond(self, asked: Asked) -> Reply:
        if "raw" in asked.body:
            return self.reply(asked.path, asked.body)
        reply = super().respond(asked)
        if asked.path == "/v1/chat/completions":
            with self._counting:
                self.keys[asked.headers.get("Idempotency-Key", "")] += 1
        return reply

    def reply(self, path: str, body: Json) -> Reply:
        if path == "/v1/files":
            return self._file(body["raw"])
        if path.startswith("/v1/files/"):
            return Reply(200, (self.files[path.split("/")[3]],))
        if path.startswith("/v1/batches"):
            return self._batch(path, body)
        if path != "/v1/chat/completions":
            return super().reply(path, body)
        with self._counting:
            self.n_calls += 1
            if self.fail_every and self.n_calls % self.fail_every == 0:
                self.n_failed += 1
                said = {"error": {"message": f"overloaded; your key was {KEY}"}}
                return Reply(500, (json.dumps(said).encode(),))
            answer = self.answer(body)
        return Reply(200, (json.dumps(answer).encode(),))

    def answer(self, body: Json) -> Json:
        """One reply; counts it as paid."""
        item = item_of(body["messages"][-1]["content"])
        self.paid[item] += 1
        text = json.dumps(label_of(item, body["model"]))
        if self.invalid_first and self.paid[item] == 1:
            text = "I would say it is good."
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        return {"choices": [choice], "usage": {"prompt_tokens": 100, "completion_tokens": 20}}

    def _file(self, raw: bytes) -> Reply:
        content = raw.split(b"\r\n\r\n")[-1].rpartition(b"\r\n--")[0]
        name = f"file-{len(self.files)}"
        self.files[name] = content
        return Reply(200, (json.dumps({"id": name}).encode(),))

    def _batch(self, path: str, body: Json) -> Reply:
        if path.startswith("/v1/batches?"):
            return Reply(200, (json.dumps({"data": list(self.batches.values())}).encode(),))
        if path == "/v1/batches":
            name = f"batch-{len(self.batches)}"
            self.batches[name] = {"id": name, "status": "in_progress", **body}
            return Reply(200, (json.dumps(self.batches[name]).encode(),))
        batch = self.batches[path.split("/")[3]]
        if self.polls_left > 0:
            self.polls_left -= 1
        elif batch["status"] == "in_progress":
            self._work_off(batch)
        return Reply(200, (json.dumps(batch).encode(),))

    def _work_off(self, batch: Json) -> None:
        done, failed = [], []
        for line in self.files[batch["input_file_id"]].splitlines():
            asked = json.loads(line)
            self.n_calls += 1
            if self.fail_every and self.n_calls % self.fail_every == 0:
                self.n_failed += 1
                response = {"status_code": 500, "body": {"error": "overloaded"}}
                failed.append({"custom_id": asked["custom_id"], "response": response})
            else:
                response = {"status_code": 200, "body": self.answer(asked["body"])}
                done.append({"custom_id": asked["custom_id"], "response": response})
        for name, lines in (("output_file_id", done), ("error_file_id", failed)):
            if lines:
                self.files[f"{batch['id']}-{name}"] = "".join(json.dumps(x) + "\n" for x in lines).encode()
                batch[name] = f"{batch['id']}-{name}"
        batch["status"] = "completed"


def item_of(prompt: str) -> str:
    """The article that a prompt asks about."""
    found = re.findall(r"<article>\n(.*?)\n</article>", prompt, re.DOTALL)
    return str(found[-1])


def label_of(item: str, model: str = "") -> Json:
    """The answer about an article; the model `contrary` says the opposite of every fourth."""
    digest = hashlib.sha256(item.encode()).digest()
    score = (digest[0] % 3 - 1) * 0.5
    if model == "contrary" and digest[1] % 4 == 0:
        score = -score or 0.5
    return {"reasoning": f"It says {item[:20]}.", "sentiment": score, "confidence": 0.9}
