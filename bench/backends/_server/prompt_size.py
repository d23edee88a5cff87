"""Whether a prompt fits, decided alike for every backend, and whether a server cut one without saying so.

In: how many tokens a server counted. Out: yes or no. The rule is prompt_tokens + max_tokens > context_tokens.
A cut shows as far fewer tokens than the text can have: how many characters the model's tokenizer needs for
a token is measured once, on English prose. Where a text may well fit, nothing is called cut.
"""

from __future__ import annotations

from typing import NamedTuple

from bench.records import Message, Prompt, Sampling

REFERENCE = (
    "The company said on Tuesday that sales in the third quarter rose by four percent, mostly because more "
    "customers renewed their contracts than expected. Its chief executive told reporters that costs had "
    "fallen as well, and that the outlook for the coming year was better than it had been in spring. "
    "Analysts had expected less, and the shares closed a little higher than on the day before."
)
_CUT_BELOW = 0.6
"""A count below this share of the estimate is no honest one; tokens of prose vary far less."""


def overflows(prompt_tokens: int, sampling: Sampling) -> bool:
    """Whether the prompt leaves less than `max_tokens` of the context for the answer."""
    return prompt_tokens + sampling.max_tokens > sampling.context_tokens


def reference_prompt() -> Prompt:
    """A conversation that fits any context and tells how long a token is; also good for a warm-up."""
    messages = (Message(role="user", content=REFERENCE),)
    return Prompt(
        id="reference",
        task="reference",
        task_version="1",
        style="zero_shot",
        article_id="",
        messages=messages,
    )


class Yardstick(NamedTuple):
    """How many characters one token of prose stands for, in one model."""

    chars_per_token: float

    @classmethod
    def measured(cls, prompt_tokens: int | None) -> Yardstick | None:
        """From the tokens of the reference conversation; None where the server did not count them."""
        return None if not prompt_tokens else cls(len(REFERENCE) / prompt_tokens)

    def estimate(self, prompt: Prompt) -> float:
        """Tokens that the prompt should have, if it is prose."""
        return sum(len(message.content) for message in prompt.messages) / self.chars_per_token

    def was_cut(self, prompt: Prompt, prompt_tokens: int, sampling: Sampling) -> bool:
        """Whether a server that counted `prompt_tokens` cannot have read all of a prompt too long for it."""
        expected = self.estimate(prompt)
        is_long = expected + sampling.max_tokens > sampling.context_tokens
        return is_long and prompt_tokens < _CUT_BELOW * expected
