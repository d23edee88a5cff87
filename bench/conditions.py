"""Which changes of a config a run on disk can take, and which would mix two measurements.

In: the manifest on disk and the one that the current config, models and articles would make, and the articles
of both. Out: the manifest to go on with, or a ResumeRefusedError that says what differs. Comparisons, margins
and the baseline are not measured, so they may change at any time. It reads no file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from bench.errors import ResumeRefusedError
from bench.identity import canonical_json
from bench.records import ArmRecord, Article, Manifest

MAX_SHOWN = 5
_NOT_IN_ID = ("title", "entity", "label", "reference_score", "groups")
"""What is shown of an article, held to be right of it or counted under, beyond what makes its id."""


def resumed(
    old: Manifest, new: Manifest, *, was: Sequence[Article] = (), now: Sequence[Article] = ()
) -> Manifest:
    """The manifest to resume `old` with; refused unless `new` measures exactly the same.

    `was` and `now` are the articles of both; those that are not given are compared by their ids alone.
    """
    _refuse([*_differences(old, new), *_changed(was, now), *_added(old, new)], old.run_id, "resume")
    return old


def extended(
    old: Manifest, new: Manifest, *, was: Sequence[Article] = (), now: Sequence[Article] = ()
) -> Manifest:
    """`old` with the articles, iterations and arms that only `new` has; refused if anything else differs.

    `was` and `now` as in `resumed`.
    """
    _refuse([*_differences(old, new), *_changed(was, now)], old.run_id, "extend")
    known_arms = {record.arm for record in old.arms}
    known_articles = set(old.article_ids)
    return old.model_copy(
        update={
            "config": new.config,
            "iterations": new.iterations,
            "arms": old.arms + tuple(r for r in new.arms if r.arm not in known_arms),
            "article_ids": old.article_ids + tuple(i for i in new.article_ids if i not in known_articles),
        }
    )


def additions(old: Manifest, new: Manifest) -> dict[str, Any]:
    """What `new` adds to `old`, for the revision in the manifest."""
    known_arms = {record.arm for record in old.arms}
    known_articles = set(old.article_ids)
    added: dict[str, Any] = {
        "arms": [r.arm for r in new.arms if r.arm not in known_arms],
        "article_ids": [i for i in new.article_ids if i not in known_articles],
        "iterations": new.iterations - old.iterations,
    }
    return {name: value for name, value in added.items() if value}


def _differences(old: Manifest, new: Manifest) -> list[str]:
    """What was measured and would now be measured otherwise, or not at all."""
    found = []
    for name in ("name", "version", "digest"):
        if old.task.get(name) != new.task.get(name):
            found.append(f"task {name}: was {old.task.get(name)}, is {new.task.get(name)}")
    found += _changed_keys("sampling", old.config.get("sampling", {}), new.config.get("sampling", {}))
    if new.iterations < old.iterations:
        found.append(f"iterations: was {old.iterations}, is {new.iterations}")
    if new.decode_width != old.decode_width:
        found.append(f"decode width: was {old.decode_width}, is {new.decode_width}")
    gone = [i for i in old.article_ids if i not in set(new.article_ids)]
    if gone:
        found.append(f"articles: {len(gone)} of {len(old.article_ids)} are gone or changed, e.g. {gone[0]}")
    now = {record.arm: record for record in new.arms}
    for record in old.arms:
        if record.arm not in now:
            found.append(f"arm {record.arm}: is gone from the config")
        else:
            found += _arm_differences(record, now[record.arm])
    return found


def _changed(was: Sequence[Article], now: Sequence[Article]) -> Iterator[str]:
    """What is now known otherwise of articles that stayed; the run would go on with what it has."""
    here = {article.id: _known(article) for article in now}
    stayed = [(article.id, _known(article), here[article.id]) for article in was if article.id in here]
    for name in _NOT_IN_ID:
        differ = [(i, old[name], new[name]) for i, old, new in stayed if old[name] != new[name]]
        if differ:
            shown = "{}: was {!r}, is {!r}".format(*differ[0])
            yield f"articles: {len(differ)} of {len(stayed)} have another {name}, e.g. {shown}"


def _known(article: Article) -> dict[str, Any]:
    """As a run's file gives it back: there a score that is no number is absent."""
    known: dict[str, Any] = json.loads(article.model_dump_json(include=set(_NOT_IN_ID)))
    return known


def _arm_differences(old: ArmRecord, new: ArmRecord) -> list[str]:
    if old.spec.digest != new.spec.digest:
        return [f"arm {old.arm}: model digest was {_short(old.spec.digest)}, is {_short(new.spec.digest)}"]
    # the same weights at another place are the same weights
    ignored = {"ref", "digest"} if old.spec.digest else {"digest"}
    before, after = (r.spec.model_dump(mode="json", exclude=ignored) for r in (old, new))
    return _changed_keys(f"arm {old.arm}", before, after)


def _added(old: Manifest, new: Manifest) -> list[str]:
    """What `new` has beyond `old`: fine to extend with, but not what a resume is."""
    added = additions(old, new)
    found = [f"arm {arm}: is new" for arm in added.get("arms", [])]
    if "article_ids" in added:
        found.append(f"articles: {len(added['article_ids'])} are new")
    if added.get("iterations", 0) > 0:
        found.append(f"iterations: was {old.iterations}, is {new.iterations}")
    return found


def _changed_keys(what: str, old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return [
        f"{what} {key}: was {old.get(key)!r}, is {new.get(key)!r}"
        for key in sorted(old.keys() | new.keys())
        if canonical_json(old.get(key)) != canonical_json(new.get(key))
    ]


def _short(digest: str | None) -> str:
    return digest[:19] if digest else "unknown"


def _refuse(differences: list[str], run_id: str, verb: str) -> None:
    if not differences:
        return
    shown = "; ".join(differences[:MAX_SHOWN])
    more = f"; and {len(differences) - MAX_SHOWN} more" if len(differences) > MAX_SHOWN else ""
    extend = "" if verb == "extend" else ", or --extend it where something was only added"
    raise ResumeRefusedError(
        f"cannot {verb} run {run_id}: {shown}{more}. Start a new run (another --run-id){extend}"
    )
