"""The seed layout's files, read and judged: what `bench import` begins with.

In: a folder of model folders with `<TICKER>_<i>.json` in them. Out: their entries, each with a verdict. A
file that cannot be read is named with what is wrong, all of them in one error. It knows no arm and writes
nothing; it invents no text and trusts no aggregate of the files.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, NamedTuple

from bench import tasks
from bench.errors import UsageError, disk_errors
from bench.records import AnswerSchema, Completion, Outcome, Verdict
from bench.validation import judge_text

TASK = "financial_news"
MAX_BAD_SHOWN = 8
_FILE = re.compile(r"(?P<ticker>.+)_(?P<iteration>\d{1,6})\.json")
_NOT_KEPT = "the imported file keeps no text of this answer"


class Entry(NamedTuple):
    """One article in one file."""

    verdict: Verdict
    url: str | None
    published_at: datetime | None
    completion: Completion


class SeedFile(NamedTuple):
    """One file: one iteration over the articles of one ticker."""

    ticker: str
    iteration: int
    entries: dict[str, Entry]


def models_root(path: Path) -> Path:
    """The folder that holds the model folders."""
    for folder in (path / "sentiments", path):
        if folder.is_dir() and model_folders(folder):
            return folder
    found = "no such folder" if not path.is_dir() else "no model folder with <TICKER>_<i>.json files in it"
    raise UsageError(f"{path}: {found}; give the folder that holds `sentiments/` or the model folders")


def beside(path: Path, base: Path, name: str) -> Path | None:
    """The file of this name in the folder that was given, or next to the folder of model folders."""
    return next((p / name for p in (path, base.parent) if (p / name).is_file()), None)


def model_folders(folder: Path) -> list[str]:
    """Names of the folders that hold at least one result file, sorted."""
    with disk_errors(folder):
        return sorted(
            child.name
            for child in folder.iterdir()
            if child.is_dir() and any(_FILE.fullmatch(file.name) for file in child.iterdir())
        )


def read_files(base: Path, folders: list[str]) -> dict[str, list[SeedFile]]:
    """Every file of every folder, by ticker and iteration; one UsageError names all the bad ones."""
    schema = tasks.load(TASK).answer
    found: dict[str, list[SeedFile]] = {}
    bad: list[str] = []
    for folder in folders:
        files = []
        for path in sorted(p for p in (base / folder).iterdir() if p.suffix == ".json"):
            try:
                files.append(_read_file(path, schema))
            except ValueError as error:
                bad.append(f"{folder}/{path.name}: {error}")
        found[folder] = sorted(files, key=lambda file: (file.ticker, file.iteration))
        bad += _twice(folder, files)
    if bad:
        more = [f"... and {len(bad) - MAX_BAD_SHOWN} more"] if len(bad) > MAX_BAD_SHOWN else []
        raise UsageError("\n".join(["nothing was imported, because of:", *bad[:MAX_BAD_SHOWN], *more]))
    return found


def _twice(folder: str, files: list[SeedFile]) -> list[str]:
    """Iterations that two files claim, as `MSFT_1.json` and `MSFT_01.json` do."""
    counts = Counter((file.ticker, file.iteration) for file in files)
    return [f"{folder}: two files are {ticker}_{i}" for (ticker, i), n in counts.items() if n > 1]


def _read_file(path: Path, schema: AnswerSchema) -> SeedFile:
    """One file; ValueError says what is wrong with it."""
    name = _FILE.fullmatch(path.name)
    if name is None:
        raise ValueError("its name is not <TICKER>_<i>.json")
    try:
        data = json.loads(path.read_bytes(), object_pairs_hook=_unique)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except UnicodeDecodeError:
        raise ValueError("not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}") from None
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from error
    entries = data.get("sentiments") if isinstance(data, dict) else None
    if not isinstance(entries, dict):
        raise ValueError("it has no object `sentiments`")
    judged = {key: _entry(key, value, schema) for key, value in entries.items()}
    return SeedFile(name["ticker"], int(name["iteration"]), judged)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return made


# ---------------------------------------------------------------- one entry


def _entry(key: str, value: Any, schema: AnswerSchema) -> Entry:
    if not key or not isinstance(value, dict):
        raise ValueError(f"article {key!r}: no object")
    valid = value.get("valid")
    if not isinstance(valid, bool):
        raise ValueError(f"article {key}: `valid` is not true or false")
    outcome = value.get("outcome")  # written by our own export, which loses no failed measurement
    if valid:
        verdict = _judged(key, value, schema)
    elif outcome is None:
        verdict = Verdict(outcome=Outcome.EMPTY, errors=(_NOT_KEPT,))
    elif outcome in list(Outcome) and outcome != Outcome.VALID:
        verdict = Verdict(outcome=Outcome(outcome), errors=(_NOT_KEPT,))
    else:
        raise ValueError(f"article {key}: unknown outcome {outcome!r}")
    seconds = _number(key, value, "time_taken")
    return Entry(
        verdict,
        _text(key, value, "url"),
        _date(_text(key, value, "published")),
        Completion(
            stop_reason="stop" if valid else None,
            duration_s=seconds,
            ttft_s=_number(key, value, "ttft_s"),
            completion_tokens=_count(key, value, "completion_tokens"),
            batch_size=1 if seconds is not None else None,
            error=_NOT_KEPT if verdict.outcome == Outcome.BACKEND_ERROR else None,
        ),
    )


def _judged(key: str, value: Mapping[str, Any], schema: AnswerSchema) -> Verdict:
    """The verdict on an entry that calls itself valid: a score out of range is a failed answer, an answer
    without its fields is a damaged file."""
    answer = {field.name: value[field.name] for field in schema.fields if field.name in value}
    verdict = judge_text(json.dumps(answer), schema)
    if verdict.outcome in (Outcome.VALID, Outcome.OUT_OF_RANGE):
        return verdict
    why = "; ".join(verdict.errors) or verdict.outcome.value
    raise ValueError(f"article {key}: it says `valid`, but {why}")


def _number(key: str, value: Mapping[str, Any], name: str) -> float | None:
    number = value.get(name)
    if number is None:
        return None
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number < math.inf:
        raise ValueError(f"article {key}: `{name}` is no number of seconds: {number!r}")
    return float(number)


def _count(key: str, value: Mapping[str, Any], name: str) -> int | None:
    number = value.get(name)
    if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < 0):
        raise ValueError(f"article {key}: `{name}` is no count: {number!r}")
    return number


def _text(key: str, value: Mapping[str, Any], name: str) -> str | None:
    text = value.get(name)
    if text is not None and not isinstance(text, str):
        raise ValueError(f"article {key}: `{name}` is no text: {text!r}")
    return text


def _date(text: str | None) -> datetime | None:
    """An RFC 2822 date in UTC; None where it is none."""
    try:
        date = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
