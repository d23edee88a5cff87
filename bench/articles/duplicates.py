"""Near-duplicates: the same wire story on two sites.

In: texts in order. Out: for each the place of the earlier text that it repeats, None where it is new. Texts
are compared as sets of five-word runs (a character is a word in scripts without spaces): one repeats another
when most of the shorter one's runs are in the longer. Paraphrases are not found.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

_RUN = 5
_SHARED = 0.7
_TOKEN = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+"
)


def repeated(texts: Sequence[str]) -> list[int | None]:
    """For each text the place of the first earlier one that it is a near-duplicate of."""
    seen: dict[int, list[int]] = defaultdict(list)
    sizes: list[int] = []
    result: list[int | None] = []
    for place, text in enumerate(texts):
        runs = _runs(text)
        shared = Counter(earlier for run in runs for earlier in seen.get(run, ()))
        same = [e for e, n in shared.items() if n >= _SHARED * min(sizes[e], len(runs))]
        result.append(min(same, default=None))
        sizes.append(len(runs))
        if not same:
            for run in runs:
                seen[run].append(place)
    return result


def _runs(text: str) -> set[int]:
    words = _TOKEN.findall(text.casefold())
    if len(words) < _RUN:
        return {hash(tuple(words))}
    return {hash(tuple(words[i : i + _RUN])) for i in range(len(words) - _RUN + 1)}
