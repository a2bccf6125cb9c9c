"""Every rule on a log made by hand: it speaks where its cause is, and is silent one step before it."""

import json
import random
from math import nan

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from reference.doctor.canonical import CANONICAL
from reference.doctor.cause import LESSONS, TIERS, excess
from reference.doctor.causes import CAUSES
from reference.doctor.diagnose import diagnose, kind_of
from reference.doctor.log import Log
from reference.doctor.report import as_json, report
from reference.objectives import token_logprobs
from reference.objectives.shapes import InputError

STEPS = 20
RISING = [0.4 + 0.02 * i + 0.01 * (i % 2) for i in range(STEPS)]
FALLING = [0.4 - 0.018 * i + 0.01 * (i % 2) for i in range(STEPS)]
ENTROPY = [0.2 - 0.007 * i for i in range(STEPS)]
DEAD = [0.05 + 0.02 * i for i in range(STEPS)]


def made(**scalars: object) -> Log:
    """A log of 20 steps; a number stands for all of them."""
    series = {name: tuple(v if isinstance(v, list) else [v] * STEPS) for name, v in scalars.items()}
    length = len(next(iter(series.values())))
    return Log(
        "made", "ours", tuple(float(step) for step in range(1, length + 1)), series, {name: name for name in series}
    )


HEALTHY = {
    "reward": RISING, "reward_std": [0.46 - 0.01 * i for i in range(STEPS)], "dead_groups": DEAD, "length": 40.0,
    "truncated": 0.01, "ratio": 1.0000001, "approx_kl": [2e-3, *[2e-4] * (STEPS - 1)], "clip_frac": 0.001,
    "entropy": ENTROPY, "grad_norm": 0.3, "advantage_mean": 1e-9, "advantage_std": [(0.875 * (1 - d)) ** 0.5 for d in DEAD],
    "kl_k3": [0.0, *[0.002 * i for i in range(1, STEPS)]], "kl_coef": 0.1, "proxy": RISING,
    "calls": 1.4, "valid": 0.97, "made_up": 0.04,
}  # fmt: skip


def causes(**changed: object) -> list[str]:
    """What is found in the healthy log with some scalars changed; None takes one out."""
    return [
        found.cause.name
        for found in diagnose(made(**{k: v for k, v in (HEALTHY | changed).items() if v is not None})).found
    ]


def only(name: str, **changed: object) -> bool:
    return causes(**changed)[:1] == [name]


def test_a_healthy_log_has_no_cause_and_every_rule_for_such_runs_looked_at_it():
    diagnosis = diagnose(made(**HEALTHY))
    assert diagnosis.found == diagnosis.unchecked == ()
    assert set(diagnosis.looked) >= {"ratio", "advantage_std", "kl_coef", "proxy", "made_up"}


# ---- the first ratio ---------------------------------------------------------------------------------------------------------


def test_a_ratio_that_leaves_1_after_the_first_step_is_stale():
    assert only("stale_logprobs", ratio=[1.0, *[1.02] * (STEPS - 1)])
    assert causes(ratio=[1.0, *[1.00005] * (STEPS - 1)]) == []
    assert causes(ratio=[1.0] * 15 + [1.02] * 5) == []  # of most steps, not of some


def test_a_ratio_that_is_never_1_is_another_score_or_other_tokens():
    assert only("scored_otherwise", ratio=1.01)
    assert only("scored_otherwise", ratio=[1.002 - 0.004 * (i % 2) for i in range(STEPS)])  # both ways: a temperature
    assert only("shifted_logprobs", ratio=8.0, approx_kl=3.0)


# ---- groups -----------------------------------------------------------------------------------------------------------------


def test_dead_groups_with_advantages_break_the_bound_on_their_square():
    """At dead_groups 0.43 the mean square is at most 0.57; 0.875 in every step is that of groups that are all alive."""
    assert only("dead_groups_teach", advantage_std=0.875**0.5, proxy=None)
    assert causes(advantage_std=1.0, proxy=None) == []  # whitened over the batch
    assert causes(advantage_std=0.875**0.5, dead_groups=0.0, proxy=None) == []
    assert causes(advantage_std=0.875**0.5) == []  # another reward teaches: which groups are dead is not known


def test_advantages_whose_mean_is_a_third_of_their_std_are_not_centred():
    assert only("advantages_not_centred", advantage_mean=0.5, advantage_std=0.5, dead_groups=0.0)
    assert causes(advantage_mean=0.1, advantage_std=0.5, dead_groups=0.0) == []
    assert causes(advantage_mean=0.5, advantage_std=0.5, dead_groups=0.0, value_loss=0.1) == []  # a critic's


def test_a_group_of_two_has_one_std_only():
    halves = [0.5**0.5 * (1 - dead) for dead in (0.5, 0.6) * 10]
    assert only("group_of_two", reward_std=halves, dead_groups=[0.5, 0.6] * 10, advantage_std=0.4)
    assert causes(reward_std=[0.9 * std for std in halves], dead_groups=[0.5, 0.6] * 10, advantage_std=0.4) == []


def test_groups_that_are_all_dead_in_all_steps_say_that_nothing_is_told_apart():
    dead = {"reward": 0.0, "reward_std": 0.0, "dead_groups": 1.0, "advantage_std": 0.0, "grad_norm": 0.0, "proxy": None}
    assert only("nothing_is_right", **dead)
    assert "nothing_is_right" not in causes(**dead | {"reward": [0.1, *[0.0] * 19], "dead_groups": [0.9, *[1.0] * 19]})


# ---- the KL -----------------------------------------------------------------------------------------------------------------


def test_a_kl_that_falls_to_0_is_that_of_a_new_reference():
    again = [0.0, *[0.01] * 9, 0.0, *[0.005] * 9]
    assert only("reference_replaced", kl_k3=again)
    assert causes(kl_k3=[0.0, *[0.01] * 9, 0.001, *[0.005] * 9]) == []  # a small one is possible


def test_a_kl_with_a_sign_crosses_0_by_chance():
    """k1 of a batch is as often below as above a small KL: within a thousandth of 0 once in a thousand steps."""
    kl = [0.01, -0.008, 0.012, -0.011, 0.009, 0.012, -0.01, 5e-6, 0.011, -0.009, 0.01, 0.012]
    assert "reference_replaced" not in causes(kl_k1=kl, kl_k3=None)
    assert "reference_replaced" in causes(kl_k1=[*kl[:7], 0.0, *kl[8:]], kl_k3=None)


def test_a_kl_that_does_not_start_at_0_is_to_another_model():
    assert only("reference_is_another", kl_k3=[0.03 + 0.001 * i for i in range(STEPS)])


def test_a_price_that_is_larger_than_the_gain_is_not_felt():
    """0.1 x 0.76 x 40 = 3.0 at the end, and the reward, 0.38 higher, counts 0.38 / 0.36 = 1.1."""
    assert only("kl_not_felt", kl_k3=[0.04 * i for i in range(STEPS)], proxy=None)
    assert causes(kl_k3=[0.01 * i for i in range(STEPS)], proxy=None) == []  # 0.76: it is worth it
    assert causes(kl_k3=[0.04 * i for i in range(STEPS)]) == []  # paid in the units of a judge


# ---- steps ------------------------------------------------------------------------------------------------------------------


def test_large_steps_and_a_falling_reward_are_a_learning_rate():
    assert only("steps_too_large", approx_kl=0.03, reward=FALLING, proxy=None, kl_k3=None)
    assert causes(approx_kl=0.03) == []  # it learns all the same
    without = {"approx_kl": None, "reward": FALLING, "proxy": None, "kl_k3": None}
    assert only("steps_too_large", **without, entropy=[0.2 + 0.02 * i for i in range(STEPS)])
    assert causes(**without) == []


def test_small_steps_and_a_falling_reward_are_a_sign():
    assert only("wrong_way", reward=FALLING, proxy=None, kl_k3=None)
    assert causes(reward=[0.4 + 0.1 * (i % 2) for i in range(STEPS)], proxy=None, kl_k3=None) == []


def test_gradients_without_any_movement_are_frozen_weights():
    still = [0.4 + 0.05 * (i % 3 - 1) for i in range(STEPS)]
    frozen = {"reward": still, "entropy": still, "approx_kl": 6e-14, "kl_k3": None, "proxy": None}
    assert only("nothing_moves", **frozen)
    assert causes(**frozen | {"entropy": ENTROPY}) == []  # one update per sample
    assert causes(**frozen | {"grad_norm": 0.0}) == []


def test_a_gradient_above_the_clip_in_every_step():
    assert only("gradient_too_long", grad_norm=2.4)
    assert causes(grad_norm=[2.4] * 10 + [0.4] * 10) == []


def test_entropy_that_is_gone_before_the_errors_are():
    gone = [0.2 * 0.85**i for i in range(STEPS)]  # to a twentieth, while wrong ones become 0.22 of 0.6
    assert only("entropy_collapsed", entropy=gone)
    assert causes(entropy=gone, reward=[1 - 0.6 * 0.84**i for i in range(STEPS)]) == []  # both fell alike
    assert causes(entropy=[0.2 - 0.009 * i for i in range(STEPS)]) == []  # to an eighth


# ---- what teaches -----------------------------------------------------------------------------------------------------------


PARTED = {"proxy": RISING, "reward": [0.4 + 0.03 * min(i, 20 - i) for i in range(STEPS)], "kl_k3": None}


def test_a_judge_that_rises_while_the_verifier_falls():
    assert only("over_optimised", **PARTED)
    assert only("over_optimised", **PARTED, kl_coef=None)
    assert only("length_gamed", **PARTED, length=[40.0 + 2 * i for i in range(STEPS)])
    cheap = PARTED | {"kl_k3": [0.01 * i for i in range(STEPS)], "kl_coef": 1e-4}
    assert only("kl_too_cheap", **cheap)
    assert causes(**PARTED | {"proxy": [0.4 + 0.1 * (i % 2) for i in range(STEPS)]}) == []  # nobody is paid for it


def test_completions_that_no_longer_end():
    assert only("no_ends", truncated=[0.02 * i for i in range(STEPS)])
    assert causes(truncated=[0.25 + 0.005 * i for i in range(STEPS)]) == []  # the budget was short from the start


# ---- tools ------------------------------------------------------------------------------------------------------------------


def test_calls_that_decay_and_results_that_nobody_reads():
    assert only("tool_words_trained", valid=[0.98 - 0.015 * i for i in range(STEPS)])
    assert only("results_unread", made_up=0.6)
    assert causes(made_up=0.6, calls=0.0, valid=0.0) == []  # it never called


# ---- fine-tuning and preferences --------------------------------------------------------------------------------------------


def of(kind: str, **scalars: object) -> list[str]:
    log = made(**scalars)
    assert kind_of(log) == kind
    return [found.cause.name for found in diagnose(log).found]


def test_a_loss_over_everything_and_a_loss_that_grows():
    assert of("sft", loss=1.0, supervised=1.0) == ["prompt_trained"]
    assert of("sft", loss=[0.1, *[0.25] * 19], supervised=0.7) == ["loss_grows"]
    assert of("sft", loss=[0.1, *[0.15] * 19], supervised=0.7, entropy=0.3) == []


def test_the_first_margin_of_a_preference_run():
    grows = [0.1 * i for i in range(STEPS)]
    assert of("preference", loss=0.6, margin=grows, chosen=grows, grad_norm=0.5) == []
    assert of("preference", loss=0.6, margin=[v + 3 for v in grows], chosen=grows, grad_norm=0.5) == [
        "pairs_of_another_reference"
    ]
    assert of("preference", loss=0.693, margin=0.0, chosen=0.0, grad_norm=0.5) == ["nothing_moves_in_pairs"]
    assert of("reward", loss=0.6, margin=[v + 3 for v in grows], accuracy=0.6) == []  # a head of random weights


def of_margin(first: float, *, beta: float = 1.0) -> list[str]:
    """What is found in a run whose margin begins at ``first`` nats and grows; with ``beta`` as TRL logs it."""
    grows = [beta * (first + 0.1 * i) for i in range(STEPS)]
    if beta == 1:
        return of("preference", loss=0.6, grad_norm=0.5, margin=grows, chosen=grows)
    return of("preference", loss=0.6, grad_norm=0.5, reward_margin=grows, chosen_reward=grows, chosen_logprob=-90.0)


@pytest.mark.parametrize("beta", [1.0, 0.1])
@pytest.mark.parametrize("sign", [-1, 1])
def test_what_bfloat16_rounds_is_no_other_reference(beta, sign):
    assert of_margin(1.1 * sign, beta=beta) == []  # the largest that was measured: see rules_supervised.py
    assert of_margin(3.0 * sign, beta=beta) == ["pairs_of_another_reference"]


@pytest.mark.slow
def test_a_first_margin_that_is_rounded_in_bfloat16_is_no_other_reference():
    """One model twice, in float32 and in bfloat16, and 8 pairs of random completions of 512 tokens."""
    policy, reference = (summed_logprobs(dtype) for dtype in (torch.bfloat16, torch.float32))
    gains = (policy - reference).view(8, 2)
    first = (gains[:, 0] - gains[:, 1]).mean().item()
    assert abs(first) > 0.01 and of_margin(first) == of_margin(first, beta=0.1) == []


def summed_logprobs(dtype: torch.dtype) -> torch.Tensor:
    """Of 16 completions under a random model of this precision."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = LlamaConfig(vocab_size=1000, max_position_embeddings=1024, initializer_range=0.1, **sizes)
    model, tokens = LlamaForCausalLM(config).to(dtype), torch.randint(1000, (16, 513))
    with torch.no_grad():
        return token_logprobs(model(tokens).logits.float(), tokens).sum(dim=1)


@pytest.mark.parametrize("seed", range(40))
def test_no_log_stops_the_doctor(seed):
    """Any scalars together, with gaps, zeros, negative and enormous values."""
    draw = random.Random(seed)
    kinds = (lambda: 0.0, lambda: 0.5, draw.random, lambda: draw.gauss(0, 1), lambda: draw.random() * 1e300,
             lambda: draw.choice([nan, draw.random()]))  # fmt: skip
    for length in (3, 4, 12):
        names = draw.sample(list(CANONICAL), 20)
        made_up = {name: [kind() for _ in range(length)] for name in names for kind in [draw.choice(kinds)]}
        try:
            text = report(diagnose(made(**made_up)))
        except InputError:
            continue
        assert text and json.dumps(as_json(diagnose(made(**made_up))), allow_nan=False)


# ---- what is said of all ----------------------------------------------------------------------------------------------------


def test_identities_come_before_bounds_and_bounds_before_patterns():
    """The ratio is not 1, the KL is not felt, the gradient is clipped."""
    found = causes(ratio=1.01, kl_k3=[0.04 * i for i in range(STEPS)], grad_norm=2.4, proxy=None)
    assert found == ["scored_otherwise", "kl_not_felt", "gradient_too_long"]
    assert TIERS["identity"] > TIERS["bound"] > TIERS["pattern"] and excess(1.0, 1.0) == excess(-1.0, 1.0) == 0.0
    assert excess(2.0, 1.0) == 0.5 and excess(1e9, 1.0) < 1


def test_what_is_not_in_the_log_is_named_and_not_guessed():
    diagnosis = diagnose(made(reward=RISING, entropy=ENTROPY))
    lacking = {cause.name: names for cause, names in diagnosis.unchecked}
    assert lacking["stale_logprobs"] == ("ratio",) and lacking["over_optimised"] == ("proxy",)
    assert "kl_not_felt" not in lacking and "results_unread" not in lacking  # no KL and no tools: not such a run


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.name)
def test_a_cause_can_stand_in_a_report(cause):
    assert cause.title.endswith(".") and cause.first.endswith(".") and cause.lesson in LESSONS and cause.needs
    assert len({each.name for each in CAUSES}) == len(CAUSES)


def test_a_log_without_steps_or_scalars_is_refused():
    with pytest.raises(InputError, match="2 steps"):
        diagnose(made(reward=[0.1, 0.2]))
    with pytest.raises(InputError, match="--columns"):
        diagnose(made(learning_rate=0.1))
