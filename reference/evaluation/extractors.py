r"""Eight ways to find the answer in a completion, and each one's way to compare it with the right one.

They disagree on ordinary completions, so a score without the name of its extractor says little:
``python -m reference.evaluation.judged_answers`` counts how often each is wrong. Loads nothing heavy.
"""

import importlib.util
import logging
import re
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from reference.evaluation.answers import NUMBER, SENTENCE_END, boxes, declared_answer, read_number, tidy


@dataclass(frozen=True)
class Extractor:
    """``find`` takes a completion and gives the text of its answer, or None; ``same`` compares that with the gold answer.

    A truncated completion has no answer, whatever ``find`` gives: a text does not show it, so the caller has to know.
    """

    name: str
    words: str
    find: Callable[[str], str | None]
    same: Callable[[str, str], bool]


def right(extractor: Extractor, completion: str, gold: str) -> bool:
    """Whether the extractor finds an answer, and takes it for the gold one."""
    found = extractor.find(completion)
    return found is not None and extractor.same(found, gold)


def same_number(found: str, gold: str) -> bool:
    """Equal as exact numbers where both are numbers (``read_number``), else as texts without the spaces around."""
    a, b = read_number(found), read_number(gold)
    return found.strip() == gold.strip() if a is None or b is None else a == b


# ---- the plain ones --------------------------------------------------------------------------------------------------

_PHRASE = re.compile(r"(?i)\bthe (?:final )?answer is\b:?\s*")
_NOT_INSIDE = r"(?<![\w)^])(?<![0-9]\.)"  # of 5-3 the last number is 3, not -3; m^2 and v1 have none
_ANYWHERE = re.compile(_NOT_INSIDE + NUMBER.pattern)


def last(matches: Iterator[re.Match[str]]) -> re.Match[str] | None:
    """The last match, without a list of all of them."""
    kept = deque(matches, maxlen=1)
    return kept[0] if kept else None


def phrase(completion: str) -> str | None:
    """What follows the last "the answer is" or "the final answer is", up to the end of the sentence or line."""
    match = last(_PHRASE.finditer(completion))
    return SENTENCE_END.split(completion[match.end() :], maxsplit=1)[0].strip() or None if match else None


def hashes(completion: str) -> str | None:
    """What follows the last ``####`` in its line: GSM8K's own way to end a solution (2110.14168)."""
    _, mark, rest = completion.rpartition("####")
    return rest.split("\n", 1)[0].strip() or None if mark else None


def boxed(completion: str) -> str | None:
    r"""The content of the last closed ``\boxed{...}``, with the braces inside it: the way of MATH (2103.03874)."""
    closed = boxes(completion)
    return completion[closed[-1][1] : closed[-1][2]].strip() or None if closed else None


def last_number(completion: str) -> str | None:
    """The last number of the text, whatever it counts."""
    match = last(_ANYWHERE.finditer(tidy(completion)))
    return match[0] if match else None


# ---- lm-evaluation-harness -------------------------------------------------------------------------------------------


def lm_eval_strict(completion: str) -> str | None:
    """The first ``#### N``, as ``strict-match`` of the task gsm8k in lm-evaluation-harness 0.4.13."""
    match = re.search(r"#### (-?[0-9.,]+)", completion)
    return match[1] if match else None


def lm_eval_flexible(completion: str) -> str | None:
    """The last run of digits, dots, commas and dollars, as ``flexible-extract`` of the same task: "..." is one too."""
    match = last(re.finditer(r"-?[$0-9.,]{2,}|-?[0-9]+", completion))
    return match[0] if match else None


def lm_eval_same(found: str, gold: str) -> bool:
    """``exact_match`` as that task sets it: no commas, dollars and final full stop, then equal texts. 72.0 is not 72."""
    return _lm_eval_text(found) == _lm_eval_text(gold)


def _lm_eval_text(text: str) -> str:
    text = text.replace(",", "").replace("$", "").rpartition("#### ")[2]
    return re.sub(r"\.$", "", text).lower()


# ---- math-verify -----------------------------------------------------------------------------------------------------


class Parsed(str):
    """The text that math-verify took, with the values that it made of it: the text alone has lost the percent sign."""

    values: list


@contextmanager
def _quiet() -> Iterator[None]:
    """Nothing of what the package logs: without a limit of time it warns, and its texts can be whole completions."""
    loggers = [logging.getLogger(f"math_verify.{name}") for name in ("parser", "grader")]
    before = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        for logger, disabled in zip(loggers, before, strict=True):
            logger.disabled = disabled


def _limit() -> int | None:
    """Seconds, the package's default. It needs a signal, which only the main thread can have: elsewhere there is no limit."""
    return 5 if threading.current_thread() is threading.main_thread() else None


def _parse(text: str) -> list[Any]:
    from math_verify import parse

    with _quiet():
        return parse(text, parsing_timeout=_limit())


def math_verify_find(completion: str) -> str | None:
    """What ``parse`` of math-verify takes, with its default options: see ``Parsed``. None too where it takes over 5 seconds."""
    values = _parse(completion)
    if not values:
        return None
    found = Parsed(next((value for value in values if isinstance(value, str)), str(values[0])))
    found.values = values
    return found


def math_verify_same(found: str, gold: str) -> bool:
    r"""``verify`` of math-verify, with its default options. A text that ``math_verify_find`` did not give is parsed first.

    A gold answer that is LaTeX or letters, as 4a-2, is put between dollars: bare, the package takes the -2 alone.
    """
    from math_verify import verify

    values = found.values if isinstance(found, Parsed) else _parse(found)
    is_plain = "$" in gold or "\\boxed" in gold or (read_number(gold) is not None and "\\" not in gold)
    wanted = _parse(gold if is_plain else f"${gold}$")
    with _quiet():
        return verify(wanted, values, timeout_seconds=_limit())


# ---- all of them -----------------------------------------------------------------------------------------------------

EXTRACTORS = {
    extractor.name: extractor
    for extractor in (
        Extractor("stated", "the last declared answer, and only where it is one number", declared_answer, same_number),
        Extractor("phrase", 'what follows the last "the answer is", to the end of the sentence', phrase, same_number),
        Extractor("hashes", "what follows the last ####, to the end of the line", hashes, same_number),
        Extractor("boxed", r"the content of the last \boxed{}", boxed, same_number),
        Extractor("last-number", "the last number of the text", last_number, same_number),
        Extractor("lm-eval-strict", "lm-eval 0.4.13, gsm8k, strict-match", lm_eval_strict, lm_eval_same),
        Extractor("lm-eval-flexible", "lm-eval 0.4.13, gsm8k, flexible-extract", lm_eval_flexible, lm_eval_same),
        Extractor("math-verify", "math-verify with its default options", math_verify_find, math_verify_same),
    )
}


def available() -> dict[str, Extractor]:
    """Those that run here: all, or all without ``math-verify`` where that package is not installed (extra ``math``)."""
    installed = importlib.util.find_spec("math_verify") is not None
    return {name: extractor for name, extractor in EXTRACTORS.items() if installed or name != "math-verify"}
