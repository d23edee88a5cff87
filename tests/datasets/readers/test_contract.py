"""What holds for every reader."""

import pytest
from pydantic import ValidationError

from bench import plugins
from bench.datasets import readers
from bench.datasets.readers import FileOptions

NAMES = plugins.names(readers.ROOM)


@pytest.mark.parametrize("name", NAMES)
def test_a_reader_says_what_it_takes(name):
    reader = readers.load(name)
    assert issubclass(reader.Options, FileOptions)
    assert reader.LICENCE is None or reader.LICENCE.strip()
    assert callable(reader.inputs)
    assert callable(reader.read)


@pytest.mark.parametrize("name", NAMES)
def test_an_option_that_there_is_not_is_refused(name):
    with pytest.raises(ValidationError, match="extra"):
        readers.load(name).Options.model_validate({"path": "x", "colour": "red"})
