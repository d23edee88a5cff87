"""`config.yaml` as frozen records, with the file and line of everything that is wrong with it.

In: a YAML file. Out: a Config, and from it the arms. It opens no model and reads no article.
Paths in a config are relative to the folder `bench` is started in, where `sentiments/`, `reports/`
and `heatmaps/` are too.
"""

from __future__ import annotations

import string
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from bench import yaml_file
from bench.errors import ConfigError, UsageError
from bench.identity import match_arm
from bench.records import ModelSpec, Name, Output, Record, Sampling, Style, Text
from bench.yaml_file import Location


class CompanyConfig(Record):
    """A company that articles are judged about."""

    name: Text = ""
    """The name the prompt uses; without it the ticker's, looked up where the extra `yahoo` is installed."""
    aliases: tuple[Text, ...] = ()
    """Other names that texts use for it."""
    ticker: Text | None = None
    """The exchange symbol."""

    @model_validator(mode="after")
    def _is_named(self) -> Self:
        if not self.name.strip() and not (self.ticker or "").strip():
            raise ValueError("a company needs a name or a ticker")
        return self


class FetchConfig(Record):
    """How pages and feeds are fetched."""

    cache: Text | None = None
    """Folder of the cache; without it the user's cache folder."""
    cache_hours: float = Field(24.0, ge=0)
    """So long a cached page is taken without asking; older ones are asked for again, if they changed."""
    per_host_s: float = Field(0.5, ge=0, le=3600)
    """Least seconds between the starts of two requests to one host; robots.txt may ask for more."""
    connect_s: float = Field(10.0, gt=0, le=600)
    """Longest wait for a connection, and for the next bytes."""
    total_s: float = Field(30.0, gt=0, le=3600)
    """Longest time for one request, however slowly it drips."""
    max_bytes: int = Field(8_000_000, ge=1_000)
    """Largest page or feed, decompressed."""
    retries: int = Field(2, ge=0, le=10)
    """Further attempts after a failure that may pass."""
    longest_wait_s: float = Field(60.0, ge=0, le=3600)
    """Longest Retry-After that is waited for."""
    allow_hosts: tuple[Text, ...] = ()
    """Hosts, `host:port` or networks that may be fetched from though their address is not public."""
    user_agent: Text | None = None
    """Instead of the name and version of this program."""


class ArticlesConfig(Record):
    """Which articles every arm is asked about."""

    source: Text = "sample"
    """`sample` (what comes with the task, else the bundled articles), a frozen set's name, a `.jsonl` file,
    `files` or `phrasebank`; to be fetched and frozen before a run: `yahoo`, `rss`, `urls`."""
    limit: int | None = Field(None, ge=1)
    """Take only the first so many."""
    path: Text | None = None
    """`files`: a .jsonl or .csv file, or a folder of .txt and .html files; `phrasebank`: one of its files."""
    columns: dict[str, Text] = Field(default_factory=dict)
    """`files`: which column of a .csv file is `text`, `label`, ...; its other columns are left alone."""
    label_map: dict[str, Text] = Field(default_factory=dict)
    """What the labels of the articles are called by the task, where a data set has other names."""
    tickers: tuple[Text, ...] = ()
    """`yahoo`: the exchange symbols whose news is read."""
    feeds: tuple[Text, ...] = ()
    """`rss`: addresses or files of RSS, Atom or JSON feeds."""
    urls: tuple[Text, ...] = ()
    """`urls`: addresses of articles."""
    company: CompanyConfig | None = None
    """Who every article is judged about."""
    companies: tuple[CompanyConfig, ...] = ()
    """Several of them: each article is judged about the one it speaks of most."""
    relevant_only: bool = False
    """Keep only the paragraphs that speak of the company."""
    max_age_days: float | None = Field(None, gt=0)
    """Leave out what is older; what has no date stays."""
    max_items: int | None = Field(None, ge=1)
    """At most so many of each feed or ticker, the newest first."""
    offline: bool = False
    """Use the cache only, and say what is missing there."""
    fetch: FetchConfig = FetchConfig()
    """How pages and feeds are fetched."""

    @model_validator(mode="after")
    def _names_companies_once(self) -> Self:
        if self.company is not None and self.companies:
            raise ValueError("give `company` or `companies`, not both")
        return self

    @property
    def all_companies(self) -> tuple[CompanyConfig, ...]:
        """The companies, however they are given."""
        return self.companies or ((self.company,) if self.company else ())


class ModelConfig(Record):
    """One model at one or more quantizations: each quant is an arm."""

    family: Name
    """The model line; quantizations are compared inside one family and variant."""
    variant: Name
    """`base`, `fine-tuned`, or any word that tells trainings of one family apart."""
    quants: tuple[Name, ...] = Field(min_length=1)
    """The quantizations, e.g. `[q4_K_M, q5_K_M, q8_0, fp16]`."""
    backend: Name
    """What runs it: `llama_cpp`, ..."""
    ref: Text
    """What to load; `{family}`, `{variant}` and `{quant}` are filled in."""
    prompt_style: Style = "zero_shot"
    """`few_shot` puts the task's examples into every conversation; usual for untuned models."""
    styles: tuple[Style, ...] = ()
    """Both of them instead of `prompt_style`: every quant is then an arm in each style, and the report says
    whether the examples are worth their tokens."""
    output: Output = "free"
    """`json_schema` constrains decoding to the schema and so hides what free output would show."""
    adapter: Text | None = None
    """A PEFT adapter, where the backend can apply one."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The backend's own options."""

    @model_validator(mode="after")
    def _says_its_style_once(self) -> Self:
        if self.styles and self.prompt_style != "zero_shot":
            raise ValueError("give `prompt_style` or `styles`, not both")
        if (self.styles and len(set(self.styles)) != len(self.styles)) or len(self.styles) == 1:
            raise ValueError("styles: name zero_shot and few_shot, once each; for one write `prompt_style`")
        return self

    @model_validator(mode="after")
    def _ref_tells_quants_apart(self) -> Self:
        try:
            names = {name for _, name, _, _ in string.Formatter().parse(self.ref) if name is not None}
        except ValueError as error:
            raise ValueError(f"ref {self.ref!r}: {error}; write a literal brace twice") from error
        unknown = names - {"family", "variant", "quant"}
        if unknown:
            raise ValueError(
                f"ref {self.ref!r}: unknown placeholder {{{min(unknown)}}}; "
                "there are {family}, {variant} and {quant}"
            )
        if len(self.quants) > 1 and "quant" not in names:
            raise ValueError(
                f"ref {self.ref!r} is the same for {len(self.quants)} quants; put {{quant}} into it"
            )
        return self

    def arms(self) -> Iterator[ModelSpec]:
        """One ModelSpec per style and quant, in the order given."""
        pairs = ((style, quant) for style in self.styles or (self.prompt_style,) for quant in self.quants)
        for style, quant in pairs:
            yield ModelSpec(
                family=self.family,
                variant=self.variant,
                quant=quant,
                backend=self.backend,
                ref=self.ref.format(family=self.family, variant=self.variant, quant=quant),
                adapter=self.adapter,
                prompt_style=style,
                output=self.output,
                options=self.options,
            )


class RepeatConfig(Record):
    """An A/A arm: one of the other arms measured a second time, with seeds of its own."""

    repeat_of: Text
    """The arm, in full or in a shorter form that is unique."""


class GateConfig(Record):
    """Margins of the gate; those on the score are fractions of half the task's score range."""

    valid_drop: float = Field(0.05, gt=0, lt=1)
    """Largest drop of the valid rate against the baseline."""
    valid_floor: float = Field(0.95, ge=0, le=1)
    """Smallest valid rate of any arm."""
    mean: float = Field(0.05, gt=0, allow_inf_nan=False)
    """Largest shift of the mean score, either way."""
    rms: float = Field(0.10, gt=0, allow_inf_nan=False)
    """Largest root-mean-square drift of the articles' scores."""
    variance_ratio: float = Field(2.0, gt=1, allow_inf_nan=False)
    """Largest ratio of the within-article variances."""
    variance_abs: float = Field(0.02, gt=0, allow_inf_nan=False)
    """A rise of the variance below the square of this never matters."""
    labels: float = Field(0.05, gt=0, lt=1)
    """Largest excess disagreement of labels."""
    quality_drop: float = Field(0.02, gt=0, lt=1)
    """Largest drop of the accuracy where articles have labels; where they have only reference scores, the
    largest rise of the mean absolute error."""
    accuracy_floor: float | None = Field(None, ge=0, le=1)
    """Smallest accuracy of any arm; not asked without it."""

    def mean_margin(self, limits: tuple[float, float] | None) -> float:
        """The shift of the mean that does not matter, in units of a score with these limits."""
        return self.mean * ((limits[1] - limits[0]) / 2 if limits else 1.0)


def _entry_kind(value: Any) -> str:
    """Which of the two an entry of `models` is; decided first, so that errors speak of one of them."""
    is_repeat = isinstance(value, RepeatConfig) or (isinstance(value, dict) and "repeat_of" in value)
    return _REPEAT if is_repeat else _MODEL


_MODEL, _REPEAT = "(model)", "(repeat)"
_WIDTHS = ("constrained-int", "literal['auto']")
"""What pydantic calls the two kinds of a width."""
ModelEntry = Annotated[
    Annotated[ModelConfig, Tag(_MODEL)] | Annotated[RepeatConfig, Tag(_REPEAT)], Discriminator(_entry_kind)
]


class Config(Record):
    """Everything `bench run` and `bench report` are told."""

    task: Text = "financial_news"
    """A shipped task, or the path of a `.yaml`, `.py` (it is executed) or `.csv` file."""
    articles: ArticlesConfig = ArticlesConfig()
    """What is read."""
    iterations: int = Field(15, ge=1, le=10_000)
    """How often each arm answers each article."""
    width: Annotated[int, Field(ge=1, le=254)] | Literal["auto"] = 16
    """Answers decoded together, the same for every arm; `auto` chooses once for the run."""
    sampling: Sampling = Sampling()
    """How tokens are drawn, the same for every arm."""
    stop_after_failures: int = Field(10, ge=1)
    """So many failed measurements in a row stop the run; it can be resumed."""
    models: tuple[ModelEntry, ...] = Field(min_length=1)
    """The models under test; `- repeat_of: ARM` measures one of their arms a second time."""
    baseline: Text | None = None
    """A quant or an arm to compare each group with; else fp16, bf16 or fp32."""
    comparisons: tuple[tuple[Text, Text], ...] = ()
    """Further pairs of arms to compare, A minus B."""
    gate: GateConfig = GateConfig()
    """What `bench gate` holds an arm to."""

    def arms(self) -> tuple[ModelSpec, ...]:
        """Every arm, in the order of the file."""
        specs = tuple(s for model in self.models if isinstance(model, ModelConfig) for s in model.arms())
        repeats = (model.repeat_of for model in self.models if isinstance(model, RepeatConfig))
        return specs + tuple(_repeat(find_arm(text, specs)) for text in repeats)

    @model_validator(mode="after")
    def _arms_are_distinct(self) -> Self:
        try:
            ids = [spec.arm for spec in self.arms()]
        except UsageError as error:
            raise yaml_file.PlacedError(("models",), f"repeat_of {error}") from error
        for arm in ids:
            if ids.count(arm) > 1:
                raise yaml_file.PlacedError(
                    ("models",), f"arm {arm} is there twice; give one of them another variant"
                )
        return self


def _repeat(spec: ModelSpec) -> ModelSpec:
    return spec.model_copy(update={"repeat_of": spec.arm})


def find_arm(text: str, specs: tuple[ModelSpec, ...]) -> ModelSpec:
    """The arm that `text` names, in full or in a shorter form that is unique; else UsageError."""
    found = match_arm(text, [spec.arm for spec in specs])
    if len(found) == 1:
        return next(spec for spec in specs if spec.arm == found[0])
    known = ", ".join(found or [spec.arm for spec in specs])
    problem = "fits several arms" if found else "is not an arm"
    raise UsageError(f"{text!r} {problem}; {'say which' if found else 'there are'}: {known}")


# ---------------------------------------------------------------- reading


def load_config(path: Path) -> Config:
    """The config at `path`. ConfigError has one `file:line: what was expected` line per mistake."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(
            f"{path}: no such file; make one with `bench init`, or name yours with --config"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"{path}: cannot be read: {reason}") from error
    document = yaml_file.parsed(text, path, "`bench init` writes a commented one")
    return document.checked(Config, _known_keys, {_MODEL, _REPEAT, *_WIDTHS})


def _known_keys(location: Location) -> list[str]:
    """The keys the record at `location` has."""
    children: dict[str, type[Record]] = {
        "articles": ArticlesConfig,
        "company": CompanyConfig,
        "companies": CompanyConfig,
        "fetch": FetchConfig,
        "sampling": Sampling,
        "models": ModelConfig,
        "gate": GateConfig,
    }
    return yaml_file.known_keys(Config, children, location)


def json_schema() -> dict[str, Any]:
    """The JSON schema of `config.yaml`, for editors; `config.schema.json` holds it."""
    schema = Config.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "bench config"
    return schema
