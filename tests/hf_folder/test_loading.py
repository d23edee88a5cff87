import warnings
from pathlib import Path

import pytest
from transformers.utils import logging as transformers_logging

from bench.errors import ModelFileError, one_line
from bench.hf_folder.loading import only_errors, quiet, refuse_unfit


@pytest.mark.parametrize("problem", ["missing_keys", "mismatched_keys"])
def test_a_model_that_would_be_partly_random_is_refused(problem):
    with pytest.raises(ModelFileError, match=rf"1 weights are {problem.split('_')[0]} \(e\.g\. lm_head"):
        refuse_unfit(Path("folder"), {problem: ["lm_head.weight"]})


def test_a_model_that_is_whole_is_not_refused():
    refuse_unfit(Path("folder"), {"missing_keys": [], "mismatched_keys": set(), "unexpected_keys": ["more"]})


@pytest.mark.parametrize("block", [quiet, only_errors])
def test_transformers_is_as_loud_afterwards_as_before(block):
    before = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    with block():
        assert transformers_logging.get_verbosity() == transformers_logging.ERROR
        assert not transformers_logging.is_progress_bar_enabled()
    assert (transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()) == before


def test_only_quiet_hides_warnings():
    with quiet():
        warnings.warn("hidden", UserWarning, stacklevel=1)
    with only_errors(), pytest.warns(UserWarning, match="told"):
        warnings.warn("told", UserWarning, stacklevel=1)


def test_an_error_without_words_is_told_by_its_class():
    assert one_line(KeyError()) == "KeyError"
    assert one_line(ValueError("two\n  lines")) == "two lines"
    assert len(one_line(ValueError("x" * 999))) == 300
