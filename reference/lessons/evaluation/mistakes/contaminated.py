"""What goes wrong when copies of a text are looked for: what is counted as shared."""

import re
from collections.abc import Collection

from reference.evaluation.contamination import ngrams, words
from reference.teaching.bug import bug

Gram = tuple[str, ...]


def runs(found: list[str], n: int) -> set[Gram]:
    """All runs of n words of a list, or all of it if it is shorter."""
    size = min(n, len(found))
    return {tuple(found[start : start + size]) for start in range(len(found) - size + 1)}


def compared(text: list[str], corpus: list[list[str]], n: int, threshold: float) -> bool:
    """The right rule, on lists of words."""
    n = min(n, len(text))
    own = runs(text, n)
    seen = {run for document in corpus for run in runs(document, n)}
    return len(own & seen) / len(own) >= threshold


@bug(
    "a bag of words",
    mistake="single words are compared, so their order does not matter",
    symptom="nearly every problem is flagged: a large corpus holds each of its words somewhere",
    likewise=(
        lambda text, corpus, *, n, threshold: (
            max(len({*words(text)} & {*words(d)}) / len({*words(text)}) for d in corpus) >= threshold
        ),
    ),
)
def contaminated__bag(text: str, corpus: Collection[str], *, n: int, threshold: float) -> bool:
    return compared(words(text), [words(document) for document in corpus], 1, threshold)


def by_case(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+|\d+|[-+*/=]", text)


@bug(
    "case kept",
    mistake="capital and small letters are taken for different ones",
    symptom="a copy with a heading in capitals, or with a sentence that begins elsewhere, is found less often",
)
def contaminated__case(text: str, corpus: Collection[str], *, n: int, threshold: float) -> bool:
    return compared(by_case(text), [by_case(document) for document in corpus], n, threshold)


@bug(
    "punctuation kept",
    mistake="the text is cut at white space alone, so a comma or a question mark is a part of the word before it",
    symptom="a copy whose punctuation was changed is found less often",
)
def contaminated__split(text: str, corpus: Collection[str], *, n: int, threshold: float) -> bool:
    return compared(text.lower().split(), [document.lower().split() for document in corpus], n, threshold)


@bug(
    "signs dropped",
    mistake="signs of arithmetic are thrown away with the punctuation, so a sum and a difference are one text",
    symptom="problems about the same numbers are flagged, although the corpus asks for something else",
)
def contaminated__signs(text: str, corpus: Collection[str], *, n: int, threshold: float) -> bool:
    return compared(
        re.findall(r"\w+", text.lower()), [re.findall(r"\w+", document.lower()) for document in corpus], n, threshold
    )


@bug(
    "letters in place of words",
    mistake="runs of n letters are compared, and n words were meant",
    symptom="with n = 8 many a clean text is flagged: two common words next to each other have eight letters",
)
def contaminated__letters(text: str, corpus: Collection[str], *, n: int, threshold: float) -> bool:
    return compared(list(text.lower()), [list(document.lower()) for document in corpus], n, threshold)


@bug(
    "the whole text only",
    mistake="a text counts only if all of it stands in one document, in one piece",
    symptom="a copy with one changed word is not found, and neither is one that was cut in two",
    wild="open-instruct, by choice: without ngram_size its search asks for the text as one phrase",
    likewise=(lambda text, corpus, *, n, threshold: any(text.lower() in document.lower() for document in corpus),),
)
def contaminated__whole(text: str, corpus: Collection[str], *, n: int, threshold: float) -> bool:
    whole = tuple(words(text))
    return any(whole in runs(words(document), len(whole)) for document in corpus)


@bug(
    "documents joined",
    mistake="the documents are glued together first, so a run may begin in one and end in the next",
    symptom="a text is flagged that stands in no document; another order of the documents gives another result",
    likewise=(
        lambda text, corpus, *, n, threshold: compared(words(text), [words("".join(corpus))], n, threshold),
        lambda text, corpus, *, n, threshold: compared(words(text), [words("\n".join(corpus))], n, threshold),
    ),
)
def contaminated__joined(text: str, corpus: Collection[str], *, n: int, threshold: float) -> bool:
    return compared(words(text), [words(" ".join(corpus))], n, threshold)


def all_but_last(found: list[str], n: int) -> set[Gram]:
    """The runs of n words but the last one; all of the list if it has no more than n words."""
    return runs(found[:-1], n) if len(found) > n else {tuple(found)}


def ends_early(text: str, corpus: Collection[str], n: int, threshold: float, *, in_corpus: bool = True) -> bool:
    """Without the last run of the text, and with ``in_corpus`` of each document."""
    n = min(n, len(words(text)))
    own, cut = all_but_last(words(text), n), all_but_last if in_corpus else runs
    return len(own & {run for document in corpus for run in cut(words(document), n)}) / len(own) >= threshold


@bug(
    "the last run missing",
    mistake="the runs end one word too early, so the last run of a text is not compared",
    symptom="the share of a short text is too low or too high, and a copy of just n words may never be found",
    likewise=(
        lambda text, corpus, *, n, threshold: ends_early(text, corpus, n, threshold, in_corpus=False),
        # a text of at most n words has no run left, and nothing of it counts as found
        lambda text, corpus, *, n, threshold: len(words(text)) > n and ends_early(text, corpus, n, threshold),
        lambda text, corpus, *, n, threshold: (
            len(words(text)) > n and ends_early(text, corpus, n, threshold, in_corpus=False)
        ),
        # the same, and nothing counts as all
        lambda text, corpus, *, n, threshold: len(words(text)) <= n or ends_early(text, corpus, n, threshold),
        lambda text, corpus, *, n, threshold: (
            len(words(text)) <= n or ends_early(text, corpus, n, threshold, in_corpus=False)
        ),
    ),
)
def contaminated__last_run_missing(text: str, corpus: Collection[str], *, n: int, threshold: float) -> bool:
    return ends_early(text, corpus, n, threshold)


@bug(
    "short texts never",
    mistake="a text of fewer than n words has no run of n words, so nothing of it is ever found",
    symptom="a set of short problems comes out clean, whatever the corpus holds",
    wild="open-instruct; marin #6852, by choice, for paragraphs of fewer than 13 words",
)
def contaminated__short_never(text: str, corpus: Collection[str], *, n: int, threshold: float) -> bool:
    seen = {gram for document in corpus for gram in ngrams(document, n)}
    return len(words(text)) >= n and len(ngrams(text, n) & seen) / len(ngrams(text, n)) >= threshold


@bug(
    "short texts always",
    mistake="a text of fewer than n words is flagged whatever the corpus holds: nothing is compared, and nothing counts as all",
    symptom="all short problems are taken out of the test set, and what is left is another test",
)
def contaminated__short_always(text: str, corpus: Collection[str], *, n: int, threshold: float) -> bool:
    return len(words(text)) < n or compared(words(text), [words(document) for document in corpus], n, threshold)
