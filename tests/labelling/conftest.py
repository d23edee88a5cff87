"""A recipe that labels invented articles by models on loopback."""

from pathlib import Path

import pytest

from tests.datasets.building import unlike, write_csv
from tests.labelling.server import KEY

RECIPE = """\
name: lab
task: financial_news
sources:
  - {{reader: table, path: a.csv}}
formats: [chat]
labelling:
  poll_s: 0.01
  labellers:
    - name: one
      model: tiny
      options: {{base_url: "{address}", api_key_env: MY_KEY, concurrency: 8, longest_wait_s: 0.1}}
      price: {{prompt: 1, completion: 2}}
"""


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """Writes the recipe for a server and so many articles; its path."""
    monkeypatch.setenv("MY_KEY", KEY)

    def write(server, n_items, *changes, more=""):
        write_csv(tmp_path / "a.csv", ["text"], *[[unlike(n)] for n in range(n_items)])
        text = RECIPE.format(address=server.address)
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = Path(tmp_path, "r.yaml")
        path.write_text(text + more.format(address=server.address))
        return path

    return write
