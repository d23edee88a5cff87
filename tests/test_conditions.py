"""What a resume and an extension accept, and what they refuse."""

import math

import pytest

from bench.conditions import additions, extended, resumed
from bench.errors import ResumeRefusedError
from bench.records import Entity
from tests.builders import NOW, article, manifest, spec

ONE, TWO, THREE = article("One."), article("Two."), article("Three.")


def base(**fields):
    specs = fields.pop("specs", [spec("q8_0", digest="sha256:a"), spec(digest="sha256:b")])
    return manifest(specs, fields.pop("articles", (ONE, TWO)), **fields)


def refusal(new, decide=resumed) -> str:
    with pytest.raises(ResumeRefusedError) as caught:
        decide(base(), new)
    return str(caught.value)


def test_the_same_conditions_are_resumed():
    assert resumed(base(), base()) == base()


def test_comparisons_and_margins_may_change():
    new = base(config={"sampling": {"temperature": 0.2}, "gate": {"mean": 9}, "comparisons": [["a", "b"]]})
    assert resumed(base(), new) == base()


def test_the_same_weights_may_have_moved():
    moved = [spec("q8_0", digest="sha256:a", ref="elsewhere"), spec(digest="sha256:b")]
    assert resumed(base(), base(specs=moved)) == base()


def test_changed_sampling_is_named():
    message = refusal(base(config={"sampling": {"temperature": 0.7}}))
    assert "sampling temperature: was 0.2, is 0.7" in message


def test_a_changed_digest_is_named():
    changed = [spec("q8_0", digest="sha256:zzz"), spec(digest="sha256:b")]
    assert "arm tiny/base/q8_0@fake: model digest was sha256:a, is sha256:zzz" in refusal(base(specs=changed))


def test_changed_options_are_named():
    changed = [spec("q8_0", digest="sha256:a", options={"n_threads": 1}), spec(digest="sha256:b")]
    assert "options" in refusal(base(specs=changed))


def test_a_changed_task_is_named():
    assert "task version: was 1, is 2" in refusal(base(task={"name": "t", "version": "2", "digest": "d"}))


def test_an_article_that_is_gone_is_named():
    assert "articles: 1 of 2 are gone or changed" in refusal(base(articles=(ONE, THREE)))


@pytest.mark.parametrize("decide", [resumed, extended])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"label": "positive"}, "another label, e.g. {id}: was None, is 'positive'"),
        ({"reference_score": 0.5}, "another reference_score, e.g. {id}: was None, is 0.5"),
        ({"title": "Up"}, "another title"),
        ({"groups": {"agreement": "all"}}, "another groups"),
        ({"entity": Entity(name="Examplecorp", ticker="EXC")}, "another entity"),
    ],
)
def test_what_is_now_known_otherwise_of_an_article_is_refused(decide, change, said):
    now = (ONE, TWO.model_copy(update=change), THREE.model_copy(update=change))
    with pytest.raises(ResumeRefusedError) as caught:
        decide(base(), base(), was=(ONE, TWO), now=now)
    assert f"articles: 1 of 2 have {said.format(id=TWO.id)}" in str(caught.value)


def test_an_article_that_was_fetched_again_is_the_same():
    again = ONE.model_copy(update={"fetched_at": NOW, "url": "https://example.org/2"})
    assert resumed(base(), base(), was=(ONE, TWO), now=(again, TWO)) == base()


def test_a_score_that_is_no_number_is_as_absent_as_the_file_has_it():
    now = ONE.model_copy(update={"reference_score": math.nan})
    assert resumed(base(), base(), was=(ONE, TWO), now=(now, TWO)) == base()


@pytest.mark.parametrize("decide", [resumed, extended])
def test_fewer_iterations_are_refused(decide):
    assert "iterations: was 2, is 1" in refusal(base(iterations=1), decide)


@pytest.mark.parametrize("decide", [resumed, extended])
def test_an_arm_that_is_gone_is_refused(decide):
    assert "is gone from the config" in refusal(base(specs=[spec(digest="sha256:b")]), decide)


def test_a_resume_adds_nothing():
    message = refusal(base(articles=(ONE, TWO, THREE), iterations=5))
    assert "articles: 1 are new" in message
    assert "--extend" in message


def test_an_extension_takes_new_articles_iterations_and_arms_in_order():
    arms = [spec("q4_K_M", digest="sha256:c"), spec("q8_0", digest="sha256:a"), spec(digest="sha256:b")]
    new = base(articles=(THREE, TWO, ONE), iterations=5, specs=arms)
    merged = extended(base(), new)
    assert merged.article_ids == (ONE.id, TWO.id, THREE.id)
    assert merged.iterations == 5
    assert [r.spec.quant for r in merged.arms] == ["q8_0", "fp16", "q4_K_M"]
    assert additions(base(), new) == {
        "arms": ["tiny/base/q4_K_M@fake"],
        "article_ids": [THREE.id],
        "iterations": 3,
    }


def test_an_extension_never_changes_what_was_measured():
    assert "sampling" in refusal(base(config={"sampling": {"temperature": 0.7}}, iterations=9), extended)
