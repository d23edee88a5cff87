"""Whether a prompt fits, decided alike for every backend, and whether a server cut one without saying so.

In: how many tokens a server counted. Out: yes or no. The rule is prompt_tokens + max_tokens > context_tokens.
A cut shows as far fewer tokens than the text can have: how many characters the model's tokenizer needs for
a token is measured once, on a short and a longer piece of English prose, so that what a chat template adds
does not count. Where a text may well fit, nothing is called cut.
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
SHORT = "The company said on Tuesday"
_CUT_BELOW = 0.6
"""A count below this share of the estimate is no honest one; tokens of prose vary far less."""


def overflows(prompt_tokens: int, sampling: Sampling) -> bool:
    """Whether the prompt leaves less than `max_tokens` of the context for the answer."""
    return prompt_tokens + sampling.max_tokens > sampling.context_tokens


def reference_prompts() -> tuple[Prompt, Prompt]:
    """Two conversations that fit any context and tell how long a token is; also good for a warm-up."""
    return _prompt(SHORT), _prompt(REFERENCE)


def _prompt(text: str) -> Prompt:
    return Prompt(
        id=f"reference-{len(text)}",
        task="reference",
        task_version="1",
        style="zero_shot",
        article_id="",
        messages=(Message(role="user", content=text),),
    )


class Yardstick(NamedTuple):
    """How many characters one token of prose stands for, in one model."""

    chars_per_token: float

    @classmethod
    def measured(cls, short_tokens: int | None, long_tokens: int | None) -> Yardstick | None:
        """From the tokens of the two conversations; None where the server did not really count them."""
        if short_tokens is None or long_tokens is None or long_tokens <= short_tokens:
            return None
        return cls((len(REFERENCE) - len(SHORT)) / (long_tokens - short_tokens))

    def estimate(self, prompt: Prompt) -> float:
        """Tokens that the prompt should have, if it is prose; without those of the chat template."""
        return sum(len(message.content) for message in prompt.messages) / self.chars_per_token

    def was_cut(self, prompt: Prompt, prompt_tokens: int, sampling: Sampling) -> bool:
        """Whether a server that counted `prompt_tokens` cannot have read all of a prompt too long for it."""
        expected = self.estimate(prompt)
        is_long = expected + sampling.max_tokens > sampling.context_tokens
        return is_long and prompt_tokens < _CUT_BELOW * expected
