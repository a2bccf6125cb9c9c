r"""Which answer does a text state, and which number is it? Read exactly, as a ``Fraction``. Loads nothing heavy.

Decisions, each of which another library takes differently:

- A percent sign is a unit and is dropped: "72%" is 72, never 0.72. So what is equal does not depend on who wrote the sign.
- A comma separates thousands, and only where three digits follow each: 1,234 and LaTeX's 1{,}234. So do spaces, also the
  thin ones: 1 234. "1,2" may be 1.2 or a list of two, and is no number. A leading 0 is no thousand: "0,123" is none either.
- Minus is written with any of the hyphens and dashes that are in use. A currency sign in front is dropped.
- Fractions are a/b, \frac{a}{b}, \frac12, ½ and so on; 2 1/2, 2\frac{1}{2} and 2½ are two and a half. 1.5e3 is 1500.
- A number of more than 1000 digits, or beyond 1e1000, is no number: nobody means it, and to compute it would take forever.
- Digits are 0 to 9: those of other scripts are not read.
"""

import re
import unicodedata
from fractions import Fraction
from itertools import pairwise

MOST = 1000  # digits, and the largest exponent

_DASHES = dict.fromkeys("\u2212\u2010\u2011\u2012\u2013\ufe63\uff0d", "-")
_SPACES = dict.fromkeys("\u00a0\u2009\u202f", " ")
_VULGAR = {
    char: r"\frac{{{}}}{{{}}}".format(*unicodedata.normalize("NFKC", char).split("\u2044"))
    for char in "¼½¾⅐⅑⅒⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"
}
_CHARACTERS = str.maketrans(_DASHES | _SPACES | _VULGAR | {"\u2044": "/"})
_LATEX = {
    "{,}": ",", r"\,": " ", r"\;": " ", r"\:": " ", r"\ ": " ", r"\!": "", r"\%": "%", r"\$": "$", r"\dfrac": r"\frac",
    r"\tfrac": r"\frac", r"\(": "$", r"\)": "$", r"\[": "$", r"\]": "$", r"\times": "\u00d7", r"\cdot": "·", r"\div": "÷",
    r"^\circ": "°", r"^{\circ}": "°",
}  # fmt: skip
_SHORT_FRACTION = re.compile(r"\\frac ?([0-9]) ?([0-9])(?![0-9])")  # \frac12 of LaTeX
_LATEX_RE = re.compile("|".join(map(re.escape, _LATEX)))

_WHOLE = r"(?:[1-9][0-9]{0,2}(?:,[0-9]{3})+(?![0-9])|[1-9][0-9]{0,2}(?: [0-9]{3})+(?![0-9])|[0-9]+)"
_FRACTION = r"(?:\\frac\{{ ?(?P<{0}>[0-9]+) ?\}}\{{ ?(?P<{1}>[0-9]+) ?\}})"
_MIXED = rf"(?P<mixed>[0-9]+) ?(?:{_FRACTION.format('a', 'b')}|(?<= )(?P<c>[0-9]+)/(?P<d>[0-9]+))"
_PLAIN = rf"(?P<top>{_WHOLE}) ?/ ?(?P<bottom>{_WHOLE})|{_FRACTION.format('e', 'f')}"
_DECIMAL = (
    rf"(?P<whole>{_WHOLE})?(?P<part>\.[0-9]+)(?P<power>[eE][+-]?[0-9]+)?|(?P<int>{_WHOLE})(?P<exp>[eE][+-]?[0-9]+)?"
)
NUMBER = re.compile(rf"(?P<sign>[+-]?)[$€£]?(?:{_MIXED}|{_PLAIN}|{_DECIMAL})")  # in a text that was made ``tidy``
_WRAPPING = " \t\r\n$€£*_`"


def tidy(text: str) -> str:
    """The text with one way to write each thing: minus, space, thousands comma, fraction, the brackets of math."""
    text = text.translate(_CHARACTERS)
    if "\\" not in text and "{" not in text:
        return text
    return _SHORT_FRACTION.sub(r"\\frac{\1}{\2}", _LATEX_RE.sub(lambda match: _LATEX[match[0]], text))


def read_number(text: str) -> Fraction | None:
    """The number that the whole text is, exactly; None where it is no number or leaves open which.

    Around it may stand spaces, currency signs, the signs of markdown and math (``**72**``, ``$72$``), and behind it a
    full stop, a comma, a percent sign. A unit may not: "72 apples" is no number. The docstring of this file says which
    ways of writing are read. math-verify 0.9 takes 72% for 0.72 and for 72, lm-eval 0.4.13 compares texts, and inspect-ai
    0.3 compares five significant digits.
    """
    if not isinstance(text, str):
        raise TypeError(f"read_number: text is {type(text).__name__}, expected a str: pass the text of the answer")
    match = NUMBER.fullmatch(tidy(text).strip(_WRAPPING).rstrip(_WRAPPING + ".,;:!%"))
    return value_of(match) if match else None


def value_of(match: re.Match[str]) -> Fraction | None:
    """The value of a match of ``NUMBER``; None where it has no value or one that is too long."""
    if len(match[0]) > MOST:
        return None
    part = {name: re.sub("[, ]", "", text) for name, text in match.groupdict().items() if text is not None}
    top, bottom = next(((part[t], part[b]) for t, b in ("ab", "cd", "ef", ("top", "bottom")) if t in part), ("", ""))
    if top:
        if int(bottom) == 0 or ("mixed" in part and int(top) >= int(bottom)):
            return None
        size = int(part.get("mixed", 0)) + Fraction(int(top), int(bottom))
    else:
        power = part.get("power", part.get("exp", "e0"))[1:]
        if abs(int(power)) > MOST:
            return None
        digits = part.get("int", part.get("whole", "0")) + part.get("part", "")
        size = Fraction(digits) * Fraction(10) ** int(power)
    return -size if part["sign"] == "-" else size


# ---- which text states the answer ------------------------------------------------------------------------------------

_MARK = re.compile(
    r"(?im:^[ \t#*_]*+(?:final[ \t]+)?answer[ \t*_]*$)"  # a heading
    r"|(?i:(?<![a-z])answer[*_\"']*\s*(?:[:\uff1a]|is\b))|(?i:<answer>)|####+"
    r"|(?m:^[ \t]*A:)(?=[^\n]*+\s*+\Z)"
)
_FIRST_STEP = re.compile(r"[ \t*_]*\n[\s*_]*+1[.)][*_]*\s+\S")  # of a list, under the mark
_TERM = r"[-(]*[0-9]+(?:[.,][0-9]+)*[)%]*"
_START = re.compile(  # spaces and signs of markdown and math, then x = and 60 + 12 =
    r"(?:[\s$*_`:({\[\"']|\\(?:text|mathrm|mathbf)\b)*"
    rf"(?:[A-Za-z]\w{{0,20}} *= *)?(?:{_TERM}(?: ?[-+*/\u00d7·÷] ?{_TERM})* ?= ?)*[$*]*"
)
_NO_VALUE = re.compile(  # 72x, 72\pi, 72 + x, 72?, 72 million
    r"[$*_`%})\]]*(?:\s*[+/^=\u00d7·÷?]|-?[^\W_]|\s*\\(?!text|mathrm|mbox)|\s+(?i:hundred|thousand|million|billion|dozen)\b)"
)
_ANOTHER = re.compile(r"(?<![\w^])(?<!\^\{)[0-9]")  # not the 2 of m^2 and cm2
_BRACES = re.compile(r"\\boxed\s*\{|\\[{}]|[{}]")
_LISTED = re.compile(r"[\s$]*(?:[,;]|[,;]?\s*\b(?:or|and)\b)[\s$]*")  # between two boxes
SENTENCE_END = re.compile(r"\n|[.!][$*_`\"')\]}]*(?=\s|$)")


def boxes(text: str) -> list[tuple[int, int, int]]:
    r"""Every closed ``\boxed{...}``: where it starts, where its content starts, where that ends. In order of the starts."""
    open_: list[tuple[int, int]] = []
    found = []
    for brace in _BRACES.finditer(text):
        if brace[0] == "}" and open_:
            start, content = open_.pop()
            if text[start] == "\\":
                found.append((start, content, brace.start()))
        elif brace[0].endswith("{") and brace[0] != r"\{":
            open_.append((brace.start(), brace.end()))
    return sorted(found)


def stated(text: str) -> str | None:
    """The text of the number at the start; "" where a second one follows, or no end; None where none is at the start."""
    before = None if _FIRST_STEP.match(text) else _START.match(text)
    if before is None:
        return None
    number = NUMBER.match(text, before.end())
    if number is None:
        return None
    end = SENTENCE_END.search(text, number.end())
    rest = text[number.end() : end.start() if end else None]
    return "" if _NO_VALUE.match(rest) or _ANOTHER.search(rest) else number[0]


def declared_answer(text: str) -> str | None:
    r"""The text of the answer that the completion declares last, ``tidy``; None where it declares none.

    A declaration is one of these marks, directly followed by its number (``**``, ``$`` and ``x =`` may stand between):

        Answer: 72      the answer is 72      #### 72      \boxed{72}      <answer>72</answer>      A: 72

    - A heading "Answer" or "Final Answer" in a line of its own is one too, but not with a list of steps under it.
    - "A:" is one only where it begins the last line: so OpenAI's solutions of GSM8K end. Elsewhere it may name a choice.
    - The sentence, the line or the box has no other number in it. "71 or 72" and "71, 72" are no answer, and a reason in
      the same sentence costs the answer too: whoever may name two numbers is right too often.
    - The last declaration counts, as people correct themselves. Where that one names two numbers, there is no answer.
    - A box always declares. The other marks do not where no number follows: "The answer is in the next line."
    - Nothing declared is no answer, whatever numbers are in the text.
    """
    if not isinstance(text, str):
        raise TypeError(f"declared_answer: text is {type(text).__name__}, expected a str: pass the completion's text")
    text = tidy(text)
    closed = boxes(text)
    listed = {b[0] for a, b in pairwise(closed) if _LISTED.fullmatch(text, a[2] + 1, b[0])}
    marks = closed + [(mark.start(), mark.end(), len(text)) for mark in _MARK.finditer(text)]
    following = len(text)
    for start, content, end in sorted(marks, reverse=True):
        found = stated(text[content : min(end, following)])
        is_box = text[start] == "\\"
        if found is not None or is_box:
            return None if start in listed else found or None
        following = start
    return None


def extract_answer(text: str) -> Fraction | None:
    """The number that a completion declares as its answer, exactly; None where it declares none, or more than one.

    ``read_number`` of ``declared_answer``: the two say by which rules. Strict on purpose: a verifier that takes any number
    of the text for the answer rewards whoever names many. A truncated completion has no answer; that is the caller's rule.
    """
    found = declared_answer(text)
    return None if found is None else read_number(found)
