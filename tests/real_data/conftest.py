"""Where the public data for measurements lies; without it these tests are skipped."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def real_data():
    """The folder `../shared/data` beside the repository, or the one `$BENCH_REAL_DATA` names."""
    folder = Path(os.environ.get("BENCH_REAL_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no public data at {folder.name}: set BENCH_REAL_DATA to its folder")
    return folder
