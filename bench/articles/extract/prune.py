"""What is not the article, cut out of the tree before the main text is looked for.

In: a parsed page. Out: the same tree, changed in place: without scripts, cookie and share bars, newsletter
boxes, captions, teasers of other stories; with loose text in paragraphs and a body that was cut into
several containers in one. An element that holds much of the page's prose is never cut out, whatever it
is called. It knows names that many sites use, and no site.
"""

from __future__ import annotations

import re
from collections import defaultdict
from functools import lru_cache

from lxml import etree
from lxml.html import HtmlElement

from bench.articles.extract.phrases import any_of

_DROPPED = frozenset(
    [
        "script",
        "style",
        "noscript",
        "template",
        "svg",
        "canvas",
        "iframe",
        "object",
        "embed",
        "button",
        "select",
        "textarea",
        "input",
        "figcaption",
        "audio",
        "video",
        "map",
    ]
)
_BLOCKS = frozenset(
    [
        "p",
        "div",
        "ul",
        "ol",
        "li",
        "dl",
        "table",
        "tr",
        "td",
        "th",
        "tbody",
        "thead",
        "section",
        "article",
        "aside",
        "header",
        "footer",
        "main",
        "figure",
        "blockquote",
        "pre",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "form",
        "fieldset",
        "nav",
        "iframe",
        "script",
        "style",
        "video",
        "audio",
        "details",
        "address",
        "center",
    ]
)
_CONTAINERS = frozenset({"div", "td", "section", "article", "main", "center"})
_NOISE = any_of("noise")
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_QUOTED_POST = re.compile(r"twitter-tweet|instagram-media|twitter-video", re.IGNORECASE)
_NEVER_WHOLE = frozenset({"html", "body", "main", "article", "p", "h1"})
_LARGEST_SHARE = 0.3
_LONGEST_NAMES = 1000
_LABEL_CHARS = 30
_SHORTEST_POINTER = 15
_SHORTEST_LINK_LIST = 3
_LOOSE_CHARS = 80


def pruned(tree: HtmlElement) -> HtmlElement:
    """The tree without what is not the article."""
    etree.strip_elements(tree, *_DROPPED, etree.Comment, with_tail=False)
    _keep_quoted_posts(tree)
    _drop_noise(tree)
    _drop_link_paragraphs(tree)
    _drop_link_lists(tree)
    _join_split_body(tree)
    _wrap_loose_text(tree)
    return tree


def _names(element: HtmlElement) -> str:
    return f"{element.get('class') or ''} {element.get('id') or ''}"


def is_hidden(element: HtmlElement) -> bool:
    """Whether an attribute of its own hides an element."""
    return "hidden" in element.attrib or bool(_HIDDEN.search(element.get("style") or ""))


def text_of(element: HtmlElement) -> str:
    """All text below an element, white space collapsed."""
    return " ".join("".join(element.itertext()).split())


def _prose_chars(element: HtmlElement) -> int:
    return sum(len(text_of(p)) for p in element.iter("p"))


def _keep_quoted_posts(tree: HtmlElement) -> None:
    """A post that the article quotes is part of it: take away the names by which embeds are dropped."""
    for quote in tree.iter("blockquote"):
        if not _QUOTED_POST.search(_names(quote)):
            continue
        quote.tag = "div"
        element, n_chars = quote, len(text_of(quote))
        while element is not None and len(text_of(element)) <= n_chars and element.tag in {"div", "figure"}:
            element.attrib.clear()
            element.tag = "div"
            element = element.getparent()


@lru_cache(maxsize=4096)
def _is_noise(names: str) -> bool:
    return len(names) < _LONGEST_NAMES and bool(_NOISE.search(names))


def _drop_noise(tree: HtmlElement) -> None:
    largest = _LARGEST_SHARE * max(1, _prose_chars(tree))
    for element in list(tree.iter()):
        if element.tag in _NEVER_WHOLE or not isinstance(element.tag, str):
            continue
        is_noise = (
            element.tag in {"form", "nav", "dialog"}
            or _is_noise(_names(element))
            or is_hidden(element)
            or element.get("aria-hidden") == "true"
            or element.get("role") in {"navigation", "dialog", "alertdialog", "banner", "contentinfo"}
        )
        if (
            is_noise
            and element.getparent() is not None
            and _prose_chars(element) <= largest
            and not element.xpath("boolean(.//h1)")
        ):
            element.drop_tree()


def _drop_link_paragraphs(tree: HtmlElement) -> None:
    """Paragraphs that are but a link to another story, with or without a label such as `Read more:`."""
    for paragraph in list(tree.iter("p", "h2", "h3", "h4")):
        links = [text_of(a) for a in paragraph.iter("a") if a.get("href")]
        n_linked = sum(len(link) for link in links if not link.startswith(("http://", "https://", "www.")))
        if n_linked < _SHORTEST_POINTER or paragraph.getparent() is None:
            continue
        text = text_of(paragraph)
        n_other = len(text) - n_linked
        label = text[: max(0, text.find(links[0]))].strip()
        is_label = (
            n_other <= _LABEL_CHARS
            and label.endswith((":", "：", "»", ">", "|"))
            and len(label) >= n_other - 3
        )
        if n_other <= 2 or is_label:
            paragraph.drop_tree()


def _join_split_body(tree: HtmlElement) -> None:
    """Move the paragraphs of equally named containers of one article into the first of them."""
    groups: dict[tuple[object, ...], list[HtmlElement]] = defaultdict(list)
    for paragraph in tree.iter("p"):
        parent = paragraph.getparent()
        if parent is None or parent.tag not in {"div", "section"} or not parent.get("class"):
            continue
        article = next((a for a in parent.iterancestors() if a.tag in {"article", "main"}), None)
        key = (article, parent.tag, " ".join((parent.get("class") or "").split()))
        if article is not None and (not groups[key] or groups[key][-1] is not parent):
            groups[key].append(parent)
    for parts in groups.values():
        distinct = list(dict.fromkeys(parts))
        if len(distinct) > 1 and all(_is_body_part(part) for part in distinct):
            first = distinct[0]
            for part in distinct[1:]:
                first.extend(list(part))


def _is_body_part(element: HtmlElement) -> bool:
    paragraphs = [text_of(p) for p in element if p.tag == "p"]
    return len(paragraphs) >= 2 and sum(map(len, paragraphs)) >= 300


def _drop_link_lists(tree: HtmlElement) -> None:
    """Lists of nothing but links: other stories, never this one."""
    for group in list(tree.iter("ul", "ol")):
        items = [item for item in group if item.tag == "li"]
        if len(items) < _SHORTEST_LINK_LIST or group.getparent() is None:
            continue
        n_chars = len(text_of(group))
        n_linked = sum(len(text_of(a)) for a in group.iter("a") if a.get("href"))
        if n_linked >= 0.8 * n_chars:
            group.drop_tree()


def _wrap_loose_text(tree: HtmlElement) -> None:
    """Text that stands in a container beside blocks gets a paragraph of its own, else it is overlooked."""
    for container in list(tree.iter(*_CONTAINERS)):
        if not any(child.tag in _BLOCKS for child in container):
            continue
        loose = sum(len((t or "").strip()) for t in (container.text, *(child.tail for child in container)))
        if loose >= _LOOSE_CHARS:
            _wrap_runs(container)


def _wrap_runs(container: HtmlElement) -> None:
    run = container.makeelement("p")
    run.text, container.text = container.text, None
    for child in [*container, None]:
        if child is not None and child.tag not in _BLOCKS and not (child.tag == "br" and _is_break(child)):
            run.append(child)  # its tail goes with it
            continue
        if len(text_of(run)) >= 2:
            place = len(container) if child is None else container.index(child)
            container.insert(place, run)
        if child is not None:
            run = container.makeelement("p")
            run.text, child.tail = child.tail, None


def _is_break(br: HtmlElement) -> bool:
    """Whether a `br` ends a paragraph: the next thing is another `br`."""
    following = br.getnext()
    return not (br.tail or "").strip() and following is not None and following.tag == "br"
