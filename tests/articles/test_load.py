"""Loading articles: by source name or from a user's JSON lines, where every fault names file and line."""

import json

import pytest

from bench import articles
from bench.articles import sources
from bench.config import ArticlesConfig
from bench.errors import ConfigError, NoArticlesError, StorageError
from bench.records import Article, Entity
from tests.builders import article

TEXT = "Orders rose at Examplecorp."


def write(path, *lines) -> str:
    path.write_bytes(b"".join(line if isinstance(line, bytes) else f"{line}\n".encode() for line in lines))
    return str(path)


def line(text=TEXT, **fields) -> str:
    return json.dumps({"text": text, **fields})


# ---------------------------------------------------------------- sources


@pytest.mark.parametrize("name", sorted(set(articles.names()) - sources.FETCHED))
def test_every_local_source_gives_articles_with_right_and_distinct_ids(name, tmp_path):
    (tmp_path / "a.txt").write_text(TEXT + ("@neutral\n" if name == "phrasebank" else ""))
    found = articles.load(ArticlesConfig(source=name, path=str(tmp_path / "a.txt")))
    assert all(isinstance(a, Article) and a.id == Article.make_id(a.text, a.entity) for a in found)
    assert len({a.id for a in found}) == len(found)
    assert {a.source for a in found} <= {name, "a"}


def test_an_unknown_source_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigError, match=r"did you mean 'sample'.*\.jsonl"):
        articles.load("smaple")


def test_the_data_folder_is_not_a_source():
    assert articles.names() == ("files", "phrasebank", "rss", "sample", "urls", "yahoo")


def test_a_limit_takes_the_first_articles():
    assert articles.load("sample", 7) == articles.load("sample")[:7]


def test_a_limit_beyond_the_end_takes_all():
    assert articles.load("sample", 10_000) == articles.load("sample")


@pytest.mark.parametrize("limit", [0, -3])
def test_a_limit_that_leaves_nothing_ends_with_exit_code_6(limit):
    with pytest.raises(NoArticlesError, match=f"limit is {limit}") as caught:
        articles.load("sample", limit)
    assert caught.value.exit_code == 6


# ---------------------------------------------------------------- files that are right


def test_a_line_needs_nothing_but_a_text(tmp_path):
    (found,) = articles.load(write(tmp_path / "mine.jsonl", line()))
    assert found.id == Article.make_id(TEXT, None)
    assert found.source == "mine.jsonl"
    assert found.entity is None


def test_the_computed_id_depends_on_the_entity(tmp_path):
    path = write(tmp_path / "a.jsonl", line(), line(entity={"name": "Examplecorp"}))
    found = articles.load(path)
    assert found[1].id == Article.make_id(TEXT, Entity(name="Examplecorp"))
    assert found[0].id != found[1].id


def test_groups_are_read_and_leave_the_id_as_it_is(tmp_path):
    path = write(tmp_path / "a.jsonl", line(groups={"agreement": "all"}))
    table = tmp_path / "a.csv"
    table.write_text(f"text,groups.agreement,groups.desk\n{TEXT},all,\n", encoding="utf-8")
    (of_lines,) = articles.load(path)
    (of_table,) = articles.load(ArticlesConfig(source="files", path=str(table)))
    assert of_lines.groups == of_table.groups == {"agreement": "all"}
    assert of_lines.id == of_table.id == Article.make_id(TEXT, None)


def test_the_phrase_bank_says_how_many_agreed_on_each_sentence(tmp_path):
    one, two, three = "One rose .@positive", "Two fell .@negative", "Three met .@neutral"
    (tmp_path / "Sentences_50Agree.txt").write_text("\n".join([one, two, three]))
    (tmp_path / "Sentences_75Agree.txt").write_text("\n".join([one, two]))
    (tmp_path / "Sentences_AllAgree.txt").write_text(two)
    found = articles.load(ArticlesConfig(source="phrasebank", path=str(tmp_path / "Sentences_50Agree.txt")))
    assert [a.groups.get("agreement") for a in found] == ["75 % or more", "all", "50 % or more"]
    (tmp_path / "mine.txt").write_text(one)
    (alone,) = articles.load(ArticlesConfig(source="phrasebank", path=str(tmp_path / "mine.txt")))
    assert alone.groups == {}


def test_articles_come_back_as_they_were_written(tmp_path):
    path = tmp_path / "new" / "frozen.jsonl"
    articles.write_jsonl(path, articles.load("sample"))
    assert articles.load(str(path)) == articles.load("sample")
    assert [entry.name for entry in path.parent.iterdir()] == ["frozen.jsonl"]


def test_a_second_write_replaces_the_first(tmp_path):
    path = tmp_path / "a.jsonl"
    articles.write_jsonl(path, articles.load("sample", 5))
    articles.write_jsonl(path, [article()])
    assert len(articles.load(str(path))) == 1


def test_a_text_with_a_line_separator_stays_one_article(tmp_path):
    path = tmp_path / "a.jsonl"
    articles.write_jsonl(path, [article("one\u2028two\u0085three\rfour")])
    assert [a.text for a in articles.load(str(path))] == ["one\u2028two\u0085three\rfour"]


def test_blank_lines_a_byte_order_mark_and_windows_line_ends_are_taken(tmp_path):
    content = b"\xef\xbb\xbf" + line().encode() + b"\r\n\r\n   \n" + line("Another text.").encode()
    assert len(articles.load(write(tmp_path / "a.jsonl", content))) == 2


# ---------------------------------------------------------------- files that are wrong


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ('{"text": "cut', "not JSON"),
        ("[]", "not a JSON object"),
        ("null", "not a JSON object"),
        ('{"title": "only a title"}', "text: Field required"),
        ('{"text": 5}', "text: Input should be a valid string"),
        ('{"text": " \\n\\t "}', "text: it is blank"),
        ('{"text": "t", "sentiment": 0.4}', "sentiment: Extra inputs"),
        ('{"text": "t", "entity": "Examplecorp"}', "entity: "),
        ('{"text": "t", "entity": {"ticker": "X"}}', r"entity\.name: Field required"),
        ('{"text": "t", "reference_score": "0.4"}', "reference_score: Input should be a valid number"),
        ('{"text": "t", "reference_score": true}', "reference_score: Input should be a valid number"),
        ('{"text": "t", "reference_score": NaN}', "NaN is not a number in JSON"),
        ('{"text": "t", "reference_score": 1e999}', "not JSON: Out of range"),
        ('{"text": "t", "published_at": "yesterday"}', "published_at: Input should be a valid datetime"),
        ('{"text": "t", "text": "u"}', "the key 'text' stands twice"),
        ('{"text": "t", "id": 5}', "id: Input should be a valid string"),
        ('{"text": "t", "id": "0123456789abcdef"}', "id: '0123456789abcdef' does not belong"),
        ('{"text": "\\ud800"}', "surrogate"),
        ('{"text": ' + "[" * 100_000, "nested too deeply"),
    ],
)
def test_a_bad_line_is_refused_with_file_and_line(tmp_path, bad, message):
    path = write(tmp_path / "mine.jsonl", line(), "", bad, line("Never reached."))
    with pytest.raises(ConfigError, match=rf"mine\.jsonl:3: .*{message}") as caught:
        articles.load(path)
    assert "\n" not in str(caught.value)


def test_a_line_that_is_not_utf_8_is_named(tmp_path):
    path = write(tmp_path / "a.jsonl", line(), b'{"text": "caf\xe9"}\n')
    with pytest.raises(ConfigError, match=r"a\.jsonl:2: not UTF-8 \(byte 14\)"):
        articles.load(path)


def test_a_duplicate_is_refused_and_both_lines_are_named(tmp_path):
    path = write(tmp_path / "a.jsonl", line("Other."), line(), "", line(f"  {TEXT}\n"))
    with pytest.raises(ConfigError, match=r"a\.jsonl:4: .*as line 2 "):
        articles.load(path)


def test_a_fault_beyond_the_limit_is_still_a_fault(tmp_path):
    with pytest.raises(ConfigError, match=r":2: "):
        articles.load(write(tmp_path / "a.jsonl", line(), "{}"), 1)


def test_a_missing_file_ends_with_exit_code_6(tmp_path):
    with pytest.raises(NoArticlesError, match=r"gone\.jsonl: no such file"):
        articles.load(str(tmp_path / "gone.jsonl"))


def test_a_folder_in_place_of_a_file_is_said(tmp_path):
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(NoArticlesError, match=r"folder\.jsonl: a folder"):
        articles.load(str(tmp_path / "folder.jsonl"))


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xef\xbb\xbf"])
def test_a_file_without_articles_ends_with_exit_code_6(tmp_path, content):
    with pytest.raises(NoArticlesError, match=r"a\.jsonl: no article in it"):
        articles.load(write(tmp_path / "a.jsonl", content))


def test_a_path_through_a_file_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="cannot read"):
        articles.load(str(tmp_path / "file" / "a.jsonl"))


def test_writing_where_no_folder_can_be_made_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="cannot write"):
        articles.write_jsonl(tmp_path / "file" / "a.jsonl", [article()])
