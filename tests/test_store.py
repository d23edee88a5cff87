"""A run on disk: whole, resumable, locked, and never worse for a kill."""

import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from bench import store
from bench.errors import ResumeRefusedError, RunLockedError, StorageError, UsageError
from bench.records import Article
from tests.builders import NOW, article, manifest, spec
from tests.builders import sample as any_sample

ARM = spec().arm
ARTICLES = (article("One."), article("Two."))


def sample(**fields):
    """A stored answer to the first article."""
    return any_sample(**{"article_id": ARTICLES[0].id, **fields})


@pytest.fixture
def writer(tmp_path):
    with store.create_run(tmp_path, manifest(articles=ARTICLES), ARTICLES) as opened:
        yield opened


def test_what_was_appended_is_read_back(writer):
    writer.append(sample(text='a\n"b" \u2028 \x00 é'))
    writer.append(sample(iteration=1))
    rows = list(store.open_run(writer.folder).samples(ARM))
    assert [row["iteration"] for row in rows] == [0, 1]
    assert rows[0]["completion"]["text"] == 'a\n"b" \u2028 \x00 é'
    assert rows[0]["completion"]["duration_s"] is None


def test_a_sample_is_on_disk_as_soon_as_it_is_appended(writer):
    writer.append(sample())
    assert writer.samples_path(ARM).read_bytes().endswith(b"\n")


def test_lone_surrogates_are_kept_visibly():
    assert sample(text="a\ud800b").completion.text == "a\\ud800b"


def test_articles_are_read_back_in_the_manifests_order(writer):
    assert [a.text for a in store.open_run(writer.folder).articles()] == ["One.", "Two."]


def test_a_torn_last_line_is_ignored_by_readers_and_cut_by_the_next_writer(tmp_path):
    with store.create_run(tmp_path, manifest(articles=ARTICLES), ARTICLES) as writer:
        writer.append(sample())
        path = writer.samples_path(ARM)
    whole = path.read_bytes()
    for torn in (whole[:-1], b"{", b'{"a":' + b"x" * 200_000):
        path.write_bytes(whole + torn)
        assert len(list(store.open_run(tmp_path / "r").samples(ARM))) == 1
        with store.RunWriter(tmp_path / "r") as writer:
            assert path.read_bytes() == whole
            assert writer.keys(ARM) == {("p0", 0)}


def test_a_file_that_is_one_torn_line_becomes_empty(tmp_path):
    with store.create_run(tmp_path, manifest(), ()) as writer:
        path = writer.samples_path(ARM)
        path.write_bytes(b'{"torn')
    with store.RunWriter(tmp_path / "r"):
        assert path.read_bytes() == b""


def test_a_damaged_line_is_an_error_with_file_and_line(writer):
    writer.append(sample())
    with writer.samples_path(ARM).open("ab") as file:
        file.write(b"\0\0\n")
    with pytest.raises(StorageError, match=r"jsonl:2: not JSON"):
        list(writer.samples(ARM))


def test_json_that_is_no_sample_is_an_error_with_file_line_and_what_to_do(writer):
    writer.append(sample())
    writer.append_latency(sample())
    for path, read in (
        (writer.samples_path(ARM), writer.samples),
        (writer.samples_path(ARM), writer.keys),
        (writer.latency_path(ARM), writer.latency_keys),
    ):
        path.write_bytes(path.read_bytes().splitlines(keepends=True)[0] + b"{}\n")
        with pytest.raises(StorageError, match=r"jsonl:2: not a sample .*restore it, or remove the line"):
            list(read(ARM))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "a second sample of prompt p0, iteration 0"),
        ({"iteration": 2}, "a sample of iteration 2, and the run has 2, from 0"),
        ({"article_id": "x", "prompt_id": "p1"}, "article x, which is not in the run's manifest"),
        (
            {"arm": spec("q8_0").arm, "iteration": 1},
            f"a sample of the arm {spec('q8_0').arm}, in the file of",
        ),
        ({"prompt_id": "p1", "iteration": 1}, f"prompt p1, and article {ARTICLES[0].id} has p0"),
    ],
)
def test_a_sample_that_stands_there_twice_or_is_not_of_the_run_is_an_error(writer, fields, said):
    line = sample(**fields).model_dump_json() + "\n"
    writer.append(sample())
    writer.append_latency(sample())
    for path, read in (
        (writer.samples_path(ARM), writer.samples),
        (writer.latency_path(ARM), writer.latency_keys),
    ):
        with path.open("a") as file:
            file.write(line)
        with pytest.raises(
            StorageError, match=rf"jsonl:2: .*{re.escape(said)}.*; the file was changed .*remove"
        ):
            list(read(ARM))


def test_every_iteration_of_every_article_is_a_sample_of_its_own(writer):
    for article_id, prompt_id in ((ARTICLES[0].id, "p0"), (ARTICLES[1].id, "p1")):
        for iteration in (1, 0):
            writer.append(sample(article_id=article_id, prompt_id=prompt_id, iteration=iteration))
    assert len(writer.keys(ARM)) == 4


def test_an_arm_with_fewer_iterations_than_the_run_has_no_more_of_them(tmp_path):
    made = manifest(articles=ARTICLES)
    once = made.model_copy(update={"arms": (made.arms[0].model_copy(update={"iterations": 1}),)})
    with store.create_run(tmp_path, once, ARTICLES) as writer:
        writer.append(sample(iteration=1))
        with pytest.raises(StorageError, match="iteration 1, and the run has 1"):
            writer.keys(ARM)


def test_an_imported_run_keeps_the_numbers_of_its_files(tmp_path):
    with store.create_run(tmp_path, manifest(articles=ARTICLES, config={"imported": {}}), ARTICLES) as writer:
        writer.append(sample(iteration=7))
        assert writer.keys(ARM) == {("p0", 7)}


def test_a_run_cannot_be_written_twice_at_once(writer):
    with pytest.raises(RunLockedError, match=f"r is being written by pid {os.getpid()} on "):
        store.RunWriter(writer.folder)


def test_another_process_cannot_write_it_either(writer):
    code = f"from bench import store; from pathlib import Path; store.RunWriter(Path({str(writer.folder)!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "RunLockedError" in done.stderr


def test_a_refused_lock_leaves_the_owners_name(writer):
    for _ in range(2):
        with pytest.raises(RunLockedError, match=f"pid {os.getpid()}"):
            store.RunWriter(writer.folder)


def test_a_closed_run_can_be_opened_again(tmp_path):
    with store.create_run(tmp_path, manifest(), ()):
        pass
    with store.RunWriter(tmp_path / "r"):
        pass


def test_a_second_run_of_the_same_name_is_refused(tmp_path):
    with store.create_run(tmp_path, manifest(), ()):
        pass
    with pytest.raises(UsageError, match="is already a run"):
        store.create_run(tmp_path, manifest(), ())


def test_reading_writes_nothing(writer):
    writer.append(sample())
    before = {p: p.stat().st_mtime_ns for p in writer.folder.rglob("*")}
    run = store.open_run(writer.folder)
    assert list(run.samples(ARM))
    assert {p: p.stat().st_mtime_ns for p in writer.folder.rglob("*")} == before


def test_whole_files_leave_no_temporary_name_behind(tmp_path):
    store.write_whole(tmp_path / "a", b"1")
    store.write_whole(tmp_path / "a", b"2")
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"2"


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a"
    store.write_whole(path, b"old")

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="no space left"):
        store.write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["a"]


def test_a_full_disk_is_one_clear_error(tmp_path):
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    with store.create_run(tmp_path, manifest(), ()) as writer:
        writer.samples_path(ARM).symlink_to(full)
        with pytest.raises(StorageError, match="no space left on the device"):
            writer.append(sample())
        writer._files.pop(writer.samples_path(ARM)).close()  # a device cannot be synced


def test_the_latest_run_is_the_one_started_last(tmp_path):
    for name, hours in (("b", 1), ("a", 2), ("c", 0)):
        started = NOW + timedelta(hours=hours)
        with store.create_run(tmp_path, manifest(run_id=name, started_at=started), ()):
            pass
    assert store.find_run(tmp_path, "latest").name == "a"
    assert store.find_run(tmp_path, "c").name == "c"
    assert store.find_run(tmp_path, str(tmp_path / "b")).name == "b"


def test_an_unknown_run_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(UsageError, match="none yet"):
        store.find_run(tmp_path, "latest")
    with store.create_run(tmp_path, manifest(), ()):
        pass
    with pytest.raises(UsageError, match="there are: r"):
        store.find_run(tmp_path, "x")


def test_a_run_of_another_schema_version_is_refused(tmp_path):
    with store.create_run(tmp_path, manifest(), ()) as writer:
        path = writer.folder / store.MANIFEST
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 99'))
    with pytest.raises(ResumeRefusedError, match="schema version 99"):
        store.open_run(tmp_path / "r")


@pytest.mark.parametrize("content", ["", "[]", "{", '{"schema_version": 1}'])
def test_a_damaged_manifest_is_one_clear_error(tmp_path, content):
    with store.create_run(tmp_path, manifest(), ()) as writer:
        path = writer.folder / store.MANIFEST
    path.write_text(content)
    with pytest.raises((StorageError, ResumeRefusedError), match="manifest"):
        store.open_run(tmp_path / "r")


def test_a_missing_article_is_an_error(writer):
    (writer.folder / store.ARTICLES).write_text("")
    with pytest.raises(StorageError, match="is missing"):
        writer.articles()


@pytest.mark.parametrize("name", ["r1", "2026-11-21_a.b", "_x", "été"])
def test_a_plain_name_is_a_runs_name(name):
    assert store.checked_run_id(name) == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "latest", "a b", "x\ny", "../x", "a/b", "-x", ".x", "a" * 101, "é" * 60, "a\n"]
)
def test_a_name_that_breaks_a_line_a_command_or_a_path_is_refused(name):
    with pytest.raises(UsageError, match="a run's name is one plain folder name"):
        store.checked_run_id(name)


def test_a_name_longer_than_any_disk_takes_is_no_run(tmp_path):
    with pytest.raises(UsageError, match="there are: none yet"):
        store.find_run(tmp_path, "a" * 300)


@pytest.mark.parametrize(("before", "after"), [('"text":"Two.', '"text":"EDITED'), ("Examplecorp", "Other")])
def test_a_changed_article_is_an_error_with_file_line_and_what_to_do(writer, before, after):
    path = writer.folder / store.ARTICLES
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(lines[0] + lines[1].replace(before, after))
    with pytest.raises(StorageError, match=r"articles\.jsonl:2: article \w+ was changed .*restore the file"):
        writer.articles()


def test_articles_with_parts_or_half_a_surrogate_pair_are_read_back(tmp_path):
    text, parts = "a\ud800b", {"parent": "c\udc00"}
    made = Article(id=Article.make_id(text, None, parts), text=text, source="test", parts=parts)
    with store.create_run(tmp_path, manifest(articles=[made]), (made,)) as writer:
        assert writer.articles() == (made,)


def test_an_imported_article_has_the_key_of_its_file(tmp_path):
    made = Article(id="k1", text="", source="seed")
    with store.create_run(tmp_path, manifest(articles=[made], config={"imported": {}}), (made,)) as writer:
        assert writer.articles() == (made,)
