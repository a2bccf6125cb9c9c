"""Solutions written in other ways than the reference, right ones and wrong ones that are on no list."""

import math
import re
from collections import defaultdict
from fractions import Fraction

import torch

from reference.evaluation.answers import extract_answer, read_number
from reference.evaluation.contamination import ngram_overlap, ngrams, words


def line_by_line(text):
    """The lines from the last to the first: the first one that has a mark decides."""
    for line in reversed(text.split("\n")):
        if "Answer:" in line:
            return read_number(line.rsplit("Answer:", 1)[1])
    return None


def by_pattern(text):
    found = re.findall(r"Answer:\**[ ]*([^\n]*)", text)
    return read_number(found[-1]) if found else None


def own_reader(text):
    """Without the reader of numbers that is given."""
    found = re.findall(r"Answer:(.*)", text)
    number = re.fullmatch(r"[\s*]*(-?)([0-9,]*)(\.[0-9]+)?(/[0-9]+)?[\s*.]*", found[-1]) if found else None
    if number is None or not number[2]:
        return None
    sign, whole, part, bottom = number.groups(default="")
    value = Fraction(whole.replace(",", "") + part) / (int(bottom[1:]) if bottom else 1)
    value = -value if sign else value
    return int(value) if value.denominator == 1 else value  # a whole number is as good as a fraction


def product_of_factors(num_correct, num_samples, k):
    """The form of the paper's code."""
    if k > num_samples:
        raise ValueError("k is larger than the number of samples")
    if num_samples - num_correct < k:
        return 1.0
    factors = 1 - k / torch.arange(num_samples - num_correct + 1, num_samples + 1, dtype=torch.float64)
    return 1 - factors.prod()  # a tensor is as good as a number


def logarithms(num_correct, num_samples, k):
    if k > num_samples:
        raise ValueError("k is larger than the number of samples")
    wrong = num_samples - num_correct
    if wrong < k:
        return 1
    log = sum(math.log(wrong - i) - math.log(num_samples - i) for i in range(k))
    return -math.expm1(log)


def fractions(num_correct, num_samples, k):
    if not k <= num_samples:
        raise ValueError
    missed = Fraction(1)
    for i in range(k):
        missed *= Fraction(max(num_samples - num_correct - i, 0), num_samples - i)
    return float(1 - missed)


def counted_by_hand(answers):
    counts = defaultdict(int)
    for answer in answers:
        if answer is not None:
            counts[answer] += 1
    winners, most = [], 0
    for answer, count in counts.items():
        if count > most:
            winners, most = [], count
        if count == most:
            winners.append(answer)
    return tuple(winners)  # a tuple is as good as a list


def repeated_max(answers):
    left = [answer for answer in answers if answer is not None]
    distinct = [answer for i, answer in enumerate(left) if answer not in left[:i]]
    return [a for a in distinct if all(left.count(a) >= left.count(b) for b in distinct)]


def one_by_one(text, corpus, *, n, threshold):
    n = min(n, len(words(text)))
    found = [any(gram in ngrams(document, n) for document in corpus) for gram in ngrams(text, n)]
    return sum(found) >= threshold * len(found)


def overlap(text, corpus, *, n, threshold):
    n = min(n, len(words(text)))
    return ngram_overlap(text, set().union(*(ngrams(document, n) for document in corpus)), n=n) >= threshold


def padded_text(text, corpus, *, n, threshold):
    """Each run as a text with spaces around, which is looked for in the documents."""
    own = words(text)
    n = min(n, len(own))
    places = [f" {' '.join(own[i : i + n])} " for i in range(len(own) - n + 1)]
    documents = [f" {' '.join(words(document))} " for document in corpus]
    return sum(any(run in document for document in documents) for run in places) / len(places) >= threshold


def own_words(text, corpus, *, n, threshold):
    def cut(text):
        return re.findall(r"[a-z]+|[0-9]+|[+-]", text.lower())

    def runs(found):
        return [found[i : i + n] for i in range(len(found) - n + 1)]

    n = min(n, len(cut(text)))
    seen = [run for document in corpus for run in runs(cut(document))]
    own = runs(cut(text))
    return sum(run in seen for run in own) / len(own) >= threshold


SOLUTIONS = {
    "extract_answer": [line_by_line, by_pattern, own_reader],
    "pass_at_k": [product_of_factors, logarithms, fractions],
    "majority_vote": [counted_by_hand, repeated_max],
    "contaminated": [one_by_one, overlap, padded_text, own_words],
}


def covered_words(text, corpus, *, n, threshold):
    """The share of the words, not of the runs."""
    own = words(text)
    n = min(n, len(own))
    seen = {gram for document in corpus for gram in ngrams(document, n)}
    covered = {j for i in range(len(own) - n + 1) if tuple(own[i : i + n]) in seen for j in range(i, i + n)}
    return len(covered) / len(own) >= threshold


def jaccard(text, corpus, *, n, threshold):
    """Never above the right share. No entry of the catalogue, since it would explain whatever is flagged too seldom."""
    own, seen = ngrams(text, n), {gram for document in corpus for gram in ngrams(document, n)}
    return len(own & seen) / len(own | seen) >= threshold


WRONG = {
    "extract_answer": [
        lambda text: line_by_line(text.split("\n")[-1]),  # a declaration in the last line alone
        lambda text: line_by_line(text) if text.startswith("Answer") else None,
        lambda text: str(line_by_line(text)),
        lambda text: [line_by_line(text)],
        lambda text: -extract_answer(text) if extract_answer(text) is not None else None,
        lambda text: extract_answer(text) is not None,
    ],
    "pass_at_k": [
        lambda c, n, k: 100 * fractions(c, n, k),
        lambda c, n, k: fractions(c, n, min(k + 1, n)),
        lambda c, n, k: fractions(c, n, k) if c else 0.5,
        lambda c, n, k: fractions(c, n, k) ** 2,
        lambda c, n, k: str(fractions(c, n, k)),
    ],
    "majority_vote": [
        lambda answers: counted_by_hand(answers)[::-1],
        lambda answers: counted_by_hand(answers) or [None],
        lambda answers: len(counted_by_hand(answers)),
        lambda answers: [(answer, 1) for answer in counted_by_hand(answers)],
        lambda answers: [answer for answer in answers if answer in counted_by_hand(answers)],
    ],
    "contaminated": [
        covered_words,
        jaccard,
        lambda text, corpus, *, n, threshold: not one_by_one(text, corpus, n=n, threshold=threshold),
        lambda text, corpus, *, n, threshold: one_by_one(text, corpus[:1], n=n, threshold=threshold),
        lambda text, corpus, *, n, threshold: one_by_one(text, corpus, n=2, threshold=threshold),
        lambda text, corpus, *, n, threshold: True,
        lambda text, corpus, *, n, threshold: False,
    ],
}
