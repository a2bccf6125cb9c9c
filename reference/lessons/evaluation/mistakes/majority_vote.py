"""What goes wrong when answers are put to the vote."""

from collections import Counter
from collections.abc import Collection, Hashable

from reference.evaluation.statistics import majority_vote
from reference.teaching.bug import bug

Answers = Collection[Hashable]


def votes_of(answers: Answers) -> Counter:
    return Counter(answer for answer in answers if answer is not None)


def winners_with_none(answers: Answers) -> list[Hashable]:
    votes = Counter(answers)
    return [answer for answer, count in votes.items() if count == max(votes.values())]


@bug(
    "completions without an answer vote",
    mistake="None is counted as if it were an answer, so what could not be read can win",
    symptom="hard problems are lost to None, and a stricter reader of answers changes who wins",
    wild='lm-eval 0.4.13: its majority_vote filter counts the text "[invalid]"',
    likewise=(lambda answers: [answer for answer in winners_with_none(answers) if answer is not None],),
)
def majority_vote__none(answers: Answers) -> list[Hashable]:
    return winners_with_none(answers)


@bug(
    "the first of the tied",
    mistake="of several answers with equally many votes the first one that was seen is returned alone",
    symptom="the score depends on the order of the samples: two runs with the same answers have two scores",
    wild="NeMo-RL, by choice, in cons@k",
    likewise=(lambda answers: [answer for answer, _ in Counter(answers).most_common(1)],),
)
def majority_vote__first(answers: Answers) -> list[Hashable]:
    return majority_vote(answers)[:1]


@bug(
    "the last of the tied",
    mistake="of several answers with equally many votes one alone is returned: the last in the order of first appearance",
    symptom="the score depends on the order of the samples: two runs with the same answers have two scores",
)
def majority_vote__last(answers: Answers) -> list[Hashable]:
    return majority_vote(answers)[-1:]


@bug(
    "one answer, no list",
    mistake="the winner is returned by itself: where answers are tied nobody can see that they are",
    symptom="a tie is decided by the order of the samples, and the score does not show how often",
    wild="lm-eval 0.4.13, in its majority_vote filter",
    likewise=(lambda answers: Counter(answers).most_common(1)[0][0],),
)
def majority_vote__bare(answers: Answers) -> Hashable:
    return votes_of(answers).most_common(1)[0][0]


@bug(
    "ties have no winner",
    mistake="where answers are tied nothing is returned, as if nobody had voted",
    symptom="with two samples per problem every disagreement counts as wrong",
)
def majority_vote__no_ties(answers: Answers) -> list[Hashable]:
    winners = majority_vote(answers)
    return winners if len(winners) == 1 else []


@bug(
    "more than half",
    mistake="an answer has to have more than half of the votes; the most frequent one is not enough",
    symptom="on hard problems nothing wins, although one answer is far more frequent than all others",
    wild="phantom-wiki PR #83, by choice",
    likewise=(lambda answers: [a for a, count in votes_of(answers).items() if 2 * count > len(answers)],),
)
def majority_vote__half(answers: Answers) -> list[Hashable]:
    votes = votes_of(answers)
    return [answer for answer, count in votes.items() if 2 * count > sum(votes.values())]


@bug(
    "votes on how a number is written",
    mistake="the texts of the answers are counted, so 50 and 50.0 are two answers",
    symptom="a right answer that is written in several ways loses to a wrong one that is written in one",
    likewise=(lambda answers: majority_vote([None if answer is None else str(answer) for answer in answers]),),
)
def majority_vote__text(answers: Answers) -> list[Hashable]:
    first = {str(answer): answer for answer in reversed(list(answers))}
    return [first[text] for text in majority_vote([None if answer is None else str(answer) for answer in answers])]


@bug(
    "sorted by size",
    mistake="tied answers are returned from the smallest to the largest, not in the order in which they appear",
    symptom="a tie that the first answer decides always goes to the smallest number",
)
def majority_vote__sorted(answers: Answers) -> list[Hashable]:
    return sorted(majority_vote(answers), key=float)


@bug(
    "every answer wins",
    mistake="all different answers are returned, also those with fewer votes",
    symptom="the score is that of the best of all samples",
)
def majority_vote__all(answers: Answers) -> list[Hashable]:
    return list(votes_of(answers))


@bug(
    "the middle one",
    mistake="the answer in the middle is returned, which another answer may have beaten by far",
    symptom="two wrong answers, one too small and one too large, make a third one win",
)
def majority_vote__median(answers: Answers) -> list[Hashable]:
    found = sorted((answer for answer in answers if answer is not None), key=float)
    return found[(len(found) - 1) // 2 : (len(found) + 1) // 2] if found else []
