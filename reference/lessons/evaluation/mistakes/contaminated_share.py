"""What goes wrong when copies of a text are looked for: the share, and what it is compared with."""

from collections.abc import Collection

from reference.evaluation.contamination import ngrams, words
from reference.teaching.bug import bug

from .contaminated import Gram


def own_and_seen(text: str, corpus: Collection[str], n: int) -> tuple[set[Gram], set[Gram]]:
    """The n-grams of the text, and those of all documents."""
    n = min(n, len(words(text)))
    return ngrams(text, n), {gram for document in corpus for gram in ngrams(document, n)}


@bug(
    "a share of the corpus",
    mistake="what is shared is divided by the number of runs in the corpus, not in the text",
    symptom="nothing is flagged: the larger the corpus, the smaller the share",
)
def contaminated__of_corpus(text: str, corpus: Collection[str], *, n: int, threshold: float) -> bool:
    own, seen = own_and_seen(text, corpus, n)
    return len(own & seen) / len(seen) >= threshold


@bug(
    "more than the threshold",
    mistake="a share of exactly the threshold is not flagged",
    symptom="with a threshold of 1 nothing is flagged at all; elsewhere few texts differ",
    wild="open-instruct, by choice",
)
def contaminated__more_than(text: str, corpus: Collection[str], *, n: int, threshold: float) -> bool:
    own, seen = own_and_seen(text, corpus, n)
    return len(own & seen) / len(own) > threshold


@bug(
    "one shared run is enough",
    mistake="the threshold has no effect: a single shared run flags the text",
    symptom="texts are flagged for a phrase that everybody writes, such as the first words of a question",
    wild="the GPT-3 paper, by choice; marin PR #5650: the option was there, and nothing read it",
)
def contaminated__any(text: str, corpus: Collection[str], *, n: int, threshold: float) -> bool:
    own, seen = own_and_seen(text, corpus, n)
    return bool(own & seen)


@bug(
    "every run has to be shared",
    mistake="the threshold has no effect: a text is flagged only if all of its runs stand in the corpus",
    symptom="a copy with one changed word is not found",
)
def contaminated__all(text: str, corpus: Collection[str], *, n: int, threshold: float) -> bool:
    own, seen = own_and_seen(text, corpus, n)
    return own <= seen


@bug(
    "each document alone",
    mistake="the share is taken for each document by itself, so parts in two documents do not add up",
    symptom="a text that was cut in two is not found, for instance a question in one document and its end in the next",
    wild="open-instruct, by choice",
)
def contaminated__one_document(text: str, corpus: Collection[str], *, n: int, threshold: float) -> bool:
    pairs = [own_and_seen(text, [document], n) for document in corpus]
    return max(len(own & seen) / len(own) for own, seen in pairs) >= threshold


@bug(
    "shares of the documents averaged",
    mistake="the share is averaged over the documents, so each document without the text makes it smaller",
    symptom="one copy among a thousand documents is not found",
)
def contaminated__averaged(text: str, corpus: Collection[str], *, n: int, threshold: float) -> bool:
    pairs = [own_and_seen(text, [document], n) for document in corpus]
    return sum(len(own & seen) / len(own) for own, seen in pairs) / len(pairs) >= threshold
