"""What a model or an article wrote arrives in every output as inert text, and nothing is lost unsaid."""

import csv
import io
import re
from html.parser import HTMLParser

import openpyxl
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl.utils.escape import unescape
from rich.console import Console
from rich.text import Text

from bench.reports.csv import csv_bytes
from bench.reports.excel import workbook_bytes
from bench.reports.page import page_html
from bench.reports.page.markup import element
from bench.reports.text import CELL_CHARS, starts_formula, visible
from bench.safe_text import inert
from tests.reports.hostile import hostile_run, wild
from tests.reports.test_page import opened

slow = settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


class Seen(HTMLParser):
    """Tags and text of a document, as a browser would have them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.handlers: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data):
        self.text += data


@given(st.lists(wild, min_size=1, max_size=6))
def test_csv_cells_read_back_whole_and_compute_nothing(texts):
    content = csv_bytes(pd.DataFrame({"text": texts}, dtype=object)).decode("utf-8")
    rows = list(csv.reader(io.StringIO(content, newline="")))[1:]
    for text, (*cell,) in zip(texts, rows, strict=True):
        shown = cell[0] if cell else ""
        assert not starts_formula(shown)
        assert shown.removeprefix("'") == visible(text) or shown == visible(text)
        assert not CONTROL.search(shown)


@slow
@given(st.lists(wild, min_size=4, max_size=8))
def test_workbook_cells_hold_the_text_and_no_formula(texts):
    made = openpyxl.load_workbook(io.BytesIO(workbook_bytes(hostile_run(texts))))
    cells = [cell for sheet in made.worksheets for row in sheet.iter_rows() for cell in row]
    assert {cell.data_type for cell in cells} <= {"s", "n", "b"}
    found = {unescape(cell.value).replace("\r\n", "\n") for cell in cells if isinstance(cell.value, str)}
    for text in texts[1:2] + texts[2:3]:  # invalid answers, which the sheet Failures shows
        if text:
            shown = visible(text)
            assert shown in found or any(
                f"[cut here; {len(text)} characters in all]" in cell and len(cell) <= CELL_CHARS
                for cell in found
            )


@slow
@given(st.lists(wild, min_size=4, max_size=8))
def test_the_page_has_the_same_tags_whatever_is_written(texts):
    calm, wild_page = Seen(), Seen()
    calm.feed(page_html(hostile_run(["a"] * len(texts))))
    wild_page.feed(page_html(hostile_run(texts)))
    assert wild_page.tags == calm.tags
    assert wild_page.handlers == []


@slow
@given(st.lists(wild, min_size=4, max_size=8))
def test_the_page_carries_every_answer_whole(texts):
    data = hostile_run(texts)
    kept = opened(page_html(data), "arm-0")
    carried = sorted(answer[6] for cell in kept.values() for answer in cell if answer[8] == "")
    assert carried == sorted(visible(text) for text in texts if text)
    assert not any(CONTROL.search(text) for text in carried)


@given(wild)
def test_markup_shows_the_text_itself(text):
    seen = Seen()
    seen.feed(element("p", text))
    assert seen.tags == ["p"]
    assert seen.text == visible(text)


@given(wild)
def test_a_terminal_gets_no_control_character_and_no_markup(text):
    buffer = io.StringIO()
    console = Console(
        file=buffer, highlight=False, markup=False, emoji=False, width=100_000, color_system=None
    )
    console.print(Text(inert(text)), soft_wrap=True)
    shown = buffer.getvalue()
    assert not CONTROL.search(shown.replace("\ufffe", "").replace("\uffff", ""))
    assert inert(text).expandtabs(8).split() == shown.split() or inert(text).strip() in shown
