"""Correctness in the reports: the sheets, the two pictures, and the decision that leads with it."""

import dataclasses
import io

import numpy as np
import openpyxl
import pandas as pd
import pytest

from bench.analysis.comparisons import make_comparisons
from bench.analysis.frames import prepared
from bench.analysis.quality_sentences import quality_sentences
from bench.analysis.slice_sentences import slice_sentences
from bench.analysis.slices import Measure, slice_table
from bench.analysis.tables import quality_tables
from bench.records import GateAnswer
from bench.reports.decision import OWN, decisions, question_titles
from bench.reports.excel import workbook_bytes
from bench.reports.heatmap import confusion_picture, heatmap_pngs
from bench.reports.page import page_html
from bench.reports.page.markup import escaped
from bench.reports.reliability import reliability_png
from tests.analysis.builders import arm_rows, sample_rows
from tests.reports.synthetic import report_input
from tests.reports.test_excel import column_below
from tests.reports.test_page import gate

SCORES = {"negative": -0.5, "neutral": 0.0, "positive": 0.5}


def with_quality(data, *, labels=True, scores=False):
    """The run with tables of quality: arm k is wrong on every (k + 2)nd article, and garbage on the first."""
    arms = arm_rows(
        *(
            {**record.spec.model_dump(include={"family", "variant", "quant", "backend"}), "arm": record.arm}
            for record in data.manifest.arms
        )
    ).assign(group=[record.spec.group for record in data.manifest.arms])
    rows = []
    for place, record in enumerate(data.manifest.arms):
        cells = {}
        for index, article in enumerate(data.articles):
            value = SCORES[str(article.label)]
            wrong = index % (place + 2) == 0
            cells[article.id] = [np.nan if index == 0 else -value - 0.1 * wrong if wrong else value] * 3
        rows.append(sample_rows(record.arm, cells, confidence=0.7))
    samples = prepared(pd.concat(rows, ignore_index=True), arms, [a.id for a in data.articles])
    truth = pd.DataFrame(
        {
            "article_id": [a.id for a in data.articles],
            "label": [a.label if labels else None for a in data.articles],
            "reference_score": [a.reference_score if scores else np.nan for a in data.articles],
        }
    ).astype({"label": object})
    tables = quality_tables(samples, arms, make_comparisons(arms, (), None), truth, (-0.05, 0.05))
    return dataclasses.replace(data, tables={**data.tables, **tables})


@pytest.fixture(scope="module")
def data():
    return with_quality(report_input(2, 9))


@pytest.fixture(scope="module")
def workbook(data):
    return openpyxl.load_workbook(io.BytesIO(workbook_bytes(data)))


def judged(data):
    """The run with a verdict that says something about quality, as the gate orders it: first."""
    made = gate(data)
    drop = GateAnswer(
        estimate=0.01,
        lower=-0.01,
        upper=0.015,
        margin=0.02,
        verdict="pass",
        reason="right enough",
        unit="rate",
    )
    arms = tuple(
        arm.model_copy(update={"questions": {"quality": drop, **arm.questions}}) for arm in made.arms
    )
    return dataclasses.replace(data, gate=made.model_copy(update={"arms": arms}))


def test_the_decision_leads_with_right_answers_where_articles_have_labels(data):
    assert list(question_titles(data))[:2] == [OWN, "quality"]
    assert next(iter(question_titles(report_input(1, 3)))) == "valid"
    first = decisions(data)[0]
    row = data.table("quality").set_index("arm").loc[first.arm]
    assert next(iter(first.questions)) == OWN
    assert first.questions[OWN].estimate == pytest.approx(row["accuracy"])
    assert first.questions[OWN].lower == pytest.approx(row["accuracy_bounded_low"])


def test_where_only_scores_are_known_the_decision_leads_with_the_error():
    data = with_quality(report_input(1, 6), labels=False, scores=True)
    assert question_titles(data)[OWN] == "Error of the score"
    first = decisions(data)[0]
    errors = data.table("quality").set_index("arm")["error_absolute"]
    assert first.questions[OWN].unit == "score"
    assert first.questions[OWN].estimate == pytest.approx(errors[first.arm])


def test_a_baselines_own_figure_is_held_to_a_floor_and_a_candidates_drop_to_a_margin(data):
    sheet = openpyxl.load_workbook(io.BytesIO(workbook_bytes(judged(data))))["Decision"]
    verdicts = column_below(sheet, "Verdict")
    drops = column_below(sheet, "Drop of right answers")
    said = dict(zip(verdicts, drops, strict=True))
    assert "margin 2.0" in said["✓ pass"]
    assert "floor 2.0" in said["= baseline"]


def test_the_base_model_is_a_column_only_where_a_fine_tuned_arm_has_one(data):
    plain = judged(data)
    assert "fine_tuning" not in question_titles(plain)
    assert plain.gate is not None
    base = GateAnswer(verdict="not_testable", reason="no base model", applies=False)
    tuned = base.model_copy(update={"applies": True, "estimate": 0.1, "verdict": "fail"})
    arms = tuple(
        arm.model_copy(update={"questions": {**arm.questions, "fine_tuning": tuned if place else base}})
        for place, arm in enumerate(plain.gate.arms)
    )
    held = dataclasses.replace(plain, gate=plain.gate.model_copy(update={"arms": arms}))
    assert question_titles(held)["fine_tuning"] == "Drop against its base model"
    shown = {row.arm: row.questions.get("fine_tuning") for row in decisions(held)}
    assert shown[arms[0].arm] is None
    found = shown[arms[1].arm]
    assert found is not None
    assert (found.verdict, found.estimate, found.limit) == ("fail", 0.1, "margin")


def test_sheets_of_quality_show_every_arm_and_each_labels_matrix(data, workbook):
    arms = [record.arm for record in data.manifest.arms]
    assert column_below(workbook["Quality"], "Accuracy")[: len(arms)] == pytest.approx(
        data.table("quality")["accuracy"].tolist()
    )
    assert "Expected calibration error" not in [cell.value for cell in workbook["Quality"][6]]
    assert column_below(workbook["Calibration"], "Expected calibration error")[: len(arms)] == pytest.approx(
        data.table("quality")["ece"].tolist()
    )
    sheet = workbook["Confusion"]
    first = next(row for row in sheet.iter_rows() if row[0].value == "Right label")
    assert [cell.value for cell in first] == [
        "Right label",
        "Items",
        "negative",
        "neutral",
        "positive",
        "garbage",
    ]
    shares = [cell.value for cell in sheet[first[0].row + 1]][2:6]
    assert sum(shares) == pytest.approx(1)
    assert shares[3] == pytest.approx(1 / 3)  # the first article's answers


def test_a_run_without_labels_has_none_of_these_sheets_or_pictures():
    bare = report_input(1, 3)
    names = openpyxl.load_workbook(io.BytesIO(workbook_bytes(bare))).sheetnames
    assert not {"Quality", "Confusion", "Calibration"} & set(names)
    assert not {"confusion", "calibration"} & {name for name, _ in heatmap_pngs(bare)}


def test_the_confusion_picture_has_a_block_of_rows_for_every_right_label(data):
    picture = confusion_picture(data)
    assert picture is not None
    assert picture.rows[:4] == [
        f"negative answered {x}" for x in ("negative", "neutral", "positive", "garbage")
    ]
    assert list(picture.breaks) == [4, 8]
    np.testing.assert_allclose(picture.grid.reshape(3, 4, -1).sum(axis=1), 100)


def test_pictures_and_sheets_are_the_same_bytes_each_time(data):
    assert dict(heatmap_pngs(data)) == dict(heatmap_pngs(data))
    assert {"confusion", "calibration"} <= set(dict(heatmap_pngs(data)))
    assert workbook_bytes(data) == workbook_bytes(data)
    assert page_html(judged(data)) == page_html(judged(data))


def test_without_a_stated_confidence_there_is_no_reliability_plot(data):
    silent = data.table("calibration").assign(n_answers=0, item_weight=0.0)
    assert reliability_png(dataclasses.replace(data, tables={**data.tables, "calibration": silent})) is None


def test_the_page_says_how_often_arms_are_right_beside_the_verdict(data):
    head = page_html(judged(data)).partition("</section>")[0]
    tables = data.table("quality"), data.table("quality_pairs")
    for sentence in quality_sentences(*tables, data.manifest.specs):
        assert sentence in head


def test_the_sheet_of_slices_has_the_worst_first_and_the_page_its_sentence(data):
    names = ["source", "company", "label"]
    attributes = pd.DataFrame({name: [f"{name} {i % 2}" for i in range(12)] for name in names})
    arms = data.table("quality")
    values = np.tile([0.0, 1.0, 0.2, 1.0, 0.1, 1.0], (len(arms), 2))
    slices = slice_table([Measure("accuracy", values, (0.0, 1.0), True)], attributes, arms)
    shown = dataclasses.replace(data, tables={**data.tables, "slices": slices})
    sheet = openpyxl.load_workbook(io.BytesIO(workbook_bytes(shown)))["Slices"]
    assert column_below(sheet, "Slice")[: len(slices)] == slices["slice"].tolist()
    assert column_below(sheet, "Mean, 95 % low")[0] == pytest.approx(slices["ci_low"][0])
    (sentence,) = slice_sentences(slices)
    assert sentence in [sheet.cell(row, 1).value for row in range(1, 5)]
    assert escaped(sentence) in page_html(judged(shown)).partition("</section>")[0]


def test_a_task_without_a_score_is_said_to_have_none(data):
    answer = {**data.manifest.task["answer"], "score": None}
    bare = data.manifest.model_copy(update={"task": {**data.manifest.task, "answer": answer}})
    head = page_html(dataclasses.replace(judged(data), manifest=bare)).partition("</header>")[0]
    assert "score -1 to 1" not in head
    assert "score -1 to 1" in page_html(judged(data)).partition("</header>")[0]
    sheet = openpyxl.load_workbook(io.BytesIO(workbook_bytes(dataclasses.replace(data, manifest=bare))))[
        "Decision"
    ]
    assert not any("The score goes" in str(sheet.cell(row, 1).value) for row in range(1, 9))


def test_hostile_labels_stay_text(data):
    evil = '=HYPERLINK("x")</script><b>$\x07'
    tables = {
        name: data.table(name).replace({"label": {"negative": evil}, "answered": {"negative": evil}})
        for name in ("confusion", "quality_labels")
    }
    hostile = dataclasses.replace(data, tables={**data.tables, **tables})
    sheet = openpyxl.load_workbook(io.BytesIO(workbook_bytes(hostile)))["Confusion"]
    cells = [cell for row in sheet.iter_rows() for cell in row if "HYPERLINK" in str(cell.value)]
    assert cells
    assert all(cell.data_type == "s" for cell in cells)
    assert "confusion" in dict(heatmap_pngs(hostile))
