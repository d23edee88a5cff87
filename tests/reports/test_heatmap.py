"""Heatmaps: which are drawn, that they are stable, and what stands in them."""

import dataclasses
import struct

import numpy as np
import pytest
from matplotlib.figure import Figure

from bench.records import Article
from bench.reports import ReportInput
from bench.reports.drawing import _drawn, png
from bench.reports.heatmap import HEATMAPS, _picture, heatmap_png, undefined_heatmaps, write_heatmaps
from bench.reports.labels import article_label, drawable, fitting_lines
from tests.builders import manifest
from tests.reports.synthetic import report_input

BY_COLUMN = {heatmap.column: heatmap for heatmap in HEATMAPS}


@pytest.fixture(scope="module")
def data():
    return report_input(n_groups=1, n_articles=6)


def size(content: bytes) -> tuple[int, int]:
    """Width and height in a PNG's header."""
    assert content.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_every_defined_figure_becomes_a_file(data, tmp_path):
    paths = write_heatmaps(tmp_path / "run", data)
    assert [path.stem for path in paths] == list(BY_COLUMN)
    assert all(min(size(path.read_bytes())) > 400 for path in paths)
    assert undefined_heatmaps(data) == []


def test_the_same_input_gives_the_same_bytes_without_program_or_date(data):
    first, second = (heatmap_png(BY_COLUMN["score_mean"], data) for _ in range(2))
    assert first == second
    assert b"tEXt" not in first


def test_a_readers_own_settings_change_nothing(data):
    import matplotlib as mpl

    before = heatmap_png(BY_COLUMN["valid_rate"], data)
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "image.cmap": "hot"}):
        assert heatmap_png(BY_COLUMN["valid_rate"], data) == before


def test_a_figure_without_any_value_is_skipped_and_named(data, tmp_path):
    cells = data.tables["cells"].assign(duration_mean_s=np.nan).drop(columns="confidence_mean")
    without = dataclasses.replace(data, tables={**data.tables, "cells": cells})
    names = [path.stem for path in write_heatmaps(tmp_path, without)]
    assert names == ["valid_rate", "score_mean", "score_variance"]
    assert [note.split(":")[0] for note in undefined_heatmaps(without)] == [
        "no heatmap confidence_mean",
        "no heatmap duration_mean_s",
    ]


def test_a_run_without_cells_has_no_heatmaps(tmp_path):
    empty = ReportInput(tables={}, manifest=manifest(), articles=())
    assert write_heatmaps(tmp_path, empty) == []
    assert len(undefined_heatmaps(empty)) == len(HEATMAPS)


def test_undefined_cells_stay_undefined_and_arms_stand_in_order(data):
    picture = _picture(BY_COLUMN["score_mean"], data)
    assert [place.quant for place in picture.arms] == ["q4_K_M", "q5_K_M", "q8_0", "fp16"]
    assert np.isnan(picture.grid[0, 3])
    assert np.isnan(picture.grid).sum() == 1
    assert picture.limits == (-1.0, 1.0)


def test_the_bottom_row_is_what_the_analysis_says(data):
    picture = _picture(BY_COLUMN["valid_rate"], data)
    arms = data.tables["arms"].set_index("arm")["valid_rate"]
    assert list(picture.means) == [arms[place.arm] for place in picture.arms]


def test_numbers_stand_in_the_cells_of_a_small_run_only(data):
    small = texts(_drawn(_picture(BY_COLUMN["valid_rate"], data)))
    large = texts(_drawn(_picture(BY_COLUMN["valid_rate"], report_input(10, 12))))
    assert len(small) > 4 * 6
    assert len(large) == 40 + 10  # the bottom row and the groups' names


def test_forty_arms_and_sixty_articles_stay_legible():
    width, height = size(heatmap_png(BY_COLUMN["score_variance"], report_input(10, 60)))
    assert width > 40 * 28
    assert 60 * 19 < height < 4000


@pytest.mark.parametrize(
    "title", ["$\\frac{1}{2$", "_hidden", "日本 \U0001f600", "\x00\x1b[2J\u202e", "x" * 400, " "]
)
def test_a_hostile_title_is_drawn_as_text(data, title):
    article = data.articles[0].model_copy(update={"title": title})
    changed = dataclasses.replace(data, articles=(article, *data.articles[1:]))
    picture = _picture(BY_COLUMN["valid_rate"], changed)
    assert len(picture.articles[0]) < 50
    assert size(png(picture))


def test_a_label_holds_only_what_the_font_has():
    assert drawable("a日b\x07é") == "ab\\x07é"
    article = Article(id="0123456789", text="", title="日本", source="x")
    assert article_label(article) == "0123"


def test_a_groups_name_breaks_over_lines_or_not_at_all():
    assert fitting_lines("tiny\nfine-tuned", 12) == "tiny\nfine-tuned"
    assert fitting_lines("tiny\nfine-tuned", 5) is None
