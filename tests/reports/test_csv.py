"""CSV files read back as what went in, and no text of others is ever a formula."""

import csv
import io
import math
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import StorageError
from bench.reports.csv import csv_bytes, csv_value, write_tables
from bench.reports.text import starts_formula


def rows(table: pd.DataFrame) -> list[list[str]]:
    return list(csv.reader(io.StringIO(csv_bytes(table).decode("utf-8"), newline="")))


@given(st.floats(allow_nan=False))
def test_a_number_reads_back_as_the_same_number(number):
    assert float(csv_value(number)) == number


@given(st.lists(st.tuples(st.text(st.characters()), st.text(st.characters())), max_size=5))
def test_no_cell_of_text_is_a_formula(texts):
    table = pd.DataFrame({"a": [a for a, _ in texts], "b": [b for _, b in texts]}, dtype=object)
    read = rows(table)
    assert len(read) == len(texts) + 1
    assert not any(starts_formula(cell) for row in read for cell in row)


def test_numbers_are_untouched_and_undefined_is_empty():
    values = [-0.1, 3, np.int64(7), np.float64(1 / 3), None, math.nan, pd.NA, pd.NaT, math.inf, np.True_, ""]
    expected = ["-0.1", "3", "7", repr(1 / 3), "", "", "", "", "inf", "true", ""]
    assert [csv_value(value) for value in values] == expected


def test_a_time_is_iso_text():
    assert csv_value(datetime(2026, 1, 2, tzinfo=UTC)) == "2026-01-02T00:00:00+00:00"


def test_a_table_has_its_header_even_without_rows():
    assert csv_bytes(pd.DataFrame({"arm": [], "n": []})) == b"arm,n\n"


def test_files_are_named_after_their_tables_and_stable(tmp_path):
    tables = {"cells": pd.DataFrame({"arm": ['é,"x"'], "n": [1]}), "arms": pd.DataFrame()}
    paths = write_tables(tmp_path / "run" / "tables", tables)
    assert [path.name for path in paths] == ["cells.csv", "arms.csv"]
    assert paths[0].read_bytes() == 'arm,n\n"é,""x""",1\n'.encode()
    assert sorted(path.name for path in paths[0].parent.iterdir()) == ["arms.csv", "cells.csv"]


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path):
    tmp_path.joinpath("file").write_text("")
    with pytest.raises(StorageError):
        write_tables(tmp_path / "file" / "tables", {})
