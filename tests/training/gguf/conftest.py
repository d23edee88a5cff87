"""Folders of each family and their files, made once."""

import pytest

from tests.training.gguf import families


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory):
    """A family's folder, made when it is first asked for; not to be changed."""
    made = {}

    def folder(family):
        if family not in made:
            made[family] = families.make(family, tmp_path_factory.mktemp(family) / "model")
        return made[family]

    return folder


@pytest.fixture(scope="session")
def file_of(folder_of, tmp_path_factory):
    """A family's GGUF file at a quantization, written when it is first asked for; not to be changed."""
    from bench.training.gguf import write_gguf

    made = {}

    def file(family, quant="fp16"):
        if (family, quant) not in made:
            target = tmp_path_factory.mktemp("gguf") / f"{family}-{quant}.gguf"
            made[family, quant] = write_gguf(folder_of(family), target, f"small {family}", quant).path
        return made[family, quant]

    return file
