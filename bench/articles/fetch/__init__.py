"""Fetching documents over HTTP: `Client`, what it gives and why it does not.

In: addresses and the `articles.fetch` section of a config. Out: documents. It extracts nothing.
"""

from bench.articles.fetch.client import Client
from bench.articles.fetch.outcome import Fetched, FetchError, Reason

__all__ = ["Client", "FetchError", "Fetched", "Reason"]
