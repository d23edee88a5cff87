"""Collecting: a source's leads become articles, and each that does not says why.

    leads -> fetch -> extract -> age, company, relevance -> near-duplicates -> limit

In: the `articles` section of a config. Out: a Collection: the articles in the source's order, and an Outcome
for every lead. One bad page never costs the others. Nothing is written but the cache of pages.

    bench articles fetch [--offline] [--json]
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from bench.articles import sources
from bench.articles.duplicates import repeated
from bench.articles.extract import Extracted, extract
from bench.articles.fetch.client import Client
from bench.articles.fetch.outcome import Fetched, FetchError
from bench.articles.relevance import company_of, entity_of, most_mentioned, relevant_text
from bench.articles.sources import Failed, Lead
from bench.config import ArticlesConfig, CompanyConfig
from bench.records import Article, Entity

_TRACKING = ("utm_", "fbclid", "gclid", "mc_cid", "mc_eid", "guccounter", "guce_", ".tsrc", "cmpid")


class Outcome(NamedTuple):
    """What became of one lead."""

    where: str
    """Its address or place."""
    status: str
    """`kept`, or why not: a word that can be counted."""
    text: str = ""
    """The reason in one line; "" where it was kept."""
    article: Article | None = None
    """The article, where one was kept."""


class Collection(NamedTuple):
    """What a source gave."""

    articles: tuple[Article, ...]
    outcomes: tuple[Outcome, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Leads by status, the most frequent first."""
        return dict(Counter(outcome.status for outcome in self.outcomes).most_common())


Progress = Callable[[int, int], None]
"""Told how many leads are done, of how many."""


def collect(settings: ArticlesConfig, progress: Progress | None = None) -> Collection:
    """Everything that the source gives now, or that the cache holds where `offline` is set."""
    outcomes = asyncio.run(_outcomes(settings, progress or (lambda done, total: None)))
    outcomes = _without_repeats(outcomes)
    outcomes = _within(settings.limit, outcomes)
    return Collection(tuple(o.article for o in outcomes if o.article is not None), tuple(outcomes))


async def _outcomes(settings: ArticlesConfig, progress: Progress) -> list[Outcome]:
    source = sources.get(settings.source, settings)
    async with Client(settings.fetch, offline=settings.offline) as client:
        found = _each_once(await source.leads(client.get))
        n_done = 0
        with ThreadPoolExecutor(max_workers=1) as reader:  # pages are read while others are on their way

            async def outcome(lead: Lead | Failed) -> Outcome:
                nonlocal n_done
                result = await _outcome(lead, settings, client, reader)
                n_done += 1
                progress(n_done, len(found))
                return result

            progress(0, len(found))
            return list(await asyncio.gather(*map(outcome, found)))


def _each_once(leads: list[Lead | Failed]) -> list[Lead | Failed]:
    """The leads, each address and entity once."""
    seen: set[tuple[str, Entity | None]] = set()
    kept: list[Lead | Failed] = []
    for lead in leads:
        key = (_canonical(lead.url), lead.entity) if isinstance(lead, Lead) and lead.url else None
        if key is None or key not in seen:
            kept.append(lead)
        if key is not None:
            seen.add(key)
    return kept


def _canonical(url: str) -> str:
    """An address without what only tells where its reader came from."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    query = [(k, v) for k, v in parse_qsl(parts.query, keep_blank_values=True) if not k.startswith(_TRACKING)]
    return urlunsplit((parts.scheme, parts.netloc.lower(), parts.path.rstrip("/"), urlencode(query), ""))


async def _outcome(
    lead: Lead | Failed, settings: ArticlesConfig, client: Client, reader: ThreadPoolExecutor
) -> Outcome:
    if isinstance(lead, Failed):
        return Outcome(lead.where, lead.reason, lead.text)
    if lead.article is not None:
        return _judged(lead, lead.article, settings)
    if _is_old(lead.published_at, settings):
        return _too_old(lead.where, settings)
    page = Fetched("", "", lead.page or b"", "text/html; charset=utf-8", datetime.now(UTC))
    if lead.page is None:
        try:
            page = await client.get(lead.url or "")
        except FetchError as error:
            return Outcome(lead.where, error.reason, str(error))
    else:
        page = dataclasses.replace(page, content_type=None)
    loop = asyncio.get_running_loop()
    url = page.final_url or lead.url
    found = await loop.run_in_executor(reader, extract, page.content, url, page.content_type)
    if found.kind != "article":
        return Outcome(lead.where, found.kind, found.reason)
    return _judged(lead, _article(lead, found, page, settings.source), settings)


def _article(lead: Lead, found: Extracted, page: Fetched, source: str) -> Article:
    return Article(
        id="",
        text=found.text,
        title=found.title or lead.title,
        url=page.final_url or lead.url,
        published_at=found.published_at or lead.published_at,
        fetched_at=page.fetched_at if lead.page is None else None,
        source=source,
        entity=lead.entity,
    )


def _judged(lead: Lead, article: Article, settings: ArticlesConfig) -> Outcome:
    """The article with its entity and the paragraphs that count, or why it is left out."""
    if _is_old(article.published_at, settings):
        return _too_old(lead.where, settings)
    company = _company(lead, article, settings)
    text = article.text
    if settings.relevant_only and company is not None:
        text = relevant_text(text, company)
    if (settings.relevant_only or len(settings.all_companies) > 1) and (company is None or not text):
        names = ", ".join(entity_of(c).name for c in settings.all_companies) or "the company"
        return Outcome(
            lead.where, "not_relevant", f"it does not speak of {company.name if company else names}"
        )
    entity = article.entity or lead.entity or (entity_of(company) if company else None)
    update = {"id": Article.make_id(text, entity, article.parts), "text": text, "entity": entity}
    return Outcome(lead.where, "kept", article=article.model_copy(update=update))


def _company(lead: Lead, article: Article, settings: ArticlesConfig) -> CompanyConfig | None:
    """Whom an article is judged about: its own entity's company, else the configured one."""
    companies = settings.all_companies
    entity = article.entity or lead.entity
    if entity is None:
        text = f"{article.title or ''}\n{article.text}"
        return most_mentioned(text, companies) if len(companies) > 1 else next(iter(companies), None)
    known = (c for c in companies if entity in (entity_of(c), Entity(name=c.name, ticker=entity.ticker)))
    same = next(known, None) or next((c for c in companies if c.ticker and c.ticker == entity.ticker), None)
    return same or company_of(entity)


def _is_old(published_at: datetime | None, settings: ArticlesConfig) -> bool:
    if published_at is None or settings.max_age_days is None:
        return False
    at = published_at if published_at.tzinfo else published_at.replace(tzinfo=UTC)
    return datetime.now(UTC) - at > timedelta(days=settings.max_age_days)


def _too_old(where: str, settings: ArticlesConfig) -> Outcome:
    return Outcome(where, "too_old", f"older than {settings.max_age_days:g} days")


def _without_repeats(outcomes: list[Outcome]) -> list[Outcome]:
    """Of near-duplicates about one entity, with the same parts, only the first; of equal ids too."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for place, outcome in enumerate(outcomes):
        if outcome.article is not None:
            entity, parts = outcome.article.entity, outcome.article.parts
            asked = (entity.name if entity else None, tuple(sorted(parts.items())))
            groups.setdefault(asked, []).append(place)
    result = list(outcomes)
    for places in groups.values():
        texts = [a.text for p in places if (a := outcomes[p].article) is not None]
        for place, earlier in zip(places, repeated(texts), strict=True):
            if earlier is not None:
                result[place] = _repeat(outcomes[place], outcomes[places[earlier]])
    return result


def _repeat(outcome: Outcome, first: Outcome) -> Outcome:
    """A near-duplicate; one that contradicts the first is told apart, as the data may need mending."""
    said = f"nearly the same text as {first.where}"
    labels = [one.article.label for one in (outcome, first) if one.article is not None]
    if len(set(labels)) > 1:
        return Outcome(
            outcome.where, "duplicate_with_another_label", f"{said}, which is labelled {labels[1]}"
        )
    return Outcome(outcome.where, "duplicate", said)


def _within(limit: int | None, outcomes: list[Outcome]) -> list[Outcome]:
    """The first `limit` articles; the others are left out as that."""
    n_kept, result = 0, []
    for outcome in outcomes:
        n_kept += outcome.article is not None
        is_over = limit is not None and outcome.article is not None and n_kept > limit
        result.append(Outcome(outcome.where, "over_limit", f"the limit is {limit}") if is_over else outcome)
    return result
