"""What the lesson says about its recorded completions, traced to them; and how votes and scores come out of a file."""

import pytest

from reference.algorithms.leaks import LEAKED, leaked_problems
from reference.lessons import EXPERIMENTS
from reference.lessons.evaluation import recorded
from reference.lessons.evaluation.expected import Votes
from reference.lessons.evaluation.experiments import COMPLETIONS, LEAKS, MODELS, PROTOCOLS
from reference.lessons.evaluation.measured import Found, found, shares_seen, training_texts
from reference.lessons.evaluation.recorded import (
    Swap,
    above,
    drawn_again,
    estimate,
    leak_scores,
    lines_of,
    path_of,
    problems_of,
    rank_scores,
    swaps,
    truncated_share,
    votes_of_line,
)
from reference.objectives.shapes import InputError

LINE = {
    "answer": "50",
    "completions": ["Answer: 50", "Answer: 50.0", "Answer: 51", "55-5=50", "no number"],
    "truncated": [False, False, False, True, False],
}


def mean(name: str) -> float:
    return estimate(problems_of(name))[0]


def test_a_line_by_hand():
    """Two ways of writing 50 are one answer; the fourth was cut off and has none, unless what was cut counts."""
    assert votes_of_line(LINE, "stated", False) == Votes(2, (1,), 2)
    assert votes_of_line(LINE, "last-number", False) == Votes(2, (1,), 2)
    assert votes_of_line(LINE, "last-number", True) == Votes(3, (1,), 1)


def test_the_three_measures_by_hand():
    problems = [Votes(1, (1,)), Votes(2)]
    assert estimate(problems)[0] == 0.75
    assert estimate(problems, "pass", k=2)[0] == 1.0
    assert estimate(problems, "vote", k=2)[0] == 0.75  # a tie of two is worth one half
    with pytest.raises(InputError, match="measure is 'median'"):
        estimate(problems, "median")


def test_swaps_by_hand():
    low, high, middle = (0.1, 0.0, 0.2), (0.8, 0.7, 0.9), (0.2, 0.15, 0.75)
    scores = {"p": {"a": high, "b": low}, "q": {"a": low, "b": high}, "r": {"a": middle, "b": high}}
    assert swaps(scores) == [Swap("a", "b", "p", "q")]
    assert not above(scores["r"], "b", "a") and not above(scores["p"], "a", "none")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match="python -m reference record nothing makes it"):
        path_of("nothing")
    with pytest.raises(InputError, match="the recorded runs are not at"):
        path_of("grpo-plain", folder=tmp_path / "none")


def test_everything_is_recorded():
    assert [name for name in COMPLETIONS if not path_of(name).is_file()] == []
    assert not COMPLETIONS.keys() & EXPERIMENTS.keys()


@pytest.mark.slow
@pytest.mark.parametrize("name", COMPLETIONS)
def test_a_recorded_file_is_what_its_command_makes(name):
    """Its protocol has the options of the command, and its problems are those of the test."""
    model, *options = COMPLETIONS[name].split()
    protocol = lines_of(name)[0]["protocol"]
    assert protocol["model"] == model.strip("{}")
    for option, value in zip(options, [*options, ""][1:], strict=True):
        if option.startswith("--") and option not in ("--greedy", "--problems"):
            assert str(protocol[option[2:].replace("-", "_")]) == value
    assert protocol.get("greedy", False) == ("--greedy" in options)
    if protocol["task"] == "chains":
        assert [line["question"] for line in lines_of(name)[:LEAKED]] == [p.question for p in leaked_problems("exact")]
    assert all(line["protocol"] == protocol for line in lines_of(name))


@pytest.mark.slow
def test_what_prompt_and_budget_do_to_the_one_model():
    assert mean("grpo-plain") > 0.85 and 0.6 < mean("grpo-space") < 0.7
    assert mean("grpo-few-shot") < 0.05 and mean("grpo-boxed") < 0.05
    assert truncated_share("grpo-budget-24") > 0.75
    lenient = estimate(problems_of("grpo-budget-24", extractor="last-number", cut_count=True))[0]
    assert lenient > 1.9 * mean("grpo-budget-24")


@pytest.mark.slow
def test_the_one_pair_that_changes_places():
    means = {name: {m: drawn_again(problems_of(f"{m}-{name}")) for m in MODELS} for name in PROTOCOLS}
    assert {frozenset((swap.ahead, swap.behind)) for swap in swaps(means)} == {frozenset(("grpo", "sft"))}
    assert Swap("sft", "grpo", "plain", "budget-56") in swaps(means) and len(swaps(means)) == 12
    assert lines_of("grpo-many")[399]["question"] == lines_of("grpo-plain")[-1]["question"]  # what the search has seen
    plain, short = ({m: row[f"after {m.upper()}"] for m in ("grpo", "sft")} for row in rank_scores().values())
    assert above(plain, "sft", "grpo") and above(short, "grpo", "sft")


@pytest.mark.slow
def test_a_leak_in_the_same_words_is_seen_in_the_score_and_by_the_detector_and_another_is_not():
    for way in ("greedy", "sampled"):
        *_, difference, lowest, _ = leak_scores("exact", way)
        *_, without, _, most = leak_scores("control", way)
        assert lowest > most and difference > without
    tests = [line["question"] for line in lines_of("grpo-plain")]
    flagged = {leak: found(shares_seen(tests, training_texts(leak), n=8), threshold=0.5) for leak in LEAKS}
    assert flagged["exact"].recall == 1 and flagged["exact"].precision < 0.9
    assert flagged["paraphrased"] == flagged["steps"] == flagged["control"]


def test_precision_and_recall_by_hand():
    shares = [1.0] * 60 + [0.2] * 40 + [0.6, 0.1]
    assert found(shares, threshold=0.5) == Found(60, 1)
    assert found(shares, threshold=0.5).recall == 0.6 and found(shares, threshold=0.5).precision == 60 / 61
    assert Found(0, 0).precision == 0


def test_shares_are_those_of_the_detector():
    """What is a b c d has six words: of its three 4-grams one is seen. Of three words the whole is one run."""
    assert shares_seen(["What is a b c d", "x y z"], ["so what is a b", "x y z w"], n=4) == [pytest.approx(1 / 3), 1.0]
    assert recorded.FOLDER.name == "completions"
