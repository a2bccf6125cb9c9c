"""The numbers in the questions of the lesson on over-optimisation, from the formulas and the recorded runs."""

import json
import math

from reference.evaluation.best_of_n import best_of_n_kl
from reference.evaluation.statistics import pass_at_k
from reference.lessons.over_optimisation.questions import QUESTIONS
from reference.lessons.over_optimisation.recorded import at_kl, curves_of, mean_curve
from reference.runs.recorded_runs import RUNS, SEEDS, mean_at, recorded_logs

FIRST, LAST = slice(0, 6), slice(-6, None)
LOGS = recorded_logs({pool: f"climb-{pool}" for pool in (512, 4096)})


def words(question: str) -> str:
    """The question with all its options and explanations."""
    asked = QUESTIONS[question]
    return " ".join([asked.text, *(f"{option.text} {option.why}" for option in asked.options)])


def right(question: str) -> str:
    return next(option.text for option in QUESTIONS[question].options if option.right)


def after(name: str, key: str) -> list[float]:
    """A number of accuracy.json after training, for each seed."""
    return [json.loads((RUNS / f"{name}-seed-{seed}" / "accuracy.json").read_text())["after"][key] for seed in SEEDS]


def percent(values: list[float]) -> str:
    """From the least to the largest, in whole percent."""
    return f"{100 * min(values):.0f} to {100 * max(values):.0f} %"


def test_the_best_of_four():
    assert f"{best_of_n_kl(4):.3f}" == "0.636" and f"{math.log(4):.2f}" == "1.39"
    assert right("over_best_of_four") == "0.64." and "1.39" in words("over_best_of_four")


def test_the_reward_of_the_log_rises_and_gold_falls():
    proxy, gold = ([mean_at(LOGS[4096], name, steps) for steps in (FIRST, LAST)] for name in ("proxy", "reward"))
    asked = words("over_reward_rises")
    assert f"from {proxy[0]:.2f} to {proxy[1]:.2f}" in asked
    assert asked.count(f"from {100 * gold[0]:.0f} % to {100 * gold[1]:.0f} %") == 2


def test_how_often_the_reward_models_agree_with_raters_and_what_became_of_their_policies():
    asked = words("over_more_pairs")
    assert f"512 pairs agree with raters in {percent(after('proxy-512', 'share'))}" in asked
    assert f"4,096 in {percent(after('proxy-4096', 'share'))}" in asked
    small, large = (percent(after(f"climb-{pool}", "sampled")) for pool in (512, 4096))
    assert f"{large} of held-out problems are solved, against {small}" in asked
    assert f"solve {small} of held-out problems, and those of 4,096 pairs {large}" in asked
    for pool, text in ((4096, "{} to {} nats per completion"), (512, "against {} to {}.")):
        nats = [mean_at([with_nats(log)], "nats", LAST) for log in LOGS[pool]]
        assert text.format(round(min(nats)), round(max(nats))) in " ".join(asked.split())
    small, large = (mean_curve(curves_of(f"climb-{pool}")) for pool in (512, 4096))
    gaps = [at_kl(small, nats).gold - at_kl(large, nats).gold for nats in (1, 2, 4, 8)]
    assert min(gaps) > 0 and f"lower by at most {max(gaps):.2f}." in " ".join(asked.split())


def with_nats(log: list[dict[str, float]]) -> list[dict[str, float]]:
    """KL per token times tokens: nats per completion."""
    return [row | {"nats": row["kl_k1"] * row["length"]} for row in log]


def test_how_many_completions_are_cut_off():
    first, last = (mean_at(LOGS[4096], "truncated", steps) for steps in (FIRST, LAST))
    assert f"from {100 * first:.0f} % to {100 * last:.0f} %" in words("over_cut_off")


def test_pass_at_8_falls_where_pass_at_1_rises():
    before = [1 - 0.5**k for k in (1, 8)]
    later = [sum(pass_at_k(8 * solved, 8, k) for solved in (1, 1, 1, 0, 0)) / 5 for k in (1, 8)]
    asked = words("over_pass_at_8")
    assert [f"{x:.3f}" for x in before] == ["0.500", "0.996"] and later == [0.6, 0.6]
    assert (
        "From 0.50 to 0.60, and from 0.996 to 0.60" in asked
        and right("over_pass_at_8") == "pass@1 rises, pass@8 falls."
    )


def test_the_right_option_is_not_the_longest_as_a_rule():
    longest = [max(q.options, key=lambda option: len(option.text)).right for q in QUESTIONS.values()]
    assert sum(longest) <= len(QUESTIONS) / 3
