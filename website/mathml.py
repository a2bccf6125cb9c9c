"""LaTeX formulas as MathML: what the lessons use of LaTeX, and an error for the rest.

Browsers draw MathML by themselves and screen readers read it, so a page needs no script and no font for its formulas.
A parsed part is a pair (kind, MathML). The kind is TeX's: the space between two parts depends on it.
"""

import re
from html import escape

Part = tuple[str, str]  # kind, MathML
THIN = '<mspace width="0.167em"></mspace>'
TOKEN = re.compile(r"\\[a-zA-Z]+|\\.|\d+(?:\.\d+)?|\s+|.", re.S)
LETTERS = {"\\alpha": "α", "\\beta": "β", "\\gamma": "γ", "\\delta": "δ", "\\lambda": "λ", "\\pi": "π", "\\sigma": "σ",
           "\\theta": "θ", "\\rho": "ρ", "\\dots": "…", "\\infty": "∞"}  # fmt: skip
SPACES = {"\\,": 0.167, "\\;": 0.278, "\\ ": 0.25, "\\quad": 1, "\\qquad": 2, "\\!": 0}
RELATIONS = {"=": "=", "<": "&lt;", ">": "&gt;", "\\sim": "∼", "\\neq": "≠", "\\le": "≤", "\\ge": "≥", "\\mid": "∣",
             "\\approx": "≈", "\\to": "→"}  # fmt: skip
SIGNS = {"+": "+", "-": "−", "\\cdot": "·", "\\times": "×", "\\pm": "±"}
OPEN, CLOSE = {"(": "(", "[": "[", "\\{": "{"}, {")": ")", "]": "]", "\\}": "}", "!": "!"}
FUNCTIONS = ("\\log", "\\exp", "\\min", "\\max", "\\ln")
DOUBLE = {"E": "𝔼", "R": "ℝ", "P": "ℙ"}
BARS = {"|": "|", "\\|": "‖", "/": "/"}
SIZES = {"\\big": "1.2em", "\\Big": "1.6em", "\\bigg": "2.1em"}
WIDE = {("ord", "op"), ("close", "op"), ("op", "ord"), ("op", "op")}  # pairs with a thin space between them


def mathml(latex: str, *, display: bool = False) -> str:
    """A formula as an element ``math``; ``display``: on a line of its own."""
    tokens = TOKEN.findall(latex.strip())
    try:
        inner = row(tokens, ())
    except (IndexError, KeyError) as error:
        raise ValueError(
            f"the formula {latex!r} cannot be drawn: {error}. Write it in the LaTeX of mathml.py."
        ) from None
    return f'<math display="block">{inner}</math>' if display else f"<math>{inner}</math>"


def row(tokens: list[str], ends: tuple[str, ...]) -> str:
    """Everything up to one of ``ends``, which is left where it is, or up to the end."""
    parts: list[Part] = []
    while tokens and tokens[0] not in ends:
        if tokens[0].isspace():
            tokens.pop(0)
            continue
        before = parts[-1][0] if parts else "open"
        kind, text = scripted(tokens, before)
        if (before, kind) in WIDE:
            parts.append(("space", THIN))
        parts.append((kind, text))
    return f"<mrow>{''.join(text for _, text in parts)}</mrow>"


def scripted(tokens: list[str], before: str) -> Part:
    """One part with what stands below and above it."""
    kind, text = atom(tokens, before)
    scripts = {}
    while tokens and tokens[0] in "_^":
        place = tokens.pop(0)
        scripts[place] = argument(tokens)
    if not scripts:
        return kind, text
    low, high = scripts.get("_"), scripts.get("^")
    below, above = ("under", "over") if kind == "sum" else ("sub", "sup")
    name = below * (low is not None) + above * (high is not None)
    return kind, f"<m{name}>{text}{low or ''}{high or ''}</m{name}>"


def argument(tokens: list[str]) -> str:
    """What a command takes: a group in braces, or one part. Of the digits in ``\\frac1G`` it is one."""
    while tokens[0].isspace():
        tokens.pop(0)
    if re.fullmatch(r"[\d.]{2,}", tokens[0]):
        tokens[:1] = [tokens[0][0], tokens[0][1:]]
    return atom(tokens, "open")[1]


def words(tokens: list[str]) -> str:
    """The plain text of a group in braces."""
    if tokens.pop(0) != "{":
        raise KeyError("a command for text without braces")
    text = ""
    while (token := tokens.pop(0)) != "}":
        text += token.removeprefix("\\")
    return text


def atom(tokens: list[str], before: str) -> Part:
    """One part without scripts. ``before`` is the kind of the part before it."""
    token = tokens.pop(0)
    if token == "{":
        inner = row(tokens, ("}",))
        tokens.pop(0)
        return "ord", inner
    if token in LETTERS or (len(token) == 1 and token.isalpha()):
        return "ord", f"<mi>{LETTERS.get(token, token)}</mi>"
    if token[0].isdigit():
        return "ord", f"<mn>{token}</mn>"
    if token in SIZES:
        return delimiter(tokens.pop(0), f'minsize="{SIZES[token]}" maxsize="{SIZES[token]}"')
    if token in SPACES:
        return "space", f'<mspace width="{SPACES[token]}em"></mspace>'
    return sign(token, before) or command(token, tokens)


def delimiter(token: str, size: str) -> Part:
    kind = "open" if token in OPEN else "close"
    text = {**OPEN, **CLOSE, **BARS, ".": ""}[token]
    return kind, f'<mo {size} lspace="0" rspace="0">{text}</mo>'


def sign(token: str, before: str) -> Part | None:
    """An operator, a relation or a bracket, None if it is neither."""
    if token in SIGNS:
        first = before in ("open", "bin", "rel", "punct")  # the minus of -x, not of y - x
        return ("ord", f'<mo form="prefix">{SIGNS[token]}</mo>') if first else ("bin", f"<mo>{SIGNS[token]}</mo>")
    if token in RELATIONS:
        return "rel", f'<mo lspace="0.278em" rspace="0.278em">{RELATIONS[token]}</mo>'
    if token in OPEN or token in CLOSE or token in BARS:
        kind, text = delimiter(token, 'stretchy="false"')
        return ("ord" if token in BARS else kind), text
    if token == ",":
        return "punct", "<mo>,</mo>"
    if token in "*.;:'":
        return "ord", f'<mo lspace="0" rspace="0">{"∗" if token == "*" else token}</mo>'
    return None


def command(token: str, tokens: list[str]) -> Part:
    """A command with its arguments."""
    if token in FUNCTIONS:
        return "op", f"<mi>{token[1:]}</mi>"
    if token == "\\sum":
        return "sum", "<mo>∑</mo>"
    if token == "\\nabla":
        return "ord", '<mi mathvariant="normal">∇</mi>'
    if token == "\\text":
        return "ord", f"<mtext>{escape(words(tokens).replace(' ', chr(0xA0)))}</mtext>"
    if token in ("\\mathrm", "\\operatorname"):
        name = words(tokens)
        upright = ' mathvariant="normal"' if len(name) == 1 else ""  # a name of more letters is upright by itself
        return "ord", f"<mi{upright}>{escape(name)}</mi>"
    if token == "\\mathbb":
        return "ord", f"<mi>{DOUBLE[words(tokens)]}</mi>"
    if token in ("\\frac", "\\tfrac"):
        inner = f"<mfrac>{argument(tokens)}{argument(tokens)}</mfrac>"
        return "ord", f'<mstyle displaystyle="false">{inner}</mstyle>' if token == "\\tfrac" else inner
    if token in ("\\sqrt", "\\phantom"):
        name = token[1:].replace("sqrt", "msqrt").replace("phantom", "mphantom")
        return "ord", f"<{name}>{argument(tokens)}</{name}>"
    if token == "\\left":
        return fenced(tokens)
    if token == "\\begin" and words(tokens) == "aligned":
        return "ord", aligned(tokens)
    raise KeyError(f"{token} is not known")


def fenced(tokens: list[str]) -> Part:
    """``\\left( ... \\right)``: brackets as high as what they hold."""
    high = 'stretchy="true"'
    left = delimiter(tokens.pop(0), high)[1]
    inner = row(tokens, ("\\right",))
    tokens.pop(0)
    right = delimiter(tokens.pop(0), high)[1]
    return "close", f"<mrow>{left}{inner}{right}</mrow>"


def aligned(tokens: list[str]) -> str:
    """Lines under each other, cut at ``&`` into columns that face each other in pairs."""
    lines: list[list[str]] = [[]]
    while True:
        lines[-1].append(row(tokens, ("&", "\\\\", "\\end")))
        if (end := tokens.pop(0)) == "\\end":
            words(tokens)
            break
        if end == "\\\\":
            lines.append([])
            if tokens[:1] == ["["]:  # more space below the line, which all lines have here
                del tokens[: tokens.index("]") + 1]
    rows = "".join(f"<mtr>{''.join(f'<mtd>{cell}</mtd>' for cell in line)}</mtr>" for line in lines)
    return f'<mtable displaystyle="true">{rows}</mtable>'
