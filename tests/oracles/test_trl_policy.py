"""Every loss type of TRL's GRPOTrainer, its RLOOTrainer, and what goes into them: live, values and gradients.

What TRL computes and no function here is for ("sapo" and "cispo" of whole completions) is put together from pieces.
"""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from trl import GRPOTrainer, RLOOConfig
from trl.kernels.chunked_divergence import ChunkedDivergenceFunction
from trl.rewards import get_soft_overlong_punishment
from trl.trainer.rloo_trainer import RLOOTrainer
from trl.trainer.utils import selective_log_softmax

from reference import objectives as ours

from .cases import EOS, GROUP, PROMPT, TEMPERATURE, VOCAB, Case
from .claims import F32, oracle
from .records import assert_same
from .trl_batches import (
    ADVANTAGES,
    BETA,
    CASES,
    HIGH,
    LOW,
    batch_for_trl,
    logits_leaf,
    loss_type_mean,
    old_and_ref,
    sequences,
    trainer_after_loss,
    trl_advantages,
    trl_loss,
)
from .trl_stub import GKDTrainer, GMPOTrainer, TableModel, metric, rollout, sdpo, trainer

pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*:FutureWarning")

CLIP = {"clip_low": LOW, "clip_high": HIGH}
EPSILON = {"epsilon": LOW, "epsilon_high": HIGH}
CAP = {"epsilon_high": 1 + HIGH}  # of "cispo": the largest weight itself
CORRECTION = 1e-6  # TRL forms n / (n - 1), and means of booleans, in float32 whatever the rewards are in


def bounded_trl_loss(case: Case, logits: Tensor, **options: object) -> Tensor:
    return trl_loss(case, logits, **EPSILON | options)


def policy_terms(case: Case, logits: Tensor) -> tuple[Tensor, ...]:
    """Log-probs of the policy, old and reference; advantages; mask."""
    old, ref = old_and_ref(case, 1.0)
    return ours.token_logprobs(logits, case.tokens), old, ref, ADVANTAGES[: len(old), None], case.mask


# --- loss types, token by token (grpo, bnpo, dapo and dr_grpo are in test_trl.py) ---


def sapo(r: Tensor, advantages: Tensor) -> Tensor:
    """The gate of 2511.20347 at TRL's temperatures, for a ratio of any granularity."""
    tau = torch.where(advantages > 0, 1.0, 1.05)  # in float32, like TRL's
    return -advantages * (tau * (r - 1)).sigmoid() * 4 / tau


PER_TOKEN = {
    "cispo": lambda new, old, a, mask: ours.cispo_loss(new, old, a, clip_high=HIGH),
    "luspo": lambda new, old, a, mask: ours.ppo_clip_loss(new, old, a, **CLIP),
    "sapo": lambda new, old, a, mask: ours.sapo_loss(new, old, a),
    "vespo": ours.vespo_loss,
}


@pytest.mark.parametrize("case", ["ragged", "full"])
@pytest.mark.parametrize(
    "loss_type",
    [
        pytest.param("cispo", marks=oracle("cispo_loss", "TRL", "`cispo`, whose `epsilon_high` is 1 + `clip_high`")),
        pytest.param("luspo", marks=oracle("sequence_sum", "TRL", "`luspo`: mean of the rows' sums")),
        pytest.param("sapo", marks=oracle("sapo_loss", "TRL", "`sapo`, whose `tau` is a float32", rtol=1e-6)),
        pytest.param("vespo", marks=oracle("vespo_loss", "TRL", "`vespo`")),
    ],
)
def test_loss_types(same, loss_type, case):
    case = CASES[case]
    logits = logits_leaf(case)
    theirs = bounded_trl_loss(case, logits, loss_type=loss_type, beta=BETA, **CAP if loss_type == "cispo" else {})
    new, old, ref, advantages, mask = policy_terms(case, logits)
    loss = PER_TOKEN[loss_type](new, old, advantages, mask) + BETA * ours.kl_k3(new, ref)
    same(loss_type_mean(loss_type, loss, mask), theirs, logits)


@oracle("cispo_loss", "TRL", differs="without `epsilon_high` the cap is `epsilon` = 0.2: every weight becomes 0.2")
def test_cispo_by_default_caps_every_weight_far_below_one():
    case = CASES["full"]
    logits = logits_leaf(case)
    theirs = trl_loss(case, logits, loss_type="cispo")
    new, old, _, advantages, mask = policy_terms(case, logits)
    assert ours.ratio(new, old)[mask].min() > 0.2
    assert_same(ours.token_mean(ours.reinforce_loss(new, 0.2 * advantages), mask), theirs)


@oracle("clip_frac", "TRL", "`cispo_clip_ratio`", rtol=CORRECTION)
def test_cispo_clip_ratio_counts_capped_tokens_of_positive_advantage(same):
    case = CASES["full"]
    self = trainer_after_loss(case, loss_type="cispo", **CAP)
    new, old, _, advantages, mask = policy_terms(case, case.logits)
    mine = ours.clip_frac(new, old, advantages, mask, clip_low=1 - 1e-9, clip_high=HIGH)  # no lower bound in reach
    assert 0 < mine < 1
    same(mine, metric(self, "cispo_clip_ratio"))


# --- one ratio per completion ---

PER_SEQUENCE = {
    "cispo": lambda new, s, a: ours.reinforce_loss(new, s.detach().clamp(max=1 + HIGH) * a),
    "sapo": lambda new, s, a: sapo(s, a).expand_as(new),
}
LOOSE = {"clip_low": 0.1, "clip_high": 0.15}
GSPO = oracle("gspo_loss", "TRL", '`importance_sampling_level="sequence"`, any `loss_type`')


@pytest.mark.parametrize("case", ["ragged", "full"])
@pytest.mark.parametrize(
    "loss_type", [pytest.param(name, marks=GSPO) for name in ("grpo", "bnpo", "dapo", "dr_grpo", "luspo")]
)
@pytest.mark.parametrize("clip", [LOOSE, {}], ids=["loose", "the paper's bounds"])
def test_gspo(same, loss_type, case, clip):
    """Our bounds are the paper's, 3e-4 and 4e-4. TRL's default stays 0.2."""
    case = CASES[case]
    logits = logits_leaf(case)
    low, high = clip.get("clip_low", 3e-4), clip.get("clip_high", 4e-4)
    options = {"importance_sampling_level": "sequence", "epsilon": low, "epsilon_high": high, "beta": BETA}
    theirs = bounded_trl_loss(case, logits, loss_type=loss_type, **options)
    new, old, ref, advantages, mask = policy_terms(case, logits)
    loss = ours.gspo_loss(new, old, advantages, mask, **clip) + BETA * ours.kl_k3(new, ref)
    same(loss_type_mean(loss_type, loss, mask), theirs, logits)


@pytest.mark.parametrize("case", ["ragged", "full"])
@oracle("luspo_loss", "TRL", '`luspo` with `importance_sampling_level="sequence"`, `sequence_mean` of ours')
def test_luspo_of_whole_completions(same, case):
    case = CASES[case]
    logits = logits_leaf(case)
    options = {"importance_sampling_level": "sequence", "loss_type": "luspo"}
    epsilon = {"epsilon": LOOSE["clip_low"], "epsilon_high": LOOSE["clip_high"]}
    theirs = bounded_trl_loss(case, logits, **options, **epsilon)
    new, old, _, advantages, mask = policy_terms(case, logits)
    loss = ours.luspo_loss(new, old, advantages, mask, **LOOSE)
    same(ours.sequence_mean(loss, mask, num_sequences=len(mask)), theirs, logits)


@pytest.mark.parametrize("case", ["ragged", "full"])
@pytest.mark.parametrize("bounds", [(LOW, HIGH), (0.4, 0.4)], ids=["tight", "the paper's bounds"])
@oracle("gmpo_loss", "TRL", "`GMPOTrainer`, `sequence_mean` of ours")
def test_gmpo(same, case, bounds):
    case = CASES[case]
    logits = logits_leaf(case)
    low, high = bounds
    model = TableModel(logits)
    self, inputs = batch_for_trl(case, model, epsilon=low, epsilon_high=high, beta=BETA)
    theirs = GMPOTrainer._compute_loss(self, model, inputs)
    new, old, ref, advantages, mask = policy_terms(case, logits)
    loss = ours.gmpo_loss(new, old, advantages, mask, log_clip_low=low, log_clip_high=high)
    mine = loss + BETA * ours.kl_k3(new, ref)
    same(ours.sequence_mean(mine, mask, num_sequences=len(mask)), theirs, logits)


def test_the_completions_visit_every_quadrant_of_the_clip():
    visited = set()
    for case in (CASES["ragged"], CASES["full"]):
        new, old, _, advantages, mask = policy_terms(case, case.logits)
        s = ours.sequence_ratio(new, old, mask)
        side = (s > 1 + LOOSE["clip_high"]).long() - (s < 1 - LOOSE["clip_low"]).long()
        visited |= set(zip(side[:, 0].tolist(), (advantages[:, 0] > 0).tolist(), strict=True))
    assert visited == {(side, sign) for side in (-1, 0, 1) for sign in (True, False)}


@pytest.mark.parametrize("case", ["ragged", "full"])
@pytest.mark.parametrize("loss_type", PER_SEQUENCE)
@oracle("sequence_ratio", "TRL", '`importance_sampling_level="sequence"`, `cispo` and `sapo` built on it')
def test_cispo_and_sapo_of_whole_completions(same, loss_type, case):
    case = CASES[case]
    logits = logits_leaf(case)
    options = {"importance_sampling_level": "sequence", "loss_type": loss_type}
    theirs = bounded_trl_loss(case, logits, **options | CAP)
    new, old, _, advantages, mask = policy_terms(case, logits)
    s = ours.sequence_ratio(new, old, mask)
    same(loss_type_mean(loss_type, PER_SEQUENCE[loss_type](new, s, advantages), mask), theirs, logits)


@oracle("clip_frac", "TRL", "`clip_ratio/region_mean`: at sequence level it counts completions, not tokens", rtol=1e-6)
def test_the_clip_ratio_of_sequences(same):
    case = CASES["ragged"]
    self = trainer_after_loss(case, importance_sampling_level="sequence", **EPSILON)
    new, old, _, advantages, mask = policy_terms(case, case.logits)
    log_s = ours.sequence_logprobs(new - old, mask, average=True)[:, None]
    rows = torch.ones_like(log_s)
    same(
        ours.clip_frac(log_s, torch.zeros_like(log_s), advantages, rows, **CLIP), metric(self, "clip_ratio/region_mean")
    )


# --- dual clip ---


@pytest.mark.parametrize("case", ["ragged", "full"])
@oracle("ppo_clip_loss", "TRL", "`delta` from 1 + `epsilon_high` on is our `dual_clip`")
def test_delta_is_the_dual_clip(same, case):
    case = CASES[case]
    logits = logits_leaf(case)
    theirs = bounded_trl_loss(case, logits, delta=1.35)
    new, old, _, advantages, mask = policy_terms(case, logits)
    mine = ours.ppo_clip_loss(new, old, advantages, dual_clip=1.35, **CLIP)
    assert (mine != ours.ppo_clip_loss(new, old, advantages, **CLIP))[mask].any()
    same(ours.token_mean(mine, mask), theirs, logits)


@oracle("ppo_clip_loss", "TRL", differs="`delta` below 1 + `epsilon_high` bounds positive advantages as well")
def test_a_small_delta_is_not_the_dual_clip():
    """It caps the unclipped ratio whatever the sign; the clipped one still reaches 1 + epsilon_high for A < 0."""
    case, delta = CASES["full"], 1.1
    logits = logits_leaf(case)
    theirs = bounded_trl_loss(case, logits, delta=delta)
    new, old, _, advantages, mask = policy_terms(case, logits)
    up = ours.ppo_clip_loss(new, old, advantages, clip_low=LOW, clip_high=delta - 1)
    down = ours.ppo_clip_loss(new, old, advantages, dual_clip=1 + HIGH, **CLIP)
    assert_same(ours.token_mean(torch.where(advantages > 0, up, down), mask), theirs)
    mine = ours.token_mean(ours.ppo_clip_loss(new, old, advantages, dual_clip=delta, **CLIP), mask)
    assert not torch.allclose(mine, theirs, rtol=1e-3)


# --- the KL term ---


@pytest.mark.parametrize("case", ["ragged", "full"])
@pytest.mark.parametrize("loss_type", ["grpo", "dapo", "dr_grpo", "luspo"])
@oracle("kl_unbiased", "TRL", "`beta` with `use_bias_correction_kl=True`, its default")
def test_the_unbiased_kl(same, loss_type, case):
    case = CASES[case]
    logits = logits_leaf(case)
    theirs = bounded_trl_loss(case, logits, loss_type=loss_type, beta=BETA, use_bias_correction_kl=True)
    new, old, ref, advantages, mask = policy_terms(case, logits)
    loss = ours.ppo_clip_loss(new, old, advantages, **CLIP) + BETA * ours.kl_unbiased(new, ref, old)
    same(loss_type_mean(loss_type, loss, mask), theirs, logits)


@oracle(
    "kl_unbiased",
    "TRL",
    differs='with `importance_sampling_level="sequence"` the weight of every token is the sequence ratio, which is biased',
)
def test_the_unbiased_kl_at_sequence_level_has_the_weight_of_the_sequence():
    case = CASES["ragged"]
    logits = logits_leaf(case)
    options = {"importance_sampling_level": "sequence", "use_bias_correction_kl": True, "beta": BETA}
    theirs = bounded_trl_loss(case, logits, **options)
    new, old, ref, advantages, mask = policy_terms(case, logits)
    policy = ours.gspo_loss(new, old, advantages, mask, **CLIP)
    weighted = ours.kl_k3(new, ref) * ours.sequence_ratio(new, old, mask)
    mine = ours.token_mean(policy + BETA * weighted, mask)
    assert_same(mine, theirs)
    assert_same(torch.autograd.grad(mine, logits)[0], torch.autograd.grad(theirs, logits)[0])
    assert (weighted - ours.kl_unbiased(new, ref, old))[mask].abs().max() > 0.01


@oracle("mean_kl", "TRL", "`kl` with `use_bias_correction_kl=False`")
@oracle("mean_entropy", "TRL", "`entropy`")
def test_kl_and_entropy_as_logged(same):
    case = CASES["ragged"]
    self = trainer_after_loss(case, beta=BETA, temperature=TEMPERATURE)
    new = ours.token_logprobs(case.logits, case.tokens, temperature=TEMPERATURE)
    _, ref = old_and_ref(case, TEMPERATURE)
    same(ours.mean_kl(new, ref, case.mask), metric(self, "kl"), of="mean_kl")
    same(ours.mean_entropy(case.logits, case.mask, temperature=TEMPERATURE), metric(self, "entropy"), of="mean_entropy")


@oracle("mean_kl", "TRL", differs="`kl` is by default the mean of k3 times the ratio")
def test_the_kl_as_logged_by_default_is_weighted():
    case = CASES["ragged"]
    self = trainer_after_loss(case, beta=BETA, use_bias_correction_kl=True)
    new, old, ref, _, mask = policy_terms(case, case.logits)
    assert metric(self, "kl") == pytest.approx(
        ours.masked_mean(ours.kl_unbiased(new, ref, old), mask).item(), rel=1e-10
    )
    assert metric(self, "kl") != pytest.approx(ours.mean_kl(new, ref, mask).item(), rel=1e-3)


@pytest.mark.parametrize("case", ["ragged", "full"])
@oracle("total_loss", "TRL", "`beta` and `entropy_coef`")
def test_kl_is_added_and_entropy_subtracted(same, case):
    """The KL aggregated as the policy term is, the entropy a mean over tokens whatever the loss type."""
    case = CASES[case]
    logits = logits_leaf(case)
    theirs = bounded_trl_loss(case, logits, loss_type="grpo", beta=BETA, entropy_coef=0.2)
    new, old, ref, advantages, mask = policy_terms(case, logits)
    policy = loss_type_mean("grpo", ours.ppo_clip_loss(new, old, advantages, **CLIP), mask)
    kl = loss_type_mean("grpo", ours.kl_k3(new, ref), mask)
    entropy = ours.masked_mean(ours.entropy(logits), mask)
    same(ours.total_loss(policy, kl=kl, kl_coef=BETA, entropy=entropy, entropy_coef=0.2), theirs, logits)


# --- where the old log-probs come from, and the sampler's ---


def later_logits(case: Case) -> Tensor:
    """Logits some steps later."""
    random = torch.Generator().manual_seed(11)
    noise = torch.randn(case.logits.shape, generator=random, dtype=torch.float64)
    return (case.logits + 0.5 * noise).requires_grad_()


def batch_from_rollout(case: Case, **options: object) -> tuple[object, dict]:
    """TRL's trainer and its batch, old log-probs as TRL takes them, the sampler's some tenths of a nat away."""
    rows = len(case.tokens)
    options = {"per_device_train_batch_size": rows, "num_generations": rows, "gradient_accumulation_steps": 1} | options
    self = trainer(TableModel(case.logits), pad=EOS, eos=EOS, **options)
    lengths = case.mask.sum(dim=1).tolist()
    given = [row[PROMPT - 1 :][:n] for row, n in zip(sampler_logprobs(case).tolist(), lengths, strict=True)]
    return self, rollout(self, *sequences(case), ADVANTAGES[:rows], given)


def sampler_logprobs(case: Case) -> Tensor:
    """On a grid, because TRL takes them through float32: there they are exact."""
    old = ours.token_logprobs(case.logits, case.tokens)
    return ((old + case.old - case.logprobs) * 1024).round() / 1024


@oracle("ratio", "TRL", "`num_iterations=2`: old log-probs from the time of the rollout")
def test_the_second_step_on_a_batch_is_off_policy(same):
    case = CASES["ragged"]
    _, once = batch_from_rollout(case)
    assert "old_per_token_logps" not in once  # the first step is the only one
    self, inputs = batch_from_rollout(case, num_iterations=2, scale_rewards="none")
    logits = later_logits(case)
    theirs = self._compute_loss(TableModel(logits), inputs)
    new, old = ours.token_logprobs(logits, case.tokens), ours.token_logprobs(case.logits, case.tokens)
    advantages = ours.group_advantages(ADVANTAGES, group_size=4, scale="none")[:, None]
    same(ours.token_mean(ours.ppo_clip_loss(new, old, advantages), case.mask), theirs, logits)


MODES = ["token_truncate", "token_mask", "sequence_truncate", "sequence_mask"]
SAMPLER = [
    pytest.param(mode, marks=oracle("sampler_correction", "TRL", "`vllm_importance_sampling_mode`, all four"))
    for mode in MODES
]
BOUNDS = {"vllm_importance_sampling_clip_min": 0.8, "vllm_importance_sampling_clip_max": 1.3}


def correction(case: Case, mode: str, low: float, high: float) -> Tensor:
    level, how = mode.split("_")
    old = ours.token_logprobs(case.logits, case.tokens)
    return ours.sampler_correction(old, sampler_logprobs(case), case.mask, level=level, mode=how, low=low, high=high)


@pytest.mark.parametrize("case", ["ragged", "full"])
@pytest.mark.parametrize("bounds", [BOUNDS, {}], ids=["both bounds", "default"])
@pytest.mark.parametrize("mode", SAMPLER)
def test_the_sampler_correction_is_on_the_policy_term_only(same, mode, case, bounds):
    """By default TRL has a cap of 3 and no lower bound. Its weight is also logged."""
    case = CASES[case]
    options = {"use_vllm": True, "vllm_importance_sampling_mode": mode, "scale_rewards": "none", "beta": BETA} | bounds
    self, inputs = batch_from_rollout(case, **options)
    inputs["ref_per_token_logps"] = old_and_ref(case, 1.0)[1][:, PROMPT - 1 :]
    logits = later_logits(case)
    theirs = self._compute_loss(TableModel(logits), inputs)

    weight = correction(case, mode, *(bounds.values() if bounds else (0.0, 3.0)))
    new, old = ours.token_logprobs(logits, case.tokens), ours.token_logprobs(case.logits, case.tokens)
    _, ref = old_and_ref(case, 1.0)
    advantages = ours.group_advantages(ADVANTAGES[: len(old)], group_size=len(old), scale="none")[:, None]
    loss = weight * ours.ppo_clip_loss(new, old, advantages) + BETA * ours.kl_k3(new, ref)
    same(ours.token_mean(loss, case.mask), theirs, logits)
    mean = weight[:, PROMPT - 1].mean() if mode.startswith("sequence") else ours.masked_mean(weight, case.mask)
    same(mean, metric(self, "sampling/importance_sampling_ratio/mean"))


@pytest.mark.parametrize("mode", MODES)
def test_the_batches_have_tokens_and_sequences_on_both_sides_of_the_bounds(mode):
    plain = [
        correction(case, mode.replace("mask", "truncate"), 0.0, 1e9)[case.mask]
        for case in (CASES["ragged"], CASES["full"])
    ]
    ratios = torch.cat(plain)
    assert (ratios < 0.8).any() and (ratios > 1.3).any() and ((ratios > 0.8) & (ratios < 1.3)).any()


@oracle("mean_ratio", "TRL", "`sampling/importance_sampling_ratio/mean`, uncapped: trainer over sampler")
def test_the_mean_ratio_of_trainer_and_sampler(same):
    case = CASES["ragged"]
    options = {"vllm_importance_sampling_mode": "token_mask", "vllm_importance_sampling_clip_max": None}
    self, _ = batch_from_rollout(case, use_vllm=True, **options)
    old = ours.token_logprobs(case.logits, case.tokens)
    mine = ours.mean_ratio(old, sampler_logprobs(case), case.mask)
    same(mine, metric(self, "sampling/importance_sampling_ratio/mean"))


@oracle("sampler_correction", "TRL", differs="a NaN from the sampler counts as ratio 1, an error here")
def test_a_token_that_the_sampler_could_not_score():
    case = CASES["full"]
    self, _ = batch_from_rollout(case)
    self.use_vllm, self.vllm_importance_sampling_mode = True, "token_truncate"
    sampler = sampler_logprobs(case)
    sampler[0, PROMPT - 1] = torch.nan
    inputs = rollout(self, *sequences(case), ADVANTAGES[:3], sampler[:, PROMPT - 1 :].tolist())
    assert inputs["importance_sampling_ratio"][0, 0] == 1
    with pytest.raises(ours.InputError, match="sampler_logprobs is NaN"):
        ours.sampler_correction(ours.token_logprobs(case.logits, case.tokens), sampler, case.mask)


# --- rewards, masks, advantages ---


@oracle("overlong_mask", "TRL", "`mask_truncated_completions`")
@oracle("truncated_share", "TRL", "`completions/clipped_ratio`", rtol=CORRECTION)
@oracle("mean_length", "TRL", "`completions/mean_length`", rtol=CORRECTION)
@oracle("reward_mean", "TRL", "`reward`")
def test_truncated_rows_leave_the_loss_and_stay_in_their_group(same):
    case = CASES["ragged"]
    options = {"per_device_train_batch_size": 4, "num_generations": 4, "scale_rewards": "none"}
    self = trainer(TableModel(case.logits), pad=EOS, eos=EOS, mask_truncated_completions=True, **options)
    inputs = rollout(self, *sequences(case), ADVANTAGES)
    truncated = ~(case.tokens[:, PROMPT:] == EOS).any(dim=1)
    mine = ours.overlong_mask(case.mask, truncated)
    same(mine[:, PROMPT - 1 :], inputs["completion_mask"], of="overlong_mask")
    assert int(mine.sum()) == inputs["num_items_in_batch"] < case.mask.sum()
    assert_same(ours.group_advantages(ADVANTAGES, group_size=4, scale="none"), inputs["advantages"])
    same(ours.truncated_share(truncated), metric(self, "completions/clipped_ratio"), of="truncated_share")
    same(ours.mean_length(case.mask), metric(self, "completions/mean_length"), of="mean_length")
    same(ours.reward_mean(ADVANTAGES), metric(self, "reward"), of="reward_mean")


@pytest.mark.parametrize("case", ["ragged", "full"])
@oracle("group_advantages", "TRL", '`scale_rewards="batch"`', rtol=1e-7)
def test_batch_scale(same, case):
    rewards = CASES[case].rewards
    theirs, _ = trl_advantages(rewards, scale_rewards="batch")
    same(ours.group_advantages(rewards, group_size=GROUP, scale="batch"), theirs)


@oracle(
    "dead_group_share", "TRL", differs='with `scale_rewards="batch"` it is 0 or 1: about the std of the whole batch'
)
def test_dead_groups_are_not_counted_under_batch_scale():
    rewards = CASES["ragged"].rewards
    _, self = trl_advantages(rewards, scale_rewards="batch")
    assert metric(self, "frac_reward_zero_std") == 0
    assert ours.dead_group_share(rewards, group_size=GROUP).item() == pytest.approx(1 / 3)


@oracle("group_reward_std", "TRL", differs="`reward_std` is the std of all rewards, not within groups")
def test_reward_std_is_of_the_batch():
    rewards = CASES["ragged"].rewards
    _, self = trl_advantages(rewards)
    assert metric(self, "reward_std") == pytest.approx(rewards.std().item(), rel=CORRECTION)
    assert metric(self, "reward_std") != pytest.approx(
        ours.group_reward_std(rewards, group_size=GROUP).item(), rel=1e-2
    )


@pytest.mark.parametrize("case", ["ragged", "full"])
@oracle(
    "batch_advantages", "TRL", '`multi_objective_aggregation="normalize_then_sum"`, after the group scale', rtol=1e-6
)
def test_gdpo_scales_by_the_batch_after_the_group(same, case):
    rewards = CASES[case].rewards
    theirs, _ = trl_advantages(rewards, multi_objective_aggregation="normalize_then_sum")
    same(ours.batch_advantages(ours.group_advantages(rewards, group_size=GROUP)), theirs)


@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.5])
@oracle("off_policy_mask", "TRL", "`get_off_policy_mask`")
@oracle("off_policy_mask", "TRL", differs="a NaN of the sampler counts as 0, an error here")
def test_the_off_policy_sequence_mask(same, threshold):
    case = CASES["ragged"]
    new = ours.token_logprobs(case.logits, case.tokens)
    sampler = new + torch.linspace(-1.0, 2.0, new.numel(), dtype=new.dtype).view_as(new)
    advantages = torch.linspace(-1.0, 1.0, len(new), dtype=new.dtype)[:, None]
    options = {"mask": case.mask.double(), "off_policy_threshold": threshold}
    theirs = GRPOTrainer.get_off_policy_mask(advantages, new, sampler, **options)
    mine = ours.off_policy_mask(new, sampler, advantages, case.mask, threshold=threshold)
    same(mine.double(), theirs * case.mask)
    hole = torch.where(case.mask, torch.nan, sampler)
    assert GRPOTrainer.get_off_policy_mask(advantages, new, hole, **options).all()
    with pytest.raises(ours.InputError, match="sampler_logprobs is NaN"):
        ours.off_policy_mask(new, hole, advantages, case.mask, threshold=threshold)


@pytest.mark.parametrize("share", [0.2, 0.4, 0.55, 1.0])
@oracle("top_entropy_mask", "TRL", "`get_high_entropy_mask`, whose threshold is 1 - `share`")
def test_the_top_entropy_mask(same, share):
    case = CASES["ragged"]
    entropy = ours.entropy(case.logits).float().double()  # TRL has the quantile in float32
    one_process = SimpleNamespace(pad_across_processes=lambda x, **_: x, gather=lambda x: x)
    self = SimpleNamespace(accelerator=one_process)
    theirs = GRPOTrainer.get_high_entropy_mask(self, entropy, case.mask, 1 - share)
    same(ours.top_entropy_mask(entropy, case.mask, share=share).double(), theirs.double())


@oracle("gdpo_advantages", "TRL", '`multi_objective_aggregation="normalize_then_sum"`', rtol=1e-6)
def test_several_rewards_are_normalised_and_then_added(same):
    first = torch.cat([CASES["ragged"].rewards, CASES["full"].rewards])
    rewards, weights = (
        torch.stack([first, first.flip(0) ** 2, 100 * first.roll(1)], dim=1),
        torch.tensor([1.0, 0.5, 2.0]),
    )
    batch = len(rewards)
    model = TableModel(torch.zeros(batch, 2, VOCAB, dtype=torch.float64))
    options = {"per_device_train_batch_size": batch, "num_generations": GROUP}
    self = trainer(model, multi_objective_aggregation="normalize_then_sum", **options)
    theirs = rollout(self, [[3]] * batch, [[2]] * batch, rewards, reward_weights=weights.to(rewards.dtype))[
        "advantages"
    ]
    mine = ours.gdpo_advantages(rewards, torch.ones(batch, 1), group_size=GROUP, weights=weights)
    same(mine[:, 0], theirs)


@pytest.mark.parametrize("kind", ["group", "batch", "none", "rloo"])
@oracle("group_advantages", "TRL", differs="0 for a group of 1 (evaluation only), an error here with a std")
@oracle("rloo_advantages", "TRL", differs="0 for a group of 1 (evaluation only), an error here")
def test_a_group_of_one(kind):
    rewards = torch.tensor([1.0, 0.0], dtype=torch.float64)
    options = {"num_generations": 2, "num_generations_eval": 1, "training": False}
    options |= {"kind": RLOOTrainer, "beta": 0.0} if kind == "rloo" else {"scale_rewards": kind}
    theirs, _ = trl_advantages(rewards, **options)
    assert (theirs == 0).all()
    if kind == "none":
        assert (ours.group_advantages(rewards, group_size=1, scale="none") == 0).all()
        return
    with pytest.raises(ours.InputError, match="group_size is 1"):
        if kind == "rloo":
            ours.rloo_advantages(rewards, group_size=1)
        else:
            ours.group_advantages(rewards, group_size=1, scale=kind)


@pytest.mark.parametrize(("max_length", "buffer"), [(10, 4), (10, 10), (7, 1)])
@oracle("soft_overlong_penalty", "TRL", "`get_soft_overlong_punishment`", rtol=CORRECTION)
def test_soft_overlong_penalty(same, max_length, buffer):
    """Ours is float32, being made of integers; TRL's are Python's floats."""
    lengths = torch.arange(14)
    theirs = get_soft_overlong_punishment(max_length, buffer)([[2] * n for n in lengths.tolist()])
    same(ours.soft_overlong_penalty(lengths, max_length=max_length, buffer=buffer), torch.tensor(theirs).double())


@oracle("soft_overlong_penalty", "TRL", differs="`soft_punish_cache=0` is a step from 0 to -1, an error here")
def test_a_buffer_of_zero():
    assert get_soft_overlong_punishment(3, 0)([[2] * 3, [2] * 4]) == [0, -1]
    with pytest.raises(ours.InputError, match="buffer"):
        ours.soft_overlong_penalty(torch.tensor([3, 4]), max_length=3, buffer=0)


# --- RLOO ---


def rloo_batch(case: Case, group_size: int, **options: object) -> tuple[object, dict]:
    """RLOOTrainer and its batch: the old policy is the case's, the reference some tenths of a nat away in its logits."""
    rows = len(case.tokens)
    options = {"per_device_train_batch_size": rows, "num_generations": group_size} | options
    self = trainer(
        TableModel(case.logits),
        ref_model=TableModel(reference_logits(case)),
        kind=RLOOTrainer,
        pad=EOS,
        eos=EOS,
        **options,
    )
    return self, rollout(self, *sequences(case), ADVANTAGES[:rows])


def reference_logits(case: Case) -> Tensor:
    return case.logits.flip(2) * 0.3 + case.logits * 0.7


GROUPS = [("ragged", 2), ("ragged", 4), ("full", 3)]


@pytest.mark.parametrize(("case", "group_size"), GROUPS)
@oracle("rloo_advantages", "TRL", "`RLOOTrainer`")
@oracle("kl_k1", "TRL", "`beta` of `RLOOTrainer`, in the reward")
@oracle("kl_penalty", "TRL", "`beta` of `RLOOTrainer`: k1 without clamps")
@oracle("kl_penalised_rewards", "TRL", "`beta` of `RLOOTrainer`, before the baseline")
@oracle("kl_charge", "TRL", '`beta` of `RLOOTrainer` is `credit="sequence"`, before the baseline')
@oracle("mean_kl", "TRL", '`kl` of `RLOOTrainer`, ours with `estimator="k1"`')
def test_rloo_advantages_with_the_kl_in_the_reward(same, case, group_size):
    """0.05 is TRL's default. Its advantages are not normalised by default."""
    case = CASES[case]
    self, inputs = rloo_batch(case, group_size)
    rewards = ADVANTAGES[: len(case.tokens)]
    old, ref = ours.token_logprobs(case.logits, case.tokens), ours.token_logprobs(reference_logits(case), case.tokens)
    kl = ours.kl_k1(old, ref)
    penalised = ours.kl_penalised_rewards(rewards, kl, case.mask, kl_coef=0.05)
    same(ours.rloo_advantages(penalised, group_size=group_size), inputs["advantages"])
    penalised = ours.kl_penalised_rewards(rewards, ours.kl_penalty(old, ref, estimator="k1"), case.mask, kl_coef=0.05)
    same(ours.rloo_advantages(penalised, group_size=group_size), inputs["advantages"])
    charged = rewards - 0.05 * ours.kl_charge(kl, case.mask, credit="sequence")[:, PROMPT - 1]
    same(ours.rloo_advantages(charged, group_size=group_size), inputs["advantages"])
    same(ours.mean_kl(old, ref, case.mask, estimator="k1"), metric(self, "kl"))
    assert RLOOConfig.__dataclass_fields__["beta"].default == 0.05
    assert RLOOConfig.__dataclass_fields__["normalize_advantages"].default is False


@pytest.mark.parametrize(("case", "group_size"), GROUPS)
@oracle("batch_advantages", "TRL", "`normalize_advantages` of `RLOOTrainer`, after `rloo_advantages`", rtol=1e-6)
def test_rloo_advantages_normalised(same, case, group_size):
    _, inputs = rloo_batch(CASES[case], group_size, beta=0.0, normalize_advantages=True)
    rewards = ADVANTAGES[: len(CASES[case].tokens)]
    same(ours.batch_advantages(ours.rloo_advantages(rewards, group_size=group_size)), inputs["advantages"])


@pytest.mark.parametrize(("case", "group_size"), GROUPS)
@pytest.mark.parametrize("mask_truncated", [False, True])
@oracle("ppo_clip_loss", "TRL", "`RLOOTrainer`, on summed log-probs: the ratio of the whole completion, (batch, 1)")
@oracle("sequence_logprobs", "TRL", "`RLOOTrainer`")
def test_the_loss_of_rloo_clips_the_ratio_of_whole_completions(same, case, group_size, mask_truncated):
    case = CASES[case]
    self, inputs = rloo_batch(case, group_size, mask_truncated_completions=mask_truncated, **EPSILON)
    logits = later_logits(case)
    theirs = self._compute_loss(TableModel(logits), inputs)
    mask = case.mask
    if mask_truncated:
        mask = ours.overlong_mask(mask, ~(case.tokens[:, PROMPT:] == EOS).any(dim=1))
    new, old = (ours.token_logprobs(x, case.tokens) for x in (logits, case.logits))
    new, old = (ours.sequence_logprobs(x, mask)[:, None] for x in (new, old))
    mine = ours.ppo_clip_loss(new, old, inputs["advantages"][:, None], **CLIP).mean()
    same(mine, theirs, logits)


@oracle("reinforce_loss", "TRL", "`RLOOTrainer` at ratio 1, the gradient: mean over rows of `sequence_sum`")
def test_the_first_step_of_rloo_is_reinforce(same):
    """The values are two different numbers, only the gradients are the same."""
    case = CASES["ragged"]
    self, inputs = rloo_batch(case, 4)
    logits = logits_leaf(case)
    theirs = self._compute_loss(TableModel(logits), inputs)
    loss = ours.reinforce_loss(ours.token_logprobs(logits, case.tokens), inputs["advantages"][:, None])
    mine = ours.sequence_sum(loss, case.mask).mean()
    assert not torch.allclose(mine, theirs, rtol=1e-3)
    same.gradient(torch.autograd.grad(mine, logits)[0], torch.autograd.grad(theirs, logits)[0])


# --- log-probs in chunks, and the KL of the whole vocabulary ---


@pytest.mark.parametrize("chunk_size", [1, 3, 1000])
@pytest.mark.parametrize("temperature", [1.0, TEMPERATURE])
@oracle("token_logprobs", "TRL", "`selective_log_softmax`, ours with `chunk_size`")
def test_log_probs_in_chunks(same, chunk_size, temperature):
    case = CASES["ragged"]
    logits = logits_leaf(case)
    theirs = selective_log_softmax(logits[:, :-1], case.tokens[:, 1:], temperature=temperature)
    same(ours.token_logprobs(logits, case.tokens, temperature=temperature, chunk_size=chunk_size), theirs, logits)


@pytest.mark.parametrize("temperature", [1.0, TEMPERATURE])
@pytest.mark.parametrize("beta", [0, 1])
@oracle("kl_full", "TRL", "`generalized_jsd_loss` with `beta=1`; `beta=0` with the arguments swapped")
def test_the_kl_of_the_whole_distribution(same, beta, temperature):
    """The student is the policy and the teacher the reference; beta between 0 and 1 is a Jensen-Shannon divergence."""
    case = CASES["ragged"]
    student, teacher = logits_leaf(case), reference_logits(case)
    labels = torch.where(case.mask, case.tokens[:, 1:], -100)
    options = {"beta": beta, "temperature": temperature}
    theirs = GKDTrainer.generalized_jsd_loss(student[:, :-1], teacher[:, :-1], reduction="none", **options).sum(dim=-1)
    pair = (student, teacher) if beta == 1 else (teacher, student)
    mine = ours.kl_full(*pair, temperature=temperature)
    same(mine, theirs, student)
    mean = GKDTrainer.generalized_jsd_loss(student[:, :-1], teacher[:, :-1], labels=labels, **options)
    same(ours.masked_mean(mine, case.mask), mean, student)


@pytest.mark.parametrize("temperature", [1.0, TEMPERATURE])
@pytest.mark.parametrize("beta", [0.0, 0.1, 0.5, 1.0])
@oracle("generalised_jsd", "TRL", "`generalized_jsd_loss` of GKD")
def test_the_divergence_to_a_teacher(same, beta, temperature):
    case = CASES["ragged"]
    student, teacher = logits_leaf(case), reference_logits(case)
    theirs = GKDTrainer.generalized_jsd_loss(
        student[:, :-1], teacher[:, :-1], reduction="none", beta=beta, temperature=temperature
    )
    same(
        ours.generalised_jsd(student, teacher, teacher_share=beta, temperature=temperature), theirs.sum(dim=-1), student
    )


@pytest.mark.parametrize("max_ratio", [None, 1.1, 2.0])
@oracle("distillation_loss", "TRL", "`sampled_token` of SDPO, ours with `max_ratio`")
@oracle("distillation_rewards", "TRL", "minus the weight of `sampled_token` of SDPO")
def test_a_sampled_token_and_a_teacher(same, max_ratio):
    case = CASES["ragged"]
    student, teacher = logits_leaf(case), reference_logits(case)
    theirs = sdpo.compute_sampled_token_self_distillation_loss(
        student[:, :-1], teacher[:, :-1], case.tokens[:, 1:], distillation_alpha=1.0
    )
    new, q = (ours.token_logprobs(logits, case.tokens) for logits in (student, teacher))
    old = None
    if max_ratio is not None:
        old = new.detach() - torch.linspace(-0.5, 1.0, new.numel(), dtype=new.dtype).view_as(new)
        theirs = sdpo.apply_importance_sampling_clipping(theirs, new, old, max_ratio)
    mine = ours.distillation_loss(new, q, old_logprobs=old, max_ratio=max_ratio)
    same(mine, theirs, student, of="distillation_loss")
    rewards = ours.distillation_rewards(new, q, torch.ones_like(new))
    weight = 1.0 if old is None else (new - old).exp().clamp(max=max_ratio).detach()
    same(-rewards * new * weight, theirs, student, of="distillation_rewards")


@oracle("kl_full", "TRL", "`ChunkedDivergenceFunction` with `beta=1`", rtol=F32)
def test_the_kl_from_hidden_states(same):
    """The kernel of TRL's distillation trainers. It sums in float32, and its gradient flows to the student only."""
    random = torch.Generator().manual_seed(9)
    student, teacher = (torch.randn(3, 6, 8, generator=random).requires_grad_() for _ in range(2))
    head, teacher_head = (torch.randn(VOCAB, 8, generator=random).requires_grad_() for _ in range(2))
    flat = (x[:, :-1].reshape(-1, 8) for x in (student, teacher))
    theirs, _ = ChunkedDivergenceFunction.apply(next(flat), head, None, next(flat), teacher_head, None, 1.0)
    mine = ours.kl_full(student @ head.T, teacher @ teacher_head.T)
    same(mine, theirs.view_as(mine), student, head)
