"""The sweep on the scripted backend: every cell once, judged, stored, resumable."""

import json
from collections import Counter
from pathlib import Path

import pytest

from bench import store, sweep, tasks
from bench.backends import fake
from bench.config import Config
from bench.errors import BackendError, ConfigError, NoArticlesError, ResumeRefusedError, UsageError
from bench.identity import sample_seed
from bench.records import LoadedModel, Outcome, TokenSpeed
from tests.builders import article

ARTICLES = tuple(article(f"Examplecorp sold {n} ships.") for n in range(4))
RUNS = Path("sentiments")


def config(options=None, quants=("q8_0", "fp16"), **fields) -> Config:
    model = {
        "family": "tiny",
        "variant": "base",
        "quants": list(quants),
        "backend": "fake",
        "ref": "{quant}",
        "options": options or {},
    }
    return Config.model_validate({"iterations": 3, "models": [model], **fields})


def plan(articles=ARTICLES, options=None, **fields) -> sweep.Plan:
    settings = config(options, **fields)
    return sweep.Plan(
        config=settings,
        task=tasks.load(settings.task),
        articles=articles,
        arms=sweep._checked_arms(settings),
        iterations=settings.iterations,
        width=1,
    )


def rows(run_id="r"):
    run = store.open_run(RUNS / run_id)
    return [row for record in run.manifest.arms for row in run.samples(record.arm)]


def keys(run_id="r"):
    return Counter((row["arm"], row["article_id"], row["iteration"]) for row in rows(run_id))


def test_every_arm_answers_every_article_every_time():
    manifest = sweep.start(plan(), RUNS, "r")
    assert manifest.status == "finished"
    assert set(keys().values()) == {1}
    assert len(keys()) == 2 * 4 * 3


def test_a_stored_sample_holds_text_seed_and_verdict():
    sweep.start(plan(), RUNS, "r")
    row = rows()[0]
    assert row["seed"] == sample_seed(0, row["arm"], row["article_id"], 0)
    assert json.loads(row["completion"]["text"]) == row["verdict"]["answer"]
    assert row["verdict"]["outcome"] == "valid"


def test_two_runs_of_one_config_give_the_same_answers():
    sweep.start(plan(), RUNS, "a")
    sweep.start(plan(), RUNS, "b")
    assert [r["completion"]["text"] for r in rows("a")] == [r["completion"]["text"] for r in rows("b")]


def test_another_run_seed_gives_other_answers():
    sweep.start(plan(), RUNS, "a")
    sweep.start(plan(sampling={"seed": 1}), RUNS, "b")
    assert [r["completion"]["text"] for r in rows("a")] != [r["completion"]["text"] for r in rows("b")]


def test_the_manifest_says_what_was_measured():
    manifest = sweep.start(plan(), RUNS, "r")
    assert manifest.article_ids == tuple(a.id for a in ARTICLES)
    assert manifest.config["iterations"] == 3
    assert manifest.task["name"] == "financial_news"
    assert manifest.provenance["python"]
    record = manifest.arms[0]
    assert record.loaded is not None
    assert record.loaded.digest == record.spec.digest
    assert (record.n_decoded, record.decode_s > 0) == (12, True)
    assert store.open_run(RUNS / "r").manifest == manifest


def test_a_finished_run_is_resumed_without_asking_anything_again(monkeypatch):
    sweep.start(plan(), RUNS, "r")
    before = rows()
    monkeypatch.setattr(fake.FakeSession, "generate", None)
    assert sweep.resume(plan(), RUNS / "r").status == "finished"
    assert rows() == before


def test_a_run_that_died_goes_on_where_it_was():
    with pytest.raises(BackendError, match="died after 5"):
        sweep.start(plan(options={"die_after": 5}), RUNS, "r")
    assert store.open_run(RUNS / "r").manifest.status == "failed"
    assert len(rows()) == 5
    for _ in range(10):
        try:
            manifest = sweep.resume(plan(options={"die_after": 5}), RUNS / "r")
            break
        except BackendError:
            continue
    assert manifest.status == "finished"
    assert (len(keys()), set(keys().values())) == (24, {1})
    assert [r.kind for r in manifest.revisions] == ["created"] + ["resumed"] * 4
    assert manifest.revisions[1].n_samples_before == 5


def test_a_resumed_run_has_the_seeds_of_an_uninterrupted_one():
    sweep.start(plan(), RUNS, "whole")
    with pytest.raises(BackendError):
        sweep.start(plan(options={"die_after": 7}), RUNS, "r")
    with pytest.raises(BackendError):
        sweep.resume(plan(options={"die_after": 7}), RUNS / "r")
    sweep.resume(plan(options={"die_after": 7}), RUNS / "r")
    seeds = {(r["arm"], r["prompt_id"], r["iteration"]): r["seed"] for r in rows("whole")}
    assert {(r["arm"], r["prompt_id"], r["iteration"]): r["seed"] for r in rows("r")} == seeds


def test_ctrl_c_leaves_a_run_that_can_go_on():
    class Impatient(sweep.Silent):
        def sample(self, sample):
            if sample.iteration == 1:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep.start(plan(), RUNS, "r", Impatient())
    assert store.open_run(RUNS / "r").manifest.status == "interrupted"
    assert sweep.resume(plan(), RUNS / "r").status == "finished"
    assert (len(keys()), set(keys().values())) == (24, {1})


def test_failed_measurements_are_rows():
    sweep.start(plan(options={"fail_every": 3}), RUNS, "r")
    outcomes = Counter(row["verdict"]["outcome"] for row in rows())
    assert outcomes == {"valid": 16, "backend_error": 8}
    assert len(keys()) == 24


def test_too_many_failures_in_a_row_stop_the_run():
    with pytest.raises(BackendError, match=r"3 measurements failed in a row.*scripted failure 6.*--resume r"):
        sweep.start(plan(options={"fail_after": 3}, stop_after_failures=3), RUNS, "r")
    assert Counter(row["verdict"]["outcome"] for row in rows()) == {"valid": 3, "backend_error": 3}
    assert store.open_run(RUNS / "r").manifest.status == "failed"


def test_an_article_that_does_not_fit_is_counted_and_the_others_go_on():
    sweep.start(plan(options={"overflow_articles": [ARTICLES[1].id]}), RUNS, "r")
    outcomes = Counter((row["article_id"] == ARTICLES[1].id, row["verdict"]["outcome"]) for row in rows())
    assert outcomes == {(True, "context_overflow"): 6, (False, "valid"): 18}


def test_a_run_in_which_nothing_fits_is_an_error():
    with pytest.raises(NoArticlesError, match=r"no article's prompt fits.*raise sampling\.context_tokens"):
        sweep.start(plan(sampling={"context_tokens": 64, "max_tokens": 32}), RUNS, "r")


def test_greedy_decoding_answers_once():
    Path("articles.jsonl").write_text("".join(a.model_dump_json() + "\n" for a in ARTICLES))
    settings = config(sampling={"temperature": 0}, articles={"source": "articles.jsonl"})
    assert sweep.plan(settings).iterations == 1
    repeats = config(
        sampling={"temperature": 0, "allow_greedy_repeats": True}, articles={"source": "articles.jsonl"}
    )
    assert sweep.plan(repeats).iterations == 3


def test_an_extension_measures_only_what_is_new():
    sweep.start(plan(ARTICLES[:2], quants=["fp16"]), RUNS, "r")
    before = rows()
    manifest = sweep.resume(plan(iterations=5), RUNS / "r", extend=True)
    after = rows()
    assert [row for row in after if row in before] == before
    assert (len(keys()), set(keys().values())) == (2 * 4 * 5, {1})
    assert manifest.iterations == 5
    revision = manifest.revisions[-1]
    assert (revision.kind, revision.n_samples_before) == ("extended", 6)
    assert revision.added["iterations"] == 2
    assert len(store.open_run(RUNS / "r").articles()) == 4


def test_an_extended_run_can_be_resumed():
    sweep.start(plan(ARTICLES[:2]), RUNS, "r")
    sweep.resume(plan(), RUNS / "r", extend=True)
    assert sweep.resume(plan(), RUNS / "r").status == "finished"


def test_a_changed_config_is_refused_before_anything_is_written():
    sweep.start(plan(), RUNS, "r")
    before = {p: p.read_bytes() for p in (RUNS / "r").rglob("*.json*")}
    with pytest.raises(ResumeRefusedError, match=r"sampling temperature: was 0\.2, is 0\.9"):
        sweep.resume(plan(sampling={"temperature": 0.9}), RUNS / "r")
    assert {p: p.read_bytes() for p in (RUNS / "r").rglob("*.json*")} == before


def test_a_changed_model_is_refused():
    sweep.start(plan(), RUNS, "r")
    with pytest.raises(ResumeRefusedError, match="model digest was"):
        sweep.resume(plan(options={"tokens": 9}), RUNS / "r")


@pytest.mark.parametrize("extend", [False, True])
def test_a_corrected_label_is_refused(extend):
    sweep.start(plan(), RUNS, "r")
    corrected = (ARTICLES[0].model_copy(update={"label": "positive"}), *ARTICLES[1:])
    with pytest.raises(ResumeRefusedError, match="articles: 1 of 4 have another label"):
        sweep.resume(plan(corrected), RUNS / "r", extend=extend)


def test_articles_that_give_one_prompt_are_refused():
    with pytest.raises(ConfigError, match="give the same zero_shot prompt"):
        sweep._refuse_equal_prompts(plan((ARTICLES[0], ARTICLES[0].model_copy(update={"id": "x"}))))


def test_a_few_shot_arm_sees_another_prompt_than_a_zero_shot_arm():
    settings = config().model_dump(mode="json")
    settings["models"].append({**settings["models"][0], "variant": "other", "prompt_style": "few_shot"})
    both = Config.model_validate(settings)
    sweep.start(plan()._replace(config=both, arms=sweep._checked_arms(both)), RUNS, "r")
    prompts = {row["arm"]: row["prompt_id"] for row in rows()}
    assert len(set(prompts.values())) == 2


def test_outcomes_are_judged_from_the_text():
    answers = ['{"reasoning": "x", "sentiment": 0.1, "confidence": 0.5}', "no", "", "{}"]
    sweep.start(plan(options={"answers": answers}, iterations=20), RUNS, "r")
    seen = {row["completion"]["text"]: row["verdict"]["outcome"] for row in rows()}
    expected = [Outcome.VALID, Outcome.NOT_JSON, Outcome.EMPTY, Outcome.MISSING_FIELD]
    assert seen == dict(zip(answers, expected, strict=True))


def test_a_repeat_of_an_arm_draws_other_answers():
    settings = config().model_dump(mode="json")
    settings["models"].append({"repeat_of": "fp16"})
    both = Config.model_validate(settings)
    sweep.start(plan()._replace(config=both, arms=sweep._checked_arms(both)), RUNS, "r")
    seeds = {row["arm"]: row["seed"] for row in rows()}
    assert len(set(seeds.values())) == 3
    texts = {arm: [r["completion"]["text"] for r in rows() if r["arm"] == arm] for arm in seeds}
    assert texts["tiny/base/fp16@fake"] != texts["tiny/base/fp16@fake+repeat"]


def test_the_manifest_counts_what_was_decoded_after_a_resume():
    with pytest.raises(BackendError):
        sweep.start(plan(options={"die_after": 7}), RUNS, "r")
    with pytest.raises(BackendError):
        sweep.resume(plan(options={"die_after": 7}), RUNS / "r")
    assert counts_after_resume() == [(7, 5), (0, 7)]


def counts_after_resume():
    return [(a.n_before_resume, a.n_after_resume) for a in store.open_run(RUNS / "r").manifest.arms]


def test_what_a_killed_resume_decoded_is_counted_too(monkeypatch):
    with pytest.raises(BackendError):
        sweep.start(plan(options={"die_after": 7}), RUNS, "r")
    with monkeypatch.context() as killed:  # nothing is noted at the end of an arm
        killed.setattr(sweep, "_record_arm", lambda *_: None)
        with pytest.raises(BackendError):
            sweep.resume(plan(options={"die_after": 7}), RUNS / "r")
    assert counts_after_resume() == [(7, 0), (0, 0)]
    manifest = sweep.resume(plan(options={"die_after": 7}), RUNS / "r")
    assert counts_after_resume() == [(7, 5), (0, 12)]
    assert [r.n_samples_before for r in manifest.revisions] == [0, 7, 19]


def test_an_arms_memory_and_tokens_are_those_of_all_its_sessions():
    def loaded(peak, n):
        speed = TokenSpeed(prefill_tokens=n, prefill_s=1.0, decode_tokens=n, decode_s=0.5)
        return LoadedModel(peak_memory_bytes=peak, speed=speed)

    both = sweep._together(loaded(900, 30), loaded(500, 10))
    assert both.peak_memory_bytes == 900
    assert both.speed == TokenSpeed(prefill_tokens=40, prefill_s=2.0, decode_tokens=40, decode_s=1.0)


def test_a_width_that_does_not_fit_is_refused_with_the_widest_that_does(monkeypatch):
    monkeypatch.setattr(fake.Backend, "widest", lambda *_: 3)
    with pytest.raises(UsageError, match=r"decode 4 answers together; the largest width that fits is 3"):
        sweep.start(plan()._replace(width=4), RUNS, "r")
    assert not RUNS.exists()


@pytest.mark.parametrize(("limit", "width"), [(None, 8), (7, 4), (1, 1)])
def test_an_automatic_width_is_chosen_once(monkeypatch, limit, width):
    monkeypatch.setattr(fake.Backend, "widest", lambda *_: limit)
    automatic = plan()._replace(width=None)
    assert sweep.start(automatic, RUNS, "r").decode_width == width
    monkeypatch.setattr(fake.Backend, "widest", lambda *_: 254)
    assert sweep.resume(automatic, RUNS / "r").decode_width == width


def test_an_answer_can_end_with_its_object():
    answers = ['{"reasoning": "x", "sentiment": 0.1, "confidence": 0.5} and more']
    sweep.start(plan(options={"answers": answers}, sampling={"stop_on_json": True}), RUNS, "r")
    assert {row["verdict"]["outcome"] for row in rows()} == {"valid"}
