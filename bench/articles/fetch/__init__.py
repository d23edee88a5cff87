"""Fetching documents over HTTP: `client.Client` fetches, `outcome` says what came of it.

In: addresses and the `articles.fetch` section of a config. Out: documents. It extracts nothing, and this
file imports nothing, so that a run on articles that are there already needs no HTTP library.
"""
