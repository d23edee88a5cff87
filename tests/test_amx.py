"""When the engine may repack weights for this processor."""

import pytest

from bench.amx import repacks_weights


@pytest.mark.parametrize(
    ("system", "repacks"), [(b"CPU : AVX512 = 1 | AMX_INT8 = 1 | ", False), (b"CPU : AVX2 = 1 | ", True)]
)
def test_a_build_with_amx_leaves_weights_as_they_are(system, repacks):
    assert repacks_weights(system) is repacks
