"""Heatmaps: which are drawn, that they are stable, and what stands in them."""

import dataclasses
import struct

import numpy as np
import pytest
from matplotlib.figure import Figure

from bench.records import Article
from bench.reports import ReportInput
from bench.reports.drawing import Picture, _drawn, png
from bench.reports.heatmap import (
    agreement_picture,
    cell_picture,
    failures_picture,
    undefined_heatmaps,
    write_heatmaps,
)
from bench.reports.labels import article_label, drawable, fitting_lines
from bench.reports.measures import DRIFT, MEASURES, make_view
from tests.builders import manifest
from tests.reports.synthetic import report_input

CELLS = ["valid_rate", "score_mean", "score_variance", "confidence_mean", "duration_mean_s"]
BY_NAME = {measure.name: measure for measure in MEASURES}


def picture_of(name: str, data: ReportInput) -> Picture:
    view = make_view(BY_NAME[name], data)
    assert view is not None
    return cell_picture(view, data)


def heatmap_png(name: str, data: ReportInput) -> bytes:
    return png(picture_of(name, data))


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
    assert [path.stem for path in paths] == [*CELLS, "drift", "failures", "agreement", "pareto"]
    assert all(min(size(path.read_bytes())) > 350 for path in paths)
    assert undefined_heatmaps(data) == ["no heatmap kl_mean: this run has no value of it"]


def test_the_same_input_gives_the_same_bytes_without_program_or_date(data):
    first, second = (heatmap_png("score_mean", data) for _ in range(2))
    assert first == second
    assert b"tEXt" not in first


def test_a_readers_own_settings_change_nothing(data):
    import matplotlib as mpl

    before = heatmap_png("valid_rate", data)
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "image.cmap": "hot"}):
        assert heatmap_png("valid_rate", data) == before


def test_a_figure_without_any_value_is_skipped_and_named(data, tmp_path):
    cells = data.tables["cells"].assign(duration_mean_s=np.nan).drop(columns="confidence_mean")
    without = dataclasses.replace(data, tables={**data.tables, "cells": cells})
    names = [path.stem for path in write_heatmaps(tmp_path, without)]
    assert names == ["valid_rate", "score_mean", "score_variance", "drift", "failures", "agreement", "pareto"]
    assert [note.split(":")[0] for note in undefined_heatmaps(without)] == [
        "no heatmap confidence_mean",
        "no heatmap duration_mean_s",
        "no heatmap kl_mean",
    ]


def test_a_run_without_cells_has_no_heatmaps(tmp_path):
    empty = ReportInput(tables={}, manifest=manifest(), articles=())
    assert write_heatmaps(tmp_path, empty) == []
    assert len(undefined_heatmaps(empty)) == len(MEASURES)


def test_undefined_cells_stay_undefined_and_arms_stand_in_order(data):
    picture = picture_of("score_mean", data)
    assert [place.quant for place in picture.arms] == ["q4_K_M", "q5_K_M", "q8_0", "fp16"]
    assert np.isnan(picture.grid[0, 3])
    assert np.isnan(picture.grid).sum() == 1
    assert picture.scale[:3] == (-1.0, 1.0, False)


def test_the_bottom_row_is_what_the_analysis_says(data):
    picture = picture_of("valid_rate", data)
    arms = data.tables["arms"].set_index("arm")["valid_rate"]
    assert list(picture.means or ()) == [arms[place.arm] for place in picture.arms]


def test_numbers_stand_in_the_cells_of_a_small_run_only(data):
    small = texts(_drawn(picture_of("valid_rate", data)))
    large = texts(_drawn(picture_of("valid_rate", report_input(10, 12))))
    assert len(small) > 4 * 6
    assert len(large) == 40 + 10  # the bottom row and the groups' names


def test_forty_arms_and_sixty_articles_stay_legible():
    width, height = size(heatmap_png("score_variance", report_input(10, 60)))
    assert width > 40 * 28
    assert 60 * 19 < height < 4000


@pytest.mark.parametrize(
    "title", ["$\\frac{1}{2$", "_hidden", "日本 \U0001f600", "\x00\x1b[2J\u202e", "x" * 400, " "]
)
def test_a_hostile_title_is_drawn_as_text(data, title):
    article = data.articles[0].model_copy(update={"title": title})
    changed = dataclasses.replace(data, articles=(article, *data.articles[1:]))
    picture = picture_of("valid_rate", changed)
    assert len(picture.rows[0]) < 50
    assert size(png(picture))


def test_a_label_holds_only_what_the_font_has():
    assert drawable("a日b\x07é") == "ab\\x07é"
    article = Article(id="0123456789", text="", title="日本", source="x")
    assert article_label(article) == "0123"


def test_a_groups_name_breaks_over_lines_or_not_at_all():
    assert fitting_lines("tiny\nfine-tuned", 12) == "tiny\nfine-tuned"
    assert fitting_lines("tiny\nfine-tuned", 5) == "tiny\nfine-\ntuned"
    assert fitting_lines("tiny\nfine-tuned", 4) is None


# ---------------------------------------------------------------- scales


def test_one_slow_arm_does_not_flatten_the_others(data):
    cells = data.tables["cells"]
    slow = cells["duration_mean_s"].where(cells["quant"] != "fp16", 400.0)
    changed = dataclasses.replace(data, tables={**data.tables, "cells": cells.assign(duration_mean_s=slow)})
    picture = picture_of("duration_mean_s", changed)
    assert picture.scale.log
    assert picture.scale.high == 400.0
    assert "logarithmic" in picture.subtitle
    assert size(png(picture))


def test_equal_arms_have_a_plain_scale_from_zero(data):
    scale = picture_of("duration_mean_s", data).scale
    assert (scale.low, scale.log, scale.note) == (0.0, False, "")


def test_a_variance_of_zero_has_the_lowest_colour_of_a_logarithmic_scale(data):
    cells = data.tables["cells"]
    values = np.where(np.arange(len(cells)) % 2, 0.0, 0.001)
    values[0] = 0.5
    changed = dataclasses.replace(data, tables={**data.tables, "cells": cells.assign(score_variance=values)})
    picture = picture_of("score_variance", changed)
    assert "0 included" in picture.scale.note
    assert size(png(picture))


def test_drift_is_against_the_baseline_whichever_way_the_pair_was_made(data):
    view = make_view(DRIFT, data)
    turned = data.tables["drift"].rename(columns={"arm_a": "arm_b", "arm_b": "arm_a"})
    turned = turned.assign(difference=-turned["difference"])
    again = make_view(DRIFT, dataclasses.replace(data, tables={**data.tables, "drift": turned}))
    assert view is not None
    assert again is not None
    assert [place.quant for place in view.places] == ["q4_K_M", "q5_K_M", "q8_0"]
    np.testing.assert_allclose(view.grid, again.grid)
    assert view.scale.low == -view.scale.high


def test_failures_leave_out_what_is_valid(data):
    picture = failures_picture(data)
    assert picture is not None
    assert "valid" not in picture.rows
    assert picture.means is None


def test_agreement_is_the_same_both_ways(data):
    picture = agreement_picture(data)
    assert picture is not None
    np.testing.assert_array_equal(picture.grid, picture.grid.T)
