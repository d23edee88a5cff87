"""Fixtures of the articles' tests: a site on loopback and settings that reach it fast."""

import pytest

from bench.config import ArticlesConfig
from tests.articles.site import serving


@pytest.fixture
def site():
    with serving() as sites:
        yield sites[0]


@pytest.fixture
def settings(site):
    """Settings that may reach the site, and wait for little."""

    def make(source="urls", **given) -> ArticlesConfig:
        fetch = {
            "allow_hosts": [site.host],
            "per_host_s": 0.0,
            "cache": "cache",
            "retries": 1,
            **given.pop("fetch", {}),
        }
        return ArticlesConfig.model_validate({"source": source, "fetch": fetch, **given})

    return make
