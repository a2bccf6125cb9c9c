"""The exercises extract_answer, pass_at_k, majority_vote, contaminated."""

from reference.evaluation.answers import declared_answer, extract_answer
from reference.evaluation.contamination import contaminated
from reference.evaluation.statistics import majority_vote, pass_at_k
from reference.teaching.exercise import Exercise

from .cases import contaminated_cases, extract_answer_cases, majority_vote_cases, pass_at_k_cases

EXERCISES = {
    "extract_answer": Exercise(
        extract_answer,
        extract_answer_cases,
        (
            "Which numbers of a completion are its answer, and which are steps on the way? How does the completion say so, and "
            "what if it says so twice?",
            "Find the last mark. Without one there is no answer. Then take what stands behind the mark, up to the end of the "
            "line, and read it as one number.",
            'mark = text.rfind("Answer:") is -1 where there is none. read_number gives None for anything that is not one number.',
        ),
        """
from reference.evaluation.answers import read_number

def extract_answer(text):
    mark = text.rfind("Answer:")
    if mark < 0:
        return None
    line = text[mark + len("Answer:") :].partition("\\n")[0]
    return read_number(line)
""",
        also=(declared_answer,),
        in_words=lambda case, value: value,
    ),
    "pass_at_k": Exercise(
        pass_at_k,
        pass_at_k_cases,
        (
            "Draw k of the n samples, without putting one back. When is none of them right? Of how many samples have they all "
            "been drawn then?",
            "There are C(n, k) ways to draw k samples, and C(n - c, k) ways to draw wrong ones only. What is the probability "
            "of the opposite? And what can be said for k above n?",
            "math.comb(n - c, k) / math.comb(n, k) is the probability that none is right. Refuse k > n before, with a "
            "ValueError. Whole numbers of Python never overflow.",
        ),
        """
from math import comb

def pass_at_k(num_correct, num_samples, k):
    if k > num_samples:
        raise ValueError("more than was sampled")
    return 1 - comb(num_samples - num_correct, k) / comb(num_samples, k)
""",
        in_words=lambda case, value: value if isinstance(value, str) else f"{value:.6g}",
    ),
    "majority_vote": Exercise(
        majority_vote,
        majority_vote_cases,
        (
            "What should happen to a completion from which no answer could be read? And what do you return if two answers have "
            "equally many votes?",
            "Count the answers that are not None. Then keep every answer whose count is the largest one. What is the largest "
            "count if nobody has voted?",
            "collections.Counter keeps the order of first appearance, and max(votes.values(), default=0) works for no votes.",
        ),
        """
from collections import Counter

def majority_vote(answers):
    votes = Counter(answer for answer in answers if answer is not None)
    most = max(votes.values(), default=0)
    return [answer for answer, count in votes.items() if count == most]
""",
        in_words=lambda case, value: str(value),
    ),
    "contaminated": Exercise(
        contaminated,
        contaminated_cases,
        (
            "Which of two sets is the whole: the n-grams of the text, or those of the corpus? The question is how much of the "
            "text is known, and not how much of the corpus it is.",
            "Make one set of the n-grams of all documents, each document by itself. Then count which n-grams of the text are "
            "in it. What becomes of a text that has fewer than n words?",
            "n = min(n, len(words(text))) for a short text, in the corpus as well. ngrams(text, n) & seen has the shared ones.",
        ),
        """
from reference.evaluation.contamination import ngrams, words

def contaminated(text, corpus, *, n, threshold):
    n = min(n, len(words(text)))
    own, seen = ngrams(text, n), {gram for document in corpus for gram in ngrams(document, n)}
    return len(own & seen) / len(own) >= threshold
""",
        in_words=lambda case, value: value,
    ),
}
