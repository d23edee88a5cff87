"""From the lines of a run to frames."""

import json
from pathlib import Path

import pandas as pd
import pytest

from bench import store
from bench.reading import arm_frame, attribute_frame, read_samples, repeated_share
from bench.records import ArmRecord, LoadedModel, TokenSpeed
from tests.builders import SCHEMA, article, manifest, spec
from tests.test_report import ARTICLES, SPECS, TASK, answers, report, write_run


def test_several_processes_read_the_same_as_one():
    run = store.open_run(write_run())
    one, two = read_samples(run, SCHEMA, n_workers=1), read_samples(run, SCHEMA, n_workers=2)
    pd.testing.assert_frame_equal(one.samples, two.samples)
    assert (one.valid, one.invalid) == (two.valid, two.invalid)


def test_attributes_are_what_articles_can_be_told_apart_by():
    one = article("Up.", label="positive", groups={"agreement": "all", "label": "x"})
    two = article("Down.").model_copy(update={"entity": None, "text": ""})
    frame = attribute_frame([one, two])
    known = ["article_id", "source", "company", "label", "n_chars", "agreement", "label (group)"]
    assert list(frame.columns) == known
    assert frame.iloc[0].tolist() == [one.id, "test", "Examplecorp", "positive", 3.0, "all", "x"]
    assert frame.iloc[1][known[2:]].isna().all()


def write_latency(folder: Path, seconds: float) -> None:
    run = store.open_run(folder)
    for one in SPECS:
        path = run.latency_path(one.arm)
        path.parent.mkdir(exist_ok=True)
        lines = [
            row.model_dump_json() + "\n"
            for item in ARTICLES
            for row in answers(one.arm, item, [0.3], duration_s=seconds, ttft_s=0.2, batch_size=1)
        ]
        path.write_text("".join(lines), encoding="utf-8")


def test_seconds_come_from_latency_samples_where_the_run_has_them():
    folder = write_run(completion={"duration_s": 9.0, "batch_size": 16})
    write_latency(folder, 1.5)
    tables = report(folder).tables
    assert tables["arms"]["duration_mean_s"].tolist() == [1.5, 1.5]
    assert tables["arms"]["n_samples"].tolist() == [4, 4]
    assert tables["cells"]["duration_mean_s"].tolist() == [1.5] * 4


def test_latency_samples_replace_the_seconds_of_answers_decoded_alone():
    folder = write_run(completion={"duration_s": 9.0, "batch_size": 1})
    write_latency(folder, 1.5)
    assert report(folder).tables["arms"]["duration_mean_s"].tolist() == [1.5, 1.5]


def test_throughput_is_answers_per_second_of_decoding_and_undefined_before():
    made = manifest(SPECS, ARTICLES, task=TASK)
    timed = ArmRecord.model_validate({**made.arms[0].model_dump(), "n_decoded": 30, "decode_s": 2.0})
    frame = arm_frame(made.model_copy(update={"arms": (timed, made.arms[1])}))
    assert frame["answers_per_s"].tolist() == pytest.approx([15.0, float("nan")], nan_ok=True)


def test_what_an_arm_took_is_told_and_undefined_where_it_was_not_measured():
    made = manifest(SPECS, ARTICLES, task=TASK)
    speed = TokenSpeed(prefill_tokens=300, prefill_s=2.0, decode_tokens=90, decode_s=3.0)
    loaded = LoadedModel(file_bytes=7, load_s=0.5, peak_memory_bytes=9, speed=speed)
    first = made.arms[0].model_copy(update={"loaded": loaded})
    frame = arm_frame(made.model_copy(update={"arms": (first, made.arms[1])}))
    names = ["prefill_tokens_per_s", "decode_tokens_per_s", "load_s", "file_bytes", "peak_memory_bytes"]
    assert frame[names].iloc[0].tolist() == [150.0, 30.0, 0.5, 7.0, 9.0]
    assert frame[names].iloc[1].isna().all()


def test_no_arm_repeats_another_unless_it_says_so():
    assert arm_frame(manifest([spec(), spec("q8_0")]))["repeat_of"].tolist() == ["", ""]


def test_the_text_of_an_answer_gives_its_length_and_repetition():
    folder = write_run()
    samples = read_samples(store.open_run(folder), SCHEMA).samples
    text = json.dumps({"reasoning": "x", "sentiment": 0.4, "confidence": 0.5})
    assert samples["answer_chars"][0] == len(text)


@pytest.mark.parametrize(
    ("text", "share"),
    [("", None), ("one two", None), ("one two three", 0.0), ("a b a b a b", 0.5), ("no " * 12, 0.9)],
)
def test_repetition_is_the_share_of_word_triples_seen_before(text, share):
    assert repeated_share(text) == pytest.approx(share)


def test_every_valid_answer_is_read_as_a_label_and_no_other():
    read = read_samples(store.open_run(write_run()), SCHEMA).samples
    assert list(read["label"].cat.categories) == ["negative", "neutral", "positive"]
    assert (read["label"].notna() == read["valid"]).all()
    expected = {True: "positive", False: "negative"}
    strong = read[read["score"].abs() > 0.05]
    assert [expected[score > 0] for score in strong["score"]] == strong["label"].tolist()


@pytest.mark.parametrize(
    ("score", "label"), [(0.05, "neutral"), (0.15 - 0.1, "neutral"), (0.06, "positive"), (-1, "negative")]
)
def test_a_score_on_a_threshold_is_neutral(score, label):
    assert SCHEMA.label_of({"sentiment": score}) == label
