"""`bench articles`: fetch news, see what was kept and why the rest was not, freeze it for runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.errors import MissingExtraError, NoArticlesError, UsageError

if TYPE_CHECKING:
    from bench.articles.collect import Collection, Progress
    from bench.config import ArticlesConfig
    from bench.records import Article

app = typer.Typer(
    no_args_is_help=True, help="Fetch, read and freeze the articles that every arm is asked about."
)

Config = Annotated[Path, typer.Option("--config", "-c", help="The config file.")]
Source = Annotated[
    str | None, typer.Option(help="yahoo, rss, urls, files or sample, instead of the config's.")
]
Ticker = Annotated[list[str] | None, typer.Option(help="An exchange symbol (source yahoo); may be repeated.")]
Feed = Annotated[
    list[str] | None, typer.Option(help="A feed's address or file (source rss); may be repeated.")
]
Url = Annotated[list[str] | None, typer.Option(help="An article's address (source urls); may be repeated.")]
InPath = Annotated[str | None, typer.Option("--path", help="A file or folder (source files).")]
Company = Annotated[str | None, typer.Option(help="The company that every article is judged about.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Keep only the first so many.")]
MaxItems = Annotated[int | None, typer.Option(min=1, help="At most so many of each feed or ticker.")]
MaxAge = Annotated[float | None, typer.Option("--max-age-days", help="Leave out what is older.")]
Relevant = Annotated[bool, typer.Option("--relevant-only", help="Keep only what speaks of the company.")]
Offline = Annotated[bool, typer.Option("--offline", help="Use the cache only.")]
AllowHost = Annotated[
    list[str] | None,
    typer.Option(help="A host, host:port or network that is not public and yet meant; may be repeated."),
]
AsJson = Annotated[bool, typer.Option("--json", help="The result as JSON on stdout.")]


@app.command()
def fetch(
    config: Config = Path("config.yaml"),
    source: Source = None,
    ticker: Ticker = None,
    feed: Feed = None,
    url: Url = None,
    path: InPath = None,
    company: Company = None,
    limit: Limit = None,
    max_items: MaxItems = None,
    max_age_days: MaxAge = None,
    relevant_only: Relevant = False,
    offline: Offline = False,
    allow_host: AllowHost = None,
    as_json: AsJson = False,
) -> None:
    """Fetch into the cache; show what would be kept and why the rest not."""
    settings = _settings(
        config, source=source, tickers=ticker, feeds=feed, urls=url, path=path, company=company, limit=limit,
        max_items=max_items, max_age_days=max_age_days, relevant_only=relevant_only, offline=offline,
        allow_hosts=allow_host,
    )  # fmt: skip
    collection = _collected(settings)
    _print_outcomes(collection, as_json)
    if not collection.articles:
        raise NoArticlesError("no article was kept; the reasons are above")


@app.command()
def freeze(
    name: Annotated[str, typer.Argument(help="The set's name, for `source: NAME`.")],
    config: Config = Path("config.yaml"),
    source: Source = None,
    ticker: Ticker = None,
    feed: Feed = None,
    url: Url = None,
    path: InPath = None,
    company: Company = None,
    limit: Limit = None,
    max_items: MaxItems = None,
    max_age_days: MaxAge = None,
    relevant_only: Relevant = False,
    offline: Offline = False,
    allow_host: AllowHost = None,
    as_json: AsJson = False,
) -> None:
    """Keep what the source gives as a set that never changes again."""
    from bench.articles import frozen

    settings = _settings(
        config, source=source, tickers=ticker, feeds=feed, urls=url, path=path, company=company, limit=limit,
        max_items=max_items, max_age_days=max_age_days, relevant_only=relevant_only, offline=offline,
        allow_hosts=allow_host,
    )  # fmt: skip
    collection = _collected(settings)
    if not as_json:
        _print_outcomes(collection, as_json=False, file=sys.stderr)
    left_out = {status: n for status, n in collection.counts.items() if status != "kept"}
    manifest = frozen.freeze(name, collection.articles, settings.model_dump(mode="json"), left_out)
    if as_json:
        typer.echo(manifest.model_dump_json(indent=2, exclude={"articles"}))
    else:
        typer.echo(f"{frozen.paths(name)[0]}  {manifest.n_articles} articles  {manifest.digest}")


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the frozen sets."""
    from bench.articles import frozen

    sets = [frozen.read_manifest(name) for name in frozen.list_sets()]
    if as_json:
        typer.echo(
            json.dumps([s.model_dump(mode="json", exclude={"articles", "settings"}) for s in sets], indent=2)
        )
        return
    for found in sets:
        typer.echo(
            f"{found.name}  {found.n_articles} articles  {found.created_at:%Y-%m-%d %H:%M}  {found.digest}"
        )
    if not sets:
        typer.echo("no frozen sets yet; bench articles freeze NAME makes one", err=True)


@app.command()
def show(
    source: Annotated[str, typer.Argument(help="A frozen set, a .jsonl file, or a local source.")] = "sample",
    article: Annotated[str | None, typer.Argument(help="An article's id or its beginning: its text.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the articles of a set, or the text of one of them."""
    from bench import articles
    from bench.safe_text import inert

    found = articles.load(source)
    if article is not None:
        found = tuple(a for a in found if a.id.startswith(article))
        if len(found) != 1:
            raise UsageError(f"{source}: {len(found)} articles have an id that begins with {article!a}")
    if as_json:
        for each in found:
            typer.echo(each.model_dump_json())
    elif article is not None:
        only = found[0]
        facts = (only.title, only.url, only.entity.name if only.entity else None, only.published_at)
        for fact in facts:
            if fact is not None:
                typer.echo(inert(str(fact)))
        typer.echo("\n" + inert(only.text))
    else:
        for each in found:
            about = each.entity.name if each.entity else "-"
            typer.echo(
                inert(
                    f"{each.id}  {len(each.text.split()):>5} words  {about}: {each.title or each.text[:60]}"
                )
            )


@app.command()
def extract(
    file: Annotated[str, typer.Argument(help="A saved page, or - for standard input.")],
    url: Annotated[str | None, typer.Option(help="The page's address.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what would be taken from one saved page."""
    from bench.safe_text import inert

    with _extra():
        from bench.articles.extract import extract as extract_page
    from bench.articles.feeds import FeedError, inflated

    try:
        content = inflated(sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes())
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}") from error
    except FeedError as error:
        raise UsageError(f"{file}: {error}") from error
    found = extract_page(content, url)
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
        return
    typer.echo(f"kind: {found.kind}" + (f" ({inert(found.reason)})" if found.reason else ""))
    typer.echo(f"title: {inert(found.title or '-')}")
    typer.echo(f"date: {found.published_at.isoformat() if found.published_at else '-'}")
    typer.echo("\n" + inert(found.text))


# ---------------------------------------------------------------- settings


def _settings(config: Path, **given: Any) -> ArticlesConfig:
    """The config's `articles` section with what the command line says instead, checked as a whole."""
    from pydantic import ValidationError

    from bench.config import ArticlesConfig, load_config

    if config.exists() or config != Path("config.yaml"):
        data = load_config(config).articles.model_dump(mode="json")
    else:
        data = ArticlesConfig().model_dump(mode="json")
    data["source"] = given["source"] or _implied(given) or data["source"]
    for key in ("tickers", "feeds", "urls", "path", "limit", "max_items", "max_age_days"):
        if given[key]:
            data[key] = given[key]
    if given["company"]:
        data |= {"company": {"name": given["company"]}, "companies": []}
    for key in ("relevant_only", "offline"):
        data[key] = data[key] or given[key]
    data["fetch"]["allow_hosts"] += given["allow_hosts"] or []
    try:
        return ArticlesConfig.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"articles.{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _implied(given: dict[str, Any]) -> str | None:
    """The one source that the options speak of."""
    options = {"tickers": "yahoo", "feeds": "rss", "urls": "urls", "path": "files"}
    named = [source for option, source in options.items() if given[option]]
    if len(named) > 1:
        raise UsageError("--ticker, --feed, --url and --path are of different sources; give one kind")
    return named[0] if named else None


# ---------------------------------------------------------------- collecting


@contextmanager
def _extra() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"{error.name} is not installed; pip install 'bench[articles]'") from error


def _collected(settings: ArticlesConfig) -> Collection:
    with _extra():
        from bench.articles.collect import collect
    from bench import articles
    from bench.articles.collect import Collection, Outcome

    if settings.source not in articles.names():  # a set or a file: nothing to fetch or to leave out
        found = articles.load(settings)
        return Collection(found, tuple(Outcome(a.url or a.id, "kept", article=a) for a in found))
    with _bar() as progress:
        return collect(settings, progress)


@contextmanager
def _bar() -> Iterator[Progress]:
    """A bar on stderr in a terminal, nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    columns = (TextColumn("articles"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task("", total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def _print_outcomes(collection: Collection, as_json: bool, file: Any = None) -> None:
    from bench.safe_text import inert

    if as_json:
        rows = [
            {"where": o.where, "status": o.status, "reason": o.text, **_facts(o.article)}
            for o in collection.outcomes
        ]
        typer.echo(json.dumps({"counts": collection.counts, "outcomes": rows}, indent=2))
        return
    width = max((len(o.status) for o in collection.outcomes), default=0)
    for outcome in collection.outcomes:
        article = outcome.article
        note = (
            f"{len(article.text.split())} words: {article.title or article.text[:60]}"
            if article
            else outcome.text
        )
        line = " ".join(inert(f"{outcome.status:{width}}  {outcome.where}  {note}").split("\n"))
        typer.echo(line, file=file)
    counts = ", ".join(f"{n} {status}" for status, n in collection.counts.items())
    typer.echo(f"{len(collection.outcomes)} found: {counts or 'nothing'}", err=True)


def _facts(article: Article | None) -> dict[str, Any]:
    if article is None:
        return {}
    entity = article.entity.name if article.entity else None
    return {"id": article.id, "title": article.title, "entity": entity, "n_chars": len(article.text)}
