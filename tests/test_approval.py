"""A sign-off is bound to what was reviewed."""

import json
from pathlib import Path

import pytest

from bench.approval import approve, folders_of, require_approval
from bench.config import Config, GateConfig
from bench.errors import ApprovalError, UsageError
from bench.report import make_report
from tests.builders import spec
from tests.gate_runs import steady, write_run

FP16, Q8, Q4 = (spec(quant).arm for quant in ("fp16", "q8_0", "q4_K_M"))


def with_margins(**margins):
    model = {"family": "tiny", "variant": "base", "quants": ["q8_0"], "backend": "fake", "ref": "x"}
    return Config.model_validate({"models": (model,), "gate": GateConfig(**margins)})


@pytest.fixture
def folders():
    """A small run with tables, and a heatmap to look at."""
    scores = {"fp16": steady(10, 3, 1), "q8_0": steady(10, 3, 2), "q4_K_M": steady(10, 3, 3)}
    folder = write_run(scores)
    make_report(folder, Path("reports"), Path("heatmaps"), only=["csv"])
    Path("heatmaps/r").mkdir(parents=True)
    Path("heatmaps/r/drift.png").write_bytes(b"picture")
    return folders_of(folder, Path("reports"), Path("heatmaps"))


def signed(folders, arm="q8_0", **options):
    return approve(folders, arm, "Ann", "looked at all of it", **options)


def test_a_sign_off_names_arm_person_note_and_verdict(folders):
    given = signed(folders)
    assert (given.arm, given.by, given.note, given.verdict) == (
        Q8,
        "Ann",
        "looked at all of it",
        "not_enough_data",
    )
    data = json.loads(Path("reports/r/approval.json").read_text())
    assert [found["arm"] for found in data["approvals"]] == [Q8]


def test_a_fresh_sign_off_is_enough(folders):
    signed(folders)
    assert [given.arm for given in require_approval(folders, [])] == [Q8]
    assert [given.arm for given in require_approval(folders, [Q8])] == [Q8]


def test_without_a_sign_off_the_way_to_one_is_said(folders):
    with pytest.raises(ApprovalError, match="bench approve r --arm"):
        require_approval(folders, [])


def test_another_arms_sign_off_does_not_count(folders):
    signed(folders)
    with pytest.raises(ApprovalError, match=f"{Q4}: not approved"):
        require_approval(folders, [Q8, Q4])


def test_making_the_report_again_does_not_void_it(folders):
    signed(folders)
    make_report(folders.run, Path("reports"), Path("heatmaps"), only=["csv"])
    assert require_approval(folders, [Q8])


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("sentiments/r/manifest.json", "manifest.json changed"),
        ("reports/r/tables/pairs.csv", "tables/pairs.csv changed"),
        ("heatmaps/r/drift.png", "heatmaps/drift.png changed"),
    ],
)
def test_a_changed_file_is_named(folders, path, named):
    signed(folders)
    Path(path).write_bytes(Path(path).read_bytes() + b"\n")
    with pytest.raises(ApprovalError, match=f"approval by Ann is stale: {named}"):
        require_approval(folders, [Q8])


def test_changed_articles_are_named_though_their_texts_are_the_same(folders):
    signed(folders)
    path = folders.run / "articles.jsonl"
    path.write_text(path.read_text().replace('"title":null', '"title":"x"', 1))
    with pytest.raises(ApprovalError, match=r"stale: articles\.jsonl changed"):
        require_approval(folders, [Q8])


def test_changed_samples_are_named(folders):
    signed(folders)
    path = next((folders.run / "samples").iterdir())
    path.write_text(path.read_text().replace('"seed":1', '"seed":2', 1))
    with pytest.raises(ApprovalError, match=f"samples/{path.name} changed"):
        require_approval(folders, [Q8])


def test_a_new_and_a_missing_file_are_named(folders):
    signed(folders)
    Path("heatmaps/r/drift.png").rename("heatmaps/r/other.png")
    with pytest.raises(ApprovalError, match=r"heatmaps/drift.png is gone; heatmaps/other.png is new"):
        require_approval(folders, [Q8])


def test_another_margin_voids_it(folders):
    signed(folders)
    with pytest.raises(ApprovalError, match=r"margin mean was 0.05, is 0.1"):
        require_approval(folders, [Q8], with_margins(mean=0.1))


def test_another_baseline_voids_it(folders):
    signed(folders)
    with pytest.raises(ApprovalError, match="its baseline was"):
        require_approval(folders, [Q8], baseline="q4_K_M")


def test_approving_again_replaces_the_same_arms_sign_off(folders):
    signed(folders)
    signed(folders, "q4_K_M")
    Path("heatmaps/r/drift.png").write_bytes(b"another")
    signed(folders)
    assert [given.arm for given in require_approval(folders, [Q8])] == [Q8]
    with pytest.raises(ApprovalError, match="stale"):
        require_approval(folders, [])


@pytest.mark.parametrize("missing", ["tables", "heatmaps"])
def test_nothing_can_be_approved_before_there_is_something_to_review(folders, missing):
    for path in {"tables": folders.report / "tables", "heatmaps": folders.heatmaps}[missing].iterdir():
        path.unlink()
    with pytest.raises(UsageError, match=f"no {missing} to review; make them: bench report r"):
        signed(folders)


def test_a_sign_off_needs_a_name_and_a_note(folders):
    with pytest.raises(UsageError, match="--by and --note"):
        approve(folders, "q8_0", " ", "x")


def test_a_damaged_approval_is_none(folders):
    Path("reports/r/approval.json").write_text("{")
    with pytest.raises(ApprovalError, match="not an approval"):
        require_approval(folders, [])


def test_an_approval_from_before_articles_were_looked_at_still_counts(folders):
    signed(folders)
    path = Path("reports/r/approval.json")
    data = json.loads(path.read_text())
    assert data["approvals"][0]["reviewed"].pop("articles").startswith("sha256:")
    path.write_text(json.dumps(data))
    assert [given.arm for given in require_approval(folders, [])] == [Q8]
