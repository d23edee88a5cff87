"""A human's sign-off, bound to what was reviewed: `bench approve RUN --arm ARM --by NAME --note TEXT`.

    reports/<run_id>/approval.json      one entry an arm: who, when, why, and digests of what was seen

In: a run, its report and its gate. Out: the approval on disk; or what has changed since it was given.
Tables, heatmaps and verdicts are the same bytes for the same run and margins, so making the report
again voids nothing. It judges no arm.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from bench import store
from bench.arm_names import resolve_arm
from bench.config import Config
from bench.errors import ApprovalError, StorageError, UsageError, disk_errors
from bench.gate import judge_run
from bench.records import GateResult, Record, Text

APPROVAL = "approval.json"
MOST_NAMED = 5


class Reviewed(Record):
    """What was there to be seen, as SHA-256 of files and as the gate's words."""

    manifest: str
    """Of `manifest.json`."""
    articles: str | None = None
    """Of `articles.jsonl`; None in an approval that was given before this was looked at."""
    samples: dict[str, str]
    """Of each file in `samples/`."""
    tables: dict[str, str]
    """Of each file in `tables/`."""
    heatmaps: dict[str, str]
    """Of each heatmap."""
    margins: dict[str, float]
    """The gate's margins."""
    verdicts: dict[str, str]
    """The gate's word on every arm and on each of its questions: `arm` and `arm: question`."""
    baselines: dict[str, str | None]
    """The arm each arm was compared with."""


class Approval(Record):
    """One arm's sign-off."""

    arm: str
    """The arm that may be deployed."""
    by: Text
    """Who says so."""
    note: Text
    """What they say."""
    at: datetime
    """When (UTC)."""
    verdict: str
    """The gate's word on this arm then."""
    reviewed: Reviewed
    """What the sign-off is bound to."""


class Approvals(Record):
    """`approval.json`: the latest sign-off of every arm that has one."""

    schema_version: int = 1
    """Version of this file."""
    run_id: str
    """The run."""
    approvals: tuple[Approval, ...] = ()
    """In the order given."""


class Folders(Record):
    """Where a run and what was made of it lie."""

    run: Path
    """`sentiments/<run_id>`."""
    report: Path
    """`reports/<run_id>`."""
    heatmaps: Path
    """`heatmaps/<run_id>`."""


def folders_of(run: Path, reports: Path, heatmaps: Path) -> Folders:
    """The folders of a run below the report and heatmap roots."""
    name = store.open_run(run).manifest.run_id
    return Folders(run=run, report=reports / name, heatmaps=heatmaps / name)


def approve(
    folders: Folders,
    arm: str,
    by: str,
    note: str,
    config: Config | None = None,
    baseline: str | None = None,
) -> Approval:
    """Record a sign-off of `arm` (a short form will do). UsageError where there is nothing to review."""
    if not by.strip() or not note.strip():
        raise UsageError("--by and --note: say who approves, and what was looked at")
    result = judge_run(folders.run, config, baseline)
    known = [found.arm for found in result.arms]
    approved = resolve_arm(arm, known)
    seen = reviewed(folders, result)
    for what, files in (("tables", seen.tables), ("heatmaps", seen.heatmaps)):
        if not files:
            raise UsageError(
                f"run {result.run_id} has no {what} to review; make them: bench report {result.run_id}"
            )
    verdict = next(found.verdict for found in result.arms if found.arm == approved)
    name = " ".join(by.split())  # a line of its own would pass for another message
    given = Approval(arm=approved, by=name, note=note, at=datetime.now(UTC), verdict=verdict, reviewed=seen)
    before = [a for a in read_approvals(folders).approvals if a.arm != approved]
    whole = Approvals(run_id=result.run_id, approvals=(*before, given))
    store.write_whole(folders.report / APPROVAL, whole.model_dump_json(indent=2).encode("utf-8") + b"\n")
    return given


def read_approvals(folders: Folders) -> Approvals:
    """What was approved; nothing where there is no file."""
    path = folders.report / APPROVAL
    try:
        return Approvals.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Approvals(run_id=folders.report.name)
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from error
    except ValidationError as error:
        problem = error.errors()[0]["msg"]
        raise ApprovalError(
            f"{path}: not an approval ({problem}); approve again with bench approve"
        ) from error


def require_approval(
    folders: Folders, arms: Sequence[str], config: Config | None = None, baseline: str | None = None
) -> tuple[Approval, ...]:
    """The sign-offs of `arms`, or without any the run's; ApprovalError if one is missing or stale."""
    found = {approval.arm: approval for approval in read_approvals(folders).approvals}
    name = folders.report.name
    missing = [arm for arm in arms if arm not in found]
    if missing or not found:
        what = f"{', '.join(missing)}: not approved" if missing else f"run {name}: no arm is approved"
        raise ApprovalError(
            f"{what}; review the report, then bench approve {name} --arm ARM --by NAME --note TEXT"
        )
    wanted = tuple(approval for arm, approval in found.items() if not arms or arm in arms)
    now = reviewed(folders, judge_run(folders.run, config, baseline))
    for approval in wanted:
        changes = list(changed(approval.reviewed, now))
        if changes:
            shown = "; ".join(changes[:MOST_NAMED])
            more = f"; and {len(changes) - MOST_NAMED} more" if len(changes) > MOST_NAMED else ""
            raise ApprovalError(
                f"{approval.arm}: the approval by {approval.by} is stale: {shown}{more}; "
                "review and approve again"
            )
    return wanted


def reviewed(folders: Folders, result: GateResult) -> Reviewed:
    """Digests of what is there now, and what the gate says now."""
    verdicts: dict[str, str] = {}
    for arm in result.arms:
        verdicts[arm.arm] = arm.verdict
        verdicts |= {f"{arm.arm}: {name}": answer.verdict for name, answer in arm.questions.items()}
    return Reviewed(
        manifest=_digest(folders.run / store.MANIFEST),
        articles=_digest(folders.run / store.ARTICLES),
        samples=_digests(folders.run / "samples", "*.jsonl"),
        tables=_digests(folders.report / "tables", "*.csv"),
        heatmaps=_digests(folders.heatmaps, "*.png"),
        margins=result.margins,
        verdicts=verdicts,
        baselines={arm.arm: arm.baseline for arm in result.arms},
    )


def changed(then: Reviewed, now: Reviewed) -> Iterator[str]:
    """What differs, one phrase each, the most telling first."""
    for name, value in now.margins.items():
        if then.margins.get(name) != value:
            yield f"margin {name} was {then.margins.get(name)}, is {value}"
    for arm, base in now.baselines.items():
        if arm in then.baselines and then.baselines[arm] != base:
            yield f"{arm}: its baseline was {then.baselines[arm]}, is {base}"
    for name, word in now.verdicts.items():
        if name in then.verdicts and then.verdicts[name] != word:
            yield f"verdict on {name} was {then.verdicts[name]}, is {word}"
    if then.manifest != now.manifest:
        yield "manifest.json changed"
    if then.articles not in (None, now.articles):
        yield "articles.jsonl changed"
    for room in ("samples", "tables", "heatmaps"):
        yield from _changed_files(room, getattr(then, room), getattr(now, room))
    if then.verdicts.keys() != now.verdicts.keys() or then.margins.keys() != now.margins.keys():
        yield "the gate's arms, questions or margins are others"


def _changed_files(room: str, then: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(then.keys() | now.keys()):
        if then.get(name) != now.get(name):
            what = "is gone" if name not in now else "is new" if name not in then else "changed"
            yield f"{room}/{name} {what}"


def _digests(folder: Path, pattern: str) -> dict[str, str]:
    return {path.name: _digest(path) for path in sorted(folder.glob(pattern)) if path.is_file()}


def _digest(path: Path) -> str:
    with disk_errors(path), path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
