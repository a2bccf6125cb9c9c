"""Markdown as HTML: CommonMark with GitHub's tables and anchors; in a notebook also formulas between dollar signs."""

import re
from collections.abc import Callable
from functools import lru_cache
from html import escape
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline

from website.code import highlighted
from website.links import is_external, numbered, slug
from website.mathml import mathml

FORMULA = re.compile(r"\$\$(?P<display>.+?)\$\$|\$(?! )(?P<inline>[^$\n]+?)(?<! )\$(?!\d)", re.S)
Rewrite = Callable[[str], str]


def html(text: str, rewrite: Rewrite, taken: list[str], *, formulas: bool = False) -> str:
    """A text as HTML. ``rewrite`` gives the address of each link; anchors of headings are added to ``taken``."""
    parser = parsers(formulas)
    tokens = parser.parse(text)
    for i, token in enumerate(tokens):
        if token.type == "heading_open":
            token.attrSet("id", numbered(slug(plain(tokens[i + 1].children)), taken))
        for child in token.children or ():
            linked(child, rewrite)
    page = str(parser.renderer.render(tokens, parser.options, {}))
    return page.replace("<th></th>", "<td></td>")  # the empty corner of a table is the heading of nothing


def plain(tokens: list[Any] | None) -> str:
    """The letters of a heading, without its marks."""
    return "".join(token.content for token in tokens or () if token.type in ("text", "code_inline", "formula"))


def linked(token: Any, rewrite: Rewrite) -> None:
    """A link or a picture with the address that it has on the site. A picture from elsewhere, a badge, is its words."""
    name = {"link_open": "href", "image": "src"}.get(token.type)
    if name is None:
        return
    if token.type == "image" and is_external(str(token.attrGet(name))):
        token.type, token.tag = "text", ""
        return
    token.attrSet(name, rewrite(str(token.attrGet(name))))
    if token.type == "image":
        token.attrSet("loading", "lazy")


@lru_cache
def parsers(formulas: bool) -> MarkdownIt:
    """The parser with our way to write tables, code and formulas."""
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    rules: dict[str, Callable] = {
        "table_open": lambda *_: '<div class="scroll"><table>',
        "table_close": lambda *_: "</table></div>\n",
        "fence": lambda _, tokens, i, *others: highlighted(tokens[i].content, tokens[i].info.split(" ")[0]),
        "code_block": lambda _, tokens, i, *others: highlighted(tokens[i].content, ""),
        "code_inline": lambda _, tokens, i, *others: f"<code>{breakable(tokens[i].content)}</code>",
        "formula": lambda _, tokens, i, *others: formula(tokens[i].content, tokens[i].info == "display"),
    }
    for name, rule in rules.items():
        parser.add_render_rule(name, rule)
    if formulas:
        parser.inline.ruler.before("escape", "formula", read_formula)
    return parser


def breakable(code: str) -> str:
    """Code in a sentence: may be broken after a dot, a slash or an equals sign, and not in --option or -m."""
    text = re.sub(r"([./=])(?=\w)", r"\1<wbr>", escape(code, quote=False))
    return re.sub(r"(?<!\S)--?\w[\w-]*", r'<span class="word">\g<0></span>', text)


def formula(latex: str, display: bool) -> str:
    drawn = mathml(latex, display=display)
    return f'<span class="formula scroll">{drawn}</span>' if display else drawn


def read_formula(state: StateInline, silent: bool) -> bool:
    """markdown-it's rule for a formula: reads it as it stands, before underscores and backslashes mean anything."""
    found = FORMULA.match(state.src, state.pos)
    if found is None:
        return False
    if not silent:
        token = state.push("formula", "", 0)
        token.info = found.lastgroup or ""
        token.content = found["display"] or found["inline"]
    state.pos = found.end()
    return True
