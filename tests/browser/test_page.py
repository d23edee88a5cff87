"""The page in a real browser: open, filter, choose a cell, read both answers, and nothing else happens."""

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.reports.page import write_page
from tests.reports.hostile import ALERT, HOSTILE, hostile_run
from tests.reports.synthetic import report_input
from tests.reports.test_page import gate

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here; `make browser` installs it")


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with playwright.sync_playwright() as driver:
        # in a container there is no user namespace for the sandbox
        running = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def watched(browser, tmp_path):
    """A page of hostile texts with everything that must not happen written down."""
    write_page(tmp_path / "report.html", hostile_run(HOSTILE, 6))
    events: list[str] = []

    def said(dialog):
        events.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    page = browser.new_page()
    page.on("console", lambda message: events.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: events.append(f"error: {error}"))
    page.on("dialog", said)
    page.on("request", lambda request: events.append(f"request: {request.url}"))
    page.goto(Path(tmp_path / "report.html").as_uri())
    page.wait_for_selector(".map td button")
    yield page, events
    page.close()
    assert events == [f"request: {Path(tmp_path / 'report.html').as_uri()}"]


def test_a_cell_opens_the_article_and_both_arms_answers(watched):
    page, _ = watched
    page.locator(".map tbody tr").nth(0).locator("td button").nth(1).click()
    page.wait_for_selector("#right .answer")
    left, right = page.locator("#left .answer"), page.locator("#right .answer")
    assert left.count() == right.count() > 1
    assert "score 0.25" in left.nth(0).inner_text()
    assert "1.50 s" in right.nth(0).inner_text()
    assert page.locator("#left-arm").inner_text() != page.locator("#other option:checked").inner_text()


def test_hostile_text_is_read_as_it_stands(watched):
    page, _ = watched
    everything = []
    for row in range(page.locator(".map tbody tr").count()):
        page.locator(".map tbody tr").nth(row).locator("td button").nth(0).click()
        page.wait_for_selector("#right .answer")
        everything += page.locator("#left pre").all_text_contents()
        page.locator("#close").click()
    assert ALERT in everything
    assert "x" * 40_000 in everything
    assert "\\x1b[2J" in "".join(everything)
    assert page.locator("pre img, pre script, dialog script").count() == 0


def test_filters_narrow_arms_and_articles(watched):
    page, _ = watched
    arms = page.locator(".map thead tr").nth(1).locator("th")
    assert arms.count() == 4
    page.select_option("#quant", "q4_K_M")
    assert arms.all_text_contents() == ["q4_K_M"]
    assert page.locator(".decision tbody tr:visible").count() == 1
    page.select_option("#outcome", "not_json")
    page.locator(".map tbody tr").nth(0).locator("td button").nth(0).click()
    page.wait_for_selector("#left .answer")
    assert {
        text.split(" ·")[0] for text in page.locator("#left .answer p:first-child").all_inner_texts()
    } == {"not json"}
    page.keyboard.press("Escape")
    page.locator("#filters button").click()
    arms.nth(3).wait_for()
    assert arms.count() == 4


def test_cells_are_reached_and_opened_with_the_keyboard(watched):
    page, _ = watched
    page.locator(".map td button[tabindex='0']").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    label = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert page.locator(".map td button[tabindex='0']").count() == 1
    page.keyboard.press("Enter")
    page.wait_for_selector("#left .answer")
    assert page.locator("#left-arm").inner_text() in label
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == label


def test_every_measure_can_be_shown(watched):
    page, _ = watched
    names = page.locator("#measure option").all_text_contents()
    for index, name in enumerate(names):
        page.select_option("#measure", str(index))
        assert page.locator(".map caption").inner_text().startswith(name)
    assert len(names) >= 5


def test_nothing_is_wider_than_a_phone(watched):
    page, _ = watched
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.locator(".map td button").nth(0).click()
    page.wait_for_selector("#right .answer")
    assert page.locator("#detail").bounding_box()["width"] <= 390


def test_dark_mode_is_dark(watched):
    page, _ = watched
    page.emulate_media(color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 31)"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_sideways_scrolling_and_sees_the_answer_first(browser, tmp_path, scheme):
    data = report_input(4, 3)
    write_page(tmp_path / "report.html", dataclasses.replace(data, gate=gate(data)))
    page = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme).new_page()
    page.goto((tmp_path / "report.html").as_uri())
    page.wait_for_selector(".map td button")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.locator(".answer-box").bounding_box()["y"] < 844 / 2
    page.close()
