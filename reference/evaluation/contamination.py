"""Contamination: how much of a text stands word for word in a corpus, such as a test problem in the training data.

The unit is the n-gram: n neighbouring words. It finds copies, also of a part. It does not find a text that says the same in
other words or in another language, or that has other numbers.
"""

import re
from collections.abc import Collection

from reference.objectives.shapes import InputError, typed

# A word may have apostrophes inside, a number commas and points, and a sign of arithmetic is a word of its own.
WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*|\d+(?:[.,]\d+)*|[-+*/=<>%^]")


@typed
def words(text: str) -> list[str]:
    """The words, numbers and signs of a text in lower case, without punctuation.

    words("What is 47+8?") == ["what", "is", "47", "+", "8"]
    """
    return WORD.findall(text.lower())


@typed
def ngrams(text: str, n: int) -> set[tuple[str, ...]]:
    """All runs of n neighbouring words of a text, each once. A text of fewer words has one run: all of them.

    ngrams("What is 47+8?", 4) == {("what", "is", "47", "+"), ("is", "47", "+", "8")}

    Raises ``InputError`` for n below 1. GPT-3 (2005.14165, appendix C) takes n from 8 to 13, by the length of the texts;
    Tulu 3 (2411.15124) takes 8.
    """
    if n < 1:
        raise InputError(f"n is {n}, expected the number of words in a run, at least 1")
    found = words(text)
    size = min(n, len(found))
    return {tuple(found[start : start + size]) for start in range(len(found) - size + 1)} if found else set()


@typed
def ngram_overlap(text: str, corpus: Collection, *, n: int) -> float:
    """Share of the n-grams of a text that are in ``corpus``, a set of n-grams. 0 for a text without words.

    For many texts, make the set once: ``{gram for document in documents for gram in ngrams(document, n)}``. A text of fewer
    than n words has one shorter run, which such a set holds only if a document consists of it: ``contaminated`` takes care.
    Raises ``InputError`` for n below 1, and for a corpus of texts.
    """
    if isinstance(corpus, str) or isinstance(next(iter(corpus), None), str):  # the first tells; a set may be large
        raise InputError("corpus holds text, expected n-grams: pass the union of ngrams(document, n) of its documents")
    own = ngrams(text, n)
    return sum(gram in corpus for gram in own) / max(1, len(own))


@typed
def contaminated(text: str, corpus: Collection, *, n: int = 8, threshold: float = 0.5) -> bool:
    """Whether at least the share ``threshold`` of the n-grams of a text stands in the documents of ``corpus``.

    ``corpus``: texts. A run across the end of a document does not count, and two documents may each hold a part of the text.
    For a text of fewer than n words n is its length, so a short problem counts when a document contains it as a whole.
    Raises ``InputError`` for n below 1, a threshold outside (0, 1], and a corpus that is one text.

    Compared with others: open-instruct takes the share of *tokens* that lie in a shared n-gram of one and the same document,
    flags above the threshold, and never flags a text of fewer than n tokens. The GPT-3 paper flags a single shared n-gram.
    """
    if isinstance(corpus, str):
        raise InputError("corpus is one text, expected a list of texts: pass [text]")
    if not 0 < threshold <= 1:
        raise InputError(f"threshold is {threshold}, expected a share above 0, at most 1")
    if n < 1:
        raise InputError(f"n is {n}, expected the number of words in a run, at least 1")
    n = min(n, max(1, len(words(text))))
    return ngram_overlap(text, {gram for document in corpus for gram in ngrams(document, n)}, n=n) >= threshold
