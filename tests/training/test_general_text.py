"""General text: documents between blank lines, a quarter of them never trained on."""

import pytest

from bench.errors import ConfigError
from bench.training.general_text import SAMPLE, is_held_out, read_documents
from bench.training.tuning_recipe import GeneralText


def document(n):
    return f"Document {n} speaks of " + " ".join(f"thing{n + k}" for k in range(24)) + "."


def write(path, *parts, between="\n\n"):
    path.write_text(between.join(parts), encoding="utf-8")
    return GeneralText(files=(path.name,), bundled=False)


def test_documents_stand_between_blank_lines_and_headings_are_left_out_and_counted(tmp_path):
    wanted = [document(n) for n in range(40)]
    options = write(tmp_path / "t.txt", " = A heading = ", *wanted, between="\n \n")
    found = read_documents(options, tmp_path)
    assert sorted(found.train + found.held_out) == sorted(wanted)
    assert found.n_short == 1
    assert found.source == "t.txt"
    assert found.note == ""


def test_a_quarter_is_held_out_and_never_on_both_sides(tmp_path):
    options = write(tmp_path / "t.txt", *(document(n) for n in range(400)))
    found = read_documents(options, tmp_path)
    assert not set(found.train) & set(found.held_out)
    assert 70 <= len(found.held_out) <= 130
    assert all(map(is_held_out, found.held_out))
    assert not any(map(is_held_out, found.train))


def test_which_side_a_document_is_on_does_not_depend_on_its_file_or_its_spaces(tmp_path):
    first = read_documents(write(tmp_path / "a.txt", *(document(n) for n in range(50))), tmp_path)
    second = read_documents(write(tmp_path / "b.txt", *(document(n) for n in range(49, 20, -1))), tmp_path)
    assert set(second.held_out) <= set(first.held_out)
    assert is_held_out(first.held_out[0].replace(" ", "\n"))


def test_a_document_that_stands_twice_is_one(tmp_path):
    options = write(tmp_path / "t.txt", document(1), document(2), document(1))
    found = read_documents(options, tmp_path)
    assert len(found.train + found.held_out) == 2


def test_the_bundled_sample_stands_in_for_missing_files_and_says_so(tmp_path):
    found = read_documents(GeneralText(files=("nowhere.txt",)), tmp_path)
    assert found.source == SAMPLE
    assert "nowhere.txt is missing" in found.note
    assert len(found.held_out) >= 20
    assert len(found.train) >= 60
    assert read_documents(GeneralText(), tmp_path).note == ""


def test_a_missing_file_is_refused_where_nothing_may_stand_in(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.txt: no such file; set --data-root"):
        read_documents(GeneralText(files=("nowhere.txt",), bundled=False), tmp_path)


def test_files_that_are_no_text_or_hold_no_document_are_refused(tmp_path):
    (tmp_path / "bytes.txt").write_bytes(b"caf\xe9 " * 30)
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_documents(GeneralText(files=("bytes.txt",), bundled=False), tmp_path)
    with pytest.raises(ConfigError, match="no paragraph of 20 words"):
        read_documents(write(tmp_path / "short.txt", "a b c", "d e f"), tmp_path)
