"""The hub's API for writing, on loopback: repositories, large files that it keeps, one commit."""

import base64
import json
import re
from collections.abc import Callable
from typing import Any

from werkzeug import Request, Response

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub:
    """Answers as the hub does; `refuse` maps a path's end to a status."""

    def __init__(self, httpserver) -> None:
        self.address = httpserver.url_for("").rstrip("/")
        self.objects: dict[str, bytes] = {}
        """Large files by their SHA-256; they stay whatever becomes of the commit."""
        self.n_uploads = 0
        self.files: dict[str, bytes] = {}
        """What the last commit holds."""
        self.created: dict[str, Any] = {}
        self.tokens: set[str | None] = set()
        self.refuse: dict[str, int] = {}
        self.loses = False
        """Whether large files do not arrive."""
        self._handlers: dict[str, Callable[[Request], dict[str, Any]]] = {
            "/api/repos/create": self._create,
            "/api/validate-yaml": lambda request: {"errors": [], "warnings": []},
            "/preupload/": lambda request: {
                "files": [self._mode(file) for file in (request.json or {})["files"]]
            },
            "/objects/batch": self._batch,
            "/upload/": self._upload,
            "/commit/": self._commit,
        }
        httpserver.expect_request(re.compile(".*")).respond_with_handler(self._answer)

    def _answer(self, request: Request) -> Response:
        token = request.headers.get("Authorization")
        self.tokens.add(token)
        if self.loses and request.path.startswith("/upload/"):
            return _json({}, 400)
        status = next((status for end, status in self.refuse.items() if request.path.endswith(end)), None)
        if status is not None:
            return _json({"error": f"refused {token}"}, status)
        handler = next(handler for part, handler in self._handlers.items() if part in request.path)
        return _json(handler(request))

    def _create(self, request: Request) -> dict[str, Any]:
        self.created = request.json or {}
        return {"url": f"{self.address}/me/mine"}

    def _batch(self, request: Request) -> dict[str, Any]:
        objects = [self._object(wanted) for wanted in (request.json or {})["objects"]]
        return {"transfer": "basic", "objects": objects}

    def _upload(self, request: Request) -> dict[str, Any]:
        self.n_uploads += 1
        self.objects[request.path.rpartition("/")[2]] = request.get_data()
        return {}

    def _preupload(self, request: Request) -> dict[str, Any]:
        return {"files": [self._mode(file) for file in (request.json or {})["files"]]}

    def _mode(self, file) -> dict[str, Any]:
        large = file["path"].endswith((".safetensors", ".gguf"))
        return {"path": file["path"], "uploadMode": "lfs" if large else "regular", "shouldIgnore": False}

    def _object(self, wanted) -> dict[str, Any]:
        """Where to send an object; nowhere if it is there."""
        known = {"oid": wanted["oid"], "size": wanted["size"]}
        if wanted["oid"] in self.objects:
            return known
        return {**known, "actions": {"upload": {"href": f"{self.address}/upload/{wanted['oid']}"}}}

    def _commit(self, request: Request) -> dict[str, Any]:
        lines = [json.loads(line) for line in request.get_data().splitlines()]
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                self.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.files[value["path"]] = self.objects[value["oid"]]
        return {"commitUrl": f"{self.address}/me/mine/commit/{COMMIT}", "commitOid": COMMIT}


def _json(value, status=200) -> Response:
    return Response(json.dumps(value), status, mimetype="application/json")
