"""A model's chat template in Ollama's own words, and the Modelfile that holds it.

In: a chat template in Jinja, as a GGUF has it. Out: the same conversation format as a Go template. The
format is read off what the Jinja template writes for conversations with marked contents; a template that
treats a turn otherwise than by what stands before and after it has no such form, and is refused.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from bench.chat_template import PROBE, ChatTemplate
from bench.errors import ModelFileError

_MARK = "\u27e6{}\u27e7"
_ROLES = ("system", "user", "assistant")


class ChatFormat(NamedTuple):
    """What stands around every turn; after a user's, that is also what opens the answer."""

    around: dict[str, tuple[str, str]]
    """Role -> the text before and after a turn of it."""

    def render(self, turns: tuple[dict[str, str], ...]) -> str:
        """A conversation as a model reads it."""
        parts = [f"{self.around[t['role']][0]}{t['content']}{self.around[t['role']][1]}" for t in turns]
        return "".join(parts)

    def go_template(self) -> str:
        """The format for Ollama, which fills in `.Messages`."""
        branches = "".join(
            f'{{{{ {"if" if i == 0 else "else if"} eq .Role "{role}" }}}}'
            f"{_literal(self.around[role][0])}{{{{ .Content }}}}{_literal(self.around[role][1])}"
            for i, role in enumerate(_ROLES)
        )
        return f"{{{{ range .Messages }}}}{branches}{{{{ end }}}}{{{{ end }}}}"


def chat_format(template: ChatTemplate, where: str) -> ChatFormat:
    """The format of a Jinja template; ModelFileError where it cannot be said as one.

    Ollama puts the text's first token before it by itself, so the template is given an empty one.
    """
    if template.system_merged or template.uses_date:
        what = "takes no system turn" if template.system_merged else "writes today's date"
        raise ModelFileError(f"{where}: its chat template {what}, which a Modelfile of ours cannot say")
    found = _read_off(template)
    if found is None or found.render(PROBE) != template.render(PROBE):
        raise ModelFileError(
            f"{where}: its chat template does more than put texts around turns; make the "
            "model by a Modelfile of your own and `ollama create`, and name it as `ref`"
        )
    return found


def modelfile(source: str, template: str, parameters: dict[str, Any]) -> str:
    """The text of the Modelfile that says the same, for `ollama create`."""
    lines = [f"FROM {source}", f'TEMPLATE """{template}"""']
    for name, value in parameters.items():
        values = value if isinstance(value, list) else [value]
        lines += [f"PARAMETER {name} {json.dumps(one, ensure_ascii=False)}" for one in values]
    return "\n".join(lines) + "\n"


def _read_off(template: ChatTemplate) -> ChatFormat | None:
    """What stands around the turns of a conversation with marked contents."""
    order = ("system", "user", "assistant", "user", "assistant", "user")
    turns = tuple({"role": role, "content": _MARK.format(i)} for i, role in enumerate(order))
    rest, gaps = template.render(turns), []
    for turn in turns:
        before, mark, rest = rest.partition(turn["content"])
        if not mark:
            return None
        gaps.append(before)
    # a user's turn is followed by an assistant's or by the answer, so what opens either may belong to it
    before_user = _before_user(template)
    if before_user is None or gaps[2] != rest or gaps[4] != rest or gaps[3] != gaps[5]:
        return None
    if not (gaps[1].endswith(before_user) and gaps[3].endswith(before_user)):
        return None
    return ChatFormat(
        {
            "system": (gaps[0], gaps[1].removesuffix(before_user)),
            "user": (before_user, rest),
            "assistant": ("", gaps[3].removesuffix(before_user)),
        }
    )


def _before_user(template: ChatTemplate) -> str | None:
    """What precedes a user's turn, seen where a conversation begins with one."""
    mark = _MARK.format(0)
    before, found, _ = template.render(({"role": "user", "content": mark},)).partition(mark)
    return before if found else None


def _literal(text: str) -> str:
    """Text that a Go template writes as it is."""
    if not text:
        return ""
    return "{{ " + json.dumps(text, ensure_ascii=False) + " }}"
