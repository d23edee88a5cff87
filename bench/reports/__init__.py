"""Reports: a workbook, a page, heatmaps and CSV files. They format what others computed, no more.

In: a ReportInput, whose tables come from the analysis. Out: files, the same bytes for the same input.
Any table, column or value may be absent, empty or undefined: a report shows that it is, and never 0.
Text that a model or an article wrote is made inert on its way into every file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench.records import Article, GateResult, Manifest

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ReportInput:
    """Everything that a report may show of one run."""

    tables: Mapping[str, pd.DataFrame]
    """By the name of the CSV file without its suffix: cells, arms, pairs, drift, anova, variance,
    failures, iterations; interaction and agreement where they were computed, and accuracy where articles
    have labels."""
    manifest: Manifest
    """What was measured, and on what."""
    articles: tuple[Article, ...]
    """The frozen articles, in the run's order."""
    invalid: Sequence[Mapping[str, Any]] = ()
    """Some invalid answers of each arm, as samples in the form of `samples/<arm>.jsonl`."""
    valid: Sequence[Mapping[str, Any]] = ()
    """One valid answer of each arm to each of some articles, the same for all arms, in the same form."""
    baselines: Mapping[str, str] = field(default_factory=dict)
    """The arm that each arm is compared with; a baseline, and an arm without one, has none."""
    samples: Callable[[str], Iterable[Mapping[str, Any]]] | None = None
    """Reads every sample of an arm again; None where only tables are at hand."""
    gate: GateResult | None = None
    """The gate's verdict; None where only tables are at hand."""

    def table(self, name: str) -> pd.DataFrame:
        """One table; an empty one where the analysis made none."""
        import pandas as pd

        table = self.tables.get(name)
        return pd.DataFrame() if table is None else table
