"""The page as a file: stable, self-contained, with everything a reader may open."""

import base64
import dataclasses
import hashlib
import json
import re
import zlib
from typing import Any

from bench.records import GateAnswer, GateArm, GateResult
from bench.reports import ReportInput
from bench.reports.answers import LIMIT, telling
from bench.reports.decision import decisions
from bench.reports.page import page_html, write_page
from tests.builders import manifest, spec
from tests.reports.hostile import answer, hostile_run
from tests.reports.synthetic import report_input


def opened(page: str, name: str) -> Any:
    """A data block of a page."""
    found = re.search(f'<script type="text/plain" id="{name}">([^<]*)</script>', page)
    assert found
    return json.loads(zlib.decompress(base64.b64decode(found[1])))


def gate(data: ReportInput) -> GateResult:
    """A verdict on every arm but the first, which is the baseline."""
    first, *others = [record.arm for record in data.manifest.arms]
    found = GateAnswer(
        estimate=0.01, lower=-0.02, upper=0.04, margin=0.05, verdict="pass", reason="r", unit="score"
    )
    arms = [GateArm(arm=first, verdict="baseline", questions={})]
    arms += [
        GateArm(arm=arm, verdict="pass", baseline=first, questions={"mean": found}, rank=1) for arm in others
    ]
    return GateResult(
        run_id="r", baseline=first, margins={}, exit_code=0, looks=2, looks_at_less_data=1, arms=tuple(arms)
    )


def test_the_same_input_gives_the_same_bytes(tmp_path):
    write_page(tmp_path / "deep" / "report.html", hostile_run())
    assert (tmp_path / "deep" / "report.html").read_text(encoding="utf-8") == page_html(hostile_run())


def test_the_policy_allows_exactly_the_script_and_style_that_are_there():
    page = page_html(report_input(1, 3))
    policy = re.search(r'Security-Policy" content="([^"]*)"', page)
    assert policy
    for tag in ("style", "script"):
        (inside,) = re.findall(f"<{tag}>(.*?)</{tag}>", page, flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert (
            f"{tag}-src &#x27;sha256-{digest}&#x27;" in policy[1]
            or f"{tag}-src 'sha256-{digest}'" in policy[1]
        )
    assert "default-src 'none'" in policy[1]
    assert "unsafe" not in policy[1]


def test_nothing_in_the_page_names_another_place():
    page = re.sub(
        r'<script type="text/plain".*?</script>', "", page_html(report_input(1, 3)), flags=re.DOTALL
    )
    assert not re.findall(r"""(?:src|href)=["']?(?!#|data:,)[^"' >]+""", page)
    assert "http" not in page.replace("http-equiv", "")
    assert "style=" not in page


def test_without_the_gate_there_is_no_verdict_and_it_says_so():
    page = page_html(report_input(1, 3))
    assert "The gate did not judge this run" in page
    assert "✓ pass" not in page


def test_a_verdict_is_shown_in_words_with_estimate_interval_and_margin():
    data = report_input(1, 3)
    page = page_html(dataclasses.replace(data, gate=gate(data)))
    assert page.count("✓ pass") == 2 * (len(data.manifest.arms) - 1)
    assert "0.010 (−0.020 to 0.040)" in page
    assert "margin 0.050" in page
    assert "read once on fewer samples" in page


def test_a_small_run_is_carried_whole():
    data = hostile_run(["a", "b", "c", "d", "e"])
    kept = opened(page_html(data), "arm-1")
    assert sum(map(len, kept.values())) == 5
    assert "too many" not in page_html(data)


def test_a_large_run_keeps_failures_and_telling_answers_and_says_so():
    data = hostile_run(["a"] * 60, n_articles=2)
    arms = data.tables["arms"].assign(n_samples=LIMIT)
    page = page_html(dataclasses.replace(data, tables={**data.tables, "arms": arms}))
    kept = opened(page, "arm-0")
    outcomes = [answer[1] for cell in kept.values() for answer in cell]
    valid = opened(page, "summary")["outcomes"].index("valid")
    assert len([outcome for outcome in outcomes if outcome != valid]) == 40
    assert len([outcome for outcome in outcomes if outcome == valid]) <= 6
    assert "too many for one page" in page


def test_the_telling_answers_of_a_cell_are_the_middle_and_the_ends():
    cell = [answer("a", "x", i, "t", valid=True) for i in range(5)]
    for row, score in zip(cell, (0.3, -0.9, 0.2, 0.8, 0.1), strict=True):
        row["verdict"]["answer"]["sentiment"] = score
    cell.append(answer("a", "x", 5, "bad", valid=False))
    assert [row["iteration"] for row in telling(cell, "sentiment")] == [1, 2, 3, 5]


def test_a_run_that_kept_no_raw_text_shows_the_parsed_answer_and_says_so():
    data = hostile_run(["x"] * 4)
    rows = [answer(data.manifest.arms[0].arm, data.articles[0].id, 0, "why", valid=True)]
    rows[0]["completion"]["text"] = ""
    page = page_html(dataclasses.replace(data, samples=lambda arm: rows))
    ((shown,),) = opened(page, "arm-0").values()
    assert '"reasoning": "why"' in shown[6]
    assert "no raw text" in shown[8]


def test_a_run_without_tables_or_answers_still_gives_a_page():
    page = page_html(ReportInput(tables={}, manifest=manifest(), articles=()))
    assert opened(page, "summary")["measures"] == []
    assert "no answers to show" in page


def test_a_repeat_has_a_name_of_its_own_and_says_that_it_is_no_candidate():
    first = spec("q8_0")
    data = ReportInput({}, manifest([spec(), first, spec("q8_0", repeat_of=first.arm)]), ())
    page = page_html(data)
    assert [arm["name"] for arm in opened(page, "summary")["arms"]] == ["fp16", "q8_0", "q8_0 (repeat)"]
    (repeat,) = [row for row in decisions(data) if row.arm.endswith("+repeat")]
    assert repeat.reasons == (f"{first.arm} measured again, to show what chance does; no candidate.",)
