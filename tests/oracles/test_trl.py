"""`reference` against TRL, live: values and gradients of the trainer's own methods on the same inputs.

float64 wherever TRL stays in float64, so that agreement means 10 digits; every wider tolerance says where TRL rounds.
``same`` compares with the tolerance of the test's ``oracle`` marks, which make the table of README.md.
"""

import pytest
import torch
import trl
from torch import Tensor
from transformers.loss.loss_utils import ForCausalLMLoss
from trl import GRPOConfig
from trl.kernels import ChunkedLogProbFunction
from trl.trainer.utils import add_fused_lm_head, entropy_from_logits, selective_log_softmax

from reference import objectives as ours

from .cases import BUDGET, COMPLETION, EOS, GROUP, PROMPT, TEMPERATURE, VOCAB, Case
from .claims import F32, WHOLE_STEP, oracle
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
    tiny_llama,
    trainer_after_loss,
    trl_advantages,
    trl_loss,
)
from .trl_stub import ScriptedModel, TableModel, metric, rollout, trainer

pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*:FutureWarning")

FLOAT32 = {"rtol": 1e-5, "atol": 1e-6}


def test_trl_is_the_version_these_statements_are_about():
    assert trl.__version__.startswith("1.16.")


# --- log-probs and entropy ---


@pytest.mark.parametrize("case", ["ragged", "full"])
@pytest.mark.parametrize("temperature", [1.0, TEMPERATURE])
@pytest.mark.parametrize(
    "dtype",
    [pytest.param(torch.float64, marks=oracle("token_logprobs", "TRL", "`selective_log_softmax`")), torch.float32],
)
def test_token_logprobs_is_selective_log_softmax(same, case, temperature, dtype):
    tokens, logits = CASES[case].tokens, CASES[case].logits.to(dtype).requires_grad_()
    mine = ours.token_logprobs(logits, tokens, temperature=temperature)
    theirs = selective_log_softmax(logits[:, :-1], tokens[:, 1:], temperature=temperature)
    same(mine, theirs, logits)


@oracle(
    "token_logprobs",
    "TRL",
    "`selective_log_softmax`",
    differs="bfloat16 logits are summed in bfloat16 (2⁻⁷), here in float32",
)
def test_selective_log_softmax_leaves_bfloat16_in_bfloat16():
    tokens, logits = CASES["ragged"].tokens, CASES["ragged"].logits.bfloat16()
    exact = ours.token_logprobs(logits.double(), tokens)
    mine = ours.token_logprobs(logits, tokens)
    theirs = selective_log_softmax(logits[:, :-1], tokens[:, 1:])
    assert (mine.dtype, theirs.dtype) == (torch.float32, torch.bfloat16)
    assert_same(mine, exact, **FLOAT32)
    assert_same(theirs, exact, rtol=2**-7, atol=2**-7)  # bfloat16 has 8 bits
    assert not torch.allclose(theirs.double(), exact, rtol=1e-3, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("temperature", [1.0, TEMPERATURE])
@oracle("token_logprobs", "TRL", "`ChunkedLogProbFunction`", rtol=F32)
@oracle("chunked_token_logprobs", "TRL", "`ChunkedLogProbFunction`", rtol=F32)
@oracle("entropy", "TRL", "`ChunkedLogProbFunction`", rtol=F32)
def test_logprobs_of_hidden_states_are_those_of_the_fused_head(same, dtype, temperature):
    """The head that TRL's trainers use. It rounds the logits to the model's dtype and sums in float32."""
    random = torch.Generator().manual_seed(5)
    tokens = CASES["ragged"].tokens
    hidden = torch.randn(*tokens.shape, 8, generator=random).to(dtype).requires_grad_()
    lm_head = torch.randn(VOCAB, 8, generator=random).to(dtype).requires_grad_()
    flat = hidden[:, :-1].reshape(-1, 8)
    logprobs, entropy, *_ = ChunkedLogProbFunction.apply(
        flat, lm_head, None, tokens[:, 1:].reshape(-1), temperature, 3, None, 1.0, ("entropy",)
    )
    logits = hidden @ lm_head.T
    # in bfloat16 the gradients themselves are rounded, each at its own place
    leaves = (hidden, lm_head) if dtype == torch.float32 else ()
    mine = ours.token_logprobs(logits, tokens, temperature=temperature)
    same(mine, logprobs.view_as(mine), *leaves, of="token_logprobs")
    mine = ours.chunked_token_logprobs(hidden, lm_head, tokens, temperature=temperature, chunk_size=4)
    same(mine, logprobs.view_as(mine), *leaves, of="chunked_token_logprobs")
    mine = ours.entropy(logits, temperature=temperature)
    same(mine, entropy.view_as(mine), of="entropy")


@pytest.mark.parametrize(
    "dtype", [pytest.param(torch.float64, marks=oracle("entropy", "TRL", "`entropy_from_logits`")), torch.float32]
)
@pytest.mark.parametrize("temperature", [1.0, TEMPERATURE])
def test_entropy(same, temperature, dtype):
    logits = CASES["ragged"].logits.to(dtype).requires_grad_()
    mine = ours.entropy(logits, temperature=temperature)
    theirs = entropy_from_logits(logits[:, :-1] / temperature, chunk_size=3)
    same(mine, theirs, logits)


@oracle("entropy", "TRL", "`entropy_from_logits`", differs="NaN when a logit is -inf")
def test_entropy_of_a_forbidden_token_is_nan_in_trl():
    """p log p is 0 * -inf there: after top-k or a grammar, TRL's entropy is NaN."""
    logits = CASES["ragged"].logits.clone()
    logits[:, :, 2] = -torch.inf
    assert entropy_from_logits(logits[:, :-1]).isnan().all()
    allowed = logits[:, :, [0, 1, 3, 4]]
    assert_same(ours.entropy(logits), entropy_from_logits(allowed[:, :-1]))


# --- the loss of GRPOTrainer ---

OPTIONS = {
    "default": {},
    "epsilon_high": {"epsilon": LOW, "epsilon_high": HIGH},
    "beta": {"beta": BETA},
    "temperature": {"temperature": TEMPERATURE, "beta": BETA},
}
LOSS_TYPES = ("grpo", "bnpo", "dapo", "dr_grpo")  # the others are in test_trl_policy.py


def per_token_loss(
    case: Case,
    logits: Tensor,
    *,
    epsilon: float = 0.2,
    epsilon_high: float | None = None,
    beta: float = 0.0,
    temperature: float = 1.0,
) -> Tensor:
    logprobs = ours.token_logprobs(logits, case.tokens, temperature=temperature)
    old, ref = old_and_ref(case, temperature)
    clip_high = epsilon if epsilon_high is None else epsilon_high
    advantages = ADVANTAGES[: len(old), None]
    policy = ours.ppo_clip_loss(logprobs, old, advantages, clip_low=epsilon, clip_high=clip_high)
    return policy + beta * ours.kl_k3(logprobs, ref)


def our_loss(case: Case, logits: Tensor, loss_type: str, mask: Tensor | None = None, **options: float) -> Tensor:
    if mask is None:
        mask = ours.completion_mask(case.tokens, case.start, eos_token_id=EOS)
    return loss_type_mean(loss_type, per_token_loss(case, logits, **options), mask)


@pytest.mark.parametrize("case", ["ragged", "full"])
@pytest.mark.parametrize(
    "options",
    [
        "default",
        pytest.param(
            "epsilon_high", marks=oracle("ppo_clip_loss", "TRL", "`_compute_loss`, `epsilon`, `epsilon_high`")
        ),
        pytest.param("beta", marks=oracle("kl_k3", "TRL", "`beta` with `use_bias_correction_kl=False`")),
        "temperature",
    ],
)
@pytest.mark.parametrize(
    "loss_type",
    [
        pytest.param("grpo", marks=oracle("sequence_mean", "TRL", "`grpo`")),
        pytest.param("bnpo", marks=oracle("token_mean", "TRL", "`bnpo`")),
        pytest.param("dapo", marks=oracle("token_mean", "TRL", "`dapo`")),
        pytest.param("dr_grpo", marks=oracle("fixed_length", "TRL", "`dr_grpo`")),
    ],
)
def test_the_loss_and_its_gradient_on_the_logits(same, loss_type, options, case):
    logits = logits_leaf(CASES[case])
    theirs = trl_loss(CASES[case], logits, loss_type=loss_type, **OPTIONS[options])
    mine = our_loss(CASES[case], logits, loss_type, **OPTIONS[options])
    same(mine, theirs, logits)


def test_the_batches_visit_every_quadrant_of_the_clip():
    visited = set()
    for case in (CASES["ragged"], CASES["full"]):
        r = (case.logprobs - case.old).exp()
        side = (r > 1 + HIGH).long() - (r < 1 - 0.2).long()
        sign = (ADVANTAGES[: len(r), None] > 0).expand_as(r)
        visited |= set(zip(side[case.mask].tolist(), sign[case.mask].tolist(), strict=True))
    assert visited == {(side, sign) for side in (-1, 0, 1) for sign in (True, False)}


@pytest.mark.parametrize("loss_type", LOSS_TYPES)
@oracle("ratio", "TRL", "`coef_1` of `_compute_loss`")
@oracle("kl_k3", "TRL", "`use_bias_correction_kl=True`, its default", differs="multiplied by the ratio")
def test_trl_multiplies_the_kl_term_by_the_ratio_unless_told_otherwise(same, loss_type):
    """``use_bias_correction_kl`` is True by default in 1.16: k3 * ratio, whose gradient is that of the reverse KL."""
    assert GRPOConfig.__dataclass_fields__["use_bias_correction_kl"].default is True
    case = CASES["ragged"]
    logits = logits_leaf(case)
    theirs = trl_loss(case, logits, loss_type=loss_type, beta=BETA, use_bias_correction_kl=True)
    logprobs = ours.token_logprobs(logits, case.tokens)
    old, ref = old_and_ref(case, 1.0)
    corrected = per_token_loss(case, logits) + BETA * ours.kl_k3(logprobs, ref) * ours.ratio(logprobs, old)
    mine = loss_type_mean(loss_type, corrected, case.mask)
    same(mine, theirs, logits)
    plain = our_loss(case, logits, loss_type, beta=BETA)
    assert not torch.allclose(plain, theirs, rtol=1e-3)


def test_the_first_step_has_ratio_one_and_still_a_gradient(same):
    """Without old log-probs TRL takes the current ones, detached."""
    case, model = CASES["ragged"], TableModel(logits_leaf(CASES["ragged"]))
    self, inputs = batch_for_trl(case, model, loss_type="dapo")
    del inputs["old_per_token_logps"]
    theirs = self._compute_loss(model, inputs)
    logprobs = ours.token_logprobs(model.logits, case.tokens)
    mine = ours.token_mean(ours.ppo_clip_loss(logprobs, logprobs.detach(), ADVANTAGES[:, None]), case.mask)
    same(mine, theirs, model.logits)
    assert torch.autograd.grad(mine, model.logits)[0].abs().max() > 0.01


@pytest.mark.parametrize("loss_type", LOSS_TYPES)
@oracle("sequence_mean", "TRL", "`grpo`", differs="counts empty rows, ours does with `num_sequences=batch`")
def test_empty_rows(same, loss_type):
    """TRL empties truncated rows on request. "grpo" counts them as zeros, sequence_mean leaves them out by default."""
    case = CASES["ragged"]
    logits = logits_leaf(case)
    ended = (case.tokens[:, PROMPT:] == EOS).any(dim=1)
    mask = case.mask & ended[:, None]
    assert ended.sum() == 3
    theirs = trl_loss(case, logits, loss_type=loss_type, mask_truncated_completions=True)
    mine = our_loss(case, logits, loss_type, mask)
    same(mine, theirs, logits)
    if loss_type == "grpo":
        assert_same(ours.sequence_mean(per_token_loss(case, logits), mask) * 3 / 4, theirs)


@pytest.mark.parametrize("loss_type", LOSS_TYPES)
@oracle("token_mean", "TRL", differs="0 when nothing at all is kept, an error here")
@oracle("sequence_mean", "TRL", differs="0 when nothing at all is kept, an error here")
@oracle("fixed_length", "TRL", differs="0 when nothing at all is kept, an error here")
def test_nothing_to_train_on_is_zero_in_trl_and_an_error_here(loss_type):
    case, model = CASES["full"], TableModel(CASES["full"].logits)  # no row ends
    self, inputs = batch_for_trl(case, model, loss_type=loss_type, mask_truncated_completions=True)
    assert self._compute_loss(model, inputs) == 0
    strategy = {"grpo": ours.sequence_mean, "dr_grpo": lambda loss, mask: ours.fixed_length(loss, mask, max_length=1)}
    with pytest.raises(ours.InputError, match="keeps no token"):
        strategy.get(loss_type, ours.token_mean)(per_token_loss(case, case.logits), torch.zeros_like(case.mask))


@pytest.mark.parametrize(
    "loss_type",
    [
        pytest.param("grpo", marks=oracle("aggregate", "TRL", "`loss_type`")),
        pytest.param("bnpo", marks=oracle("token_mean", "TRL", "`bnpo`", differs="counts each micro-batch by itself")),
        pytest.param("dapo", marks=oracle("aggregate", "TRL", "`loss_type`")),
        pytest.param("dr_grpo", marks=oracle("aggregate", "TRL", "`loss_type`")),
    ],
)
def test_two_micro_batches(same, loss_type):
    """With the counts of the whole batch the parts add up to it. TRL's "bnpo" counts each part by itself."""
    case = CASES["ragged"]
    logits = logits_leaf(case)
    self, inputs = batch_for_trl(case, TableModel(logits), loss_type=loss_type)
    self.args.steps_per_generation = self.current_gradient_accumulation_steps = 2
    theirs = 0
    for rows in (slice(0, 2), slice(2, 4)):
        part = {key: x if x.ndim == 0 else x[rows] for key, x in inputs.items()}
        theirs = theirs + self._compute_loss(TableModel(logits[rows]), part)

    loss = per_token_loss(case, logits)
    counts = {"num_tokens": int(case.mask.sum()), "num_sequences": len(loss)}
    strategies = {"grpo": "sequence_mean", "bnpo": "token_mean", "dapo": "token_mean", "dr_grpo": "fixed_length"}
    parts = [
        ours.aggregate(loss[rows], case.mask[rows], strategy=strategies[loss_type], max_length=BUDGET, **counts)
        for rows in (slice(0, 2), slice(2, 4))
    ]
    assert_same(sum(parts), our_loss(case, logits, loss_type))
    if loss_type == "bnpo":
        assert_same(
            sum(ours.token_mean(loss[rows], case.mask[rows]) for rows in (slice(0, 2), slice(2, 4))) / 2, theirs
        )
        assert not torch.allclose(sum(parts), theirs, rtol=1e-3)
    else:
        same(sum(parts), theirs, logits)


@pytest.mark.parametrize("loss_type", LOSS_TYPES)
@oracle("prediction_mask", "TRL", "`tool_mask`")
def test_tool_output_is_left_out(same, loss_type):
    case, model = CASES["ragged"], TableModel(logits_leaf(CASES["ragged"]))
    by_model = torch.ones_like(case.tokens)
    by_model[0, PROMPT + 1 : PROMPT + 3] = 0  # two tokens of the first completion come from a tool
    self, inputs = batch_for_trl(case, model, loss_type=loss_type)
    inputs["tool_mask"] = by_model[:, PROMPT:]
    inputs["num_items_in_batch"] -= 2
    theirs = self._compute_loss(model, inputs)
    mask = case.mask & ours.prediction_mask(by_model)
    mine = our_loss(case, model.logits, loss_type, mask)
    assert mask.sum() == case.mask.sum() - 2
    same(mine, theirs, model.logits)


@pytest.mark.parametrize("case", ["ragged", "full"])
@oracle("clip_frac", "TRL", "`clip_ratio/region_mean`", rtol=1e-6)
@oracle("masked_mean", "TRL", "the metrics `kl` and `entropy`")
def test_metrics(same, case):
    """The clip metric is a float32 mean in TRL, as is nothing else here."""
    case = CASES[case]
    self = trainer_after_loss(case, epsilon=LOW, epsilon_high=HIGH, beta=BETA)
    logprobs = ours.token_logprobs(case.logits, case.tokens)
    old, ref = old_and_ref(case, 1.0)
    clipped = ours.clip_frac(logprobs, old, ADVANTAGES[: len(old), None], case.mask, clip_low=LOW, clip_high=HIGH)
    assert 0 < clipped < 1
    same(clipped, metric(self, "clip_ratio/region_mean"), of="clip_frac")
    same(ours.masked_mean(ours.kl_k3(logprobs, ref), case.mask), metric(self, "kl"), of="masked_mean")
    same(ours.masked_mean(ours.entropy(case.logits), case.mask), metric(self, "entropy"), of="masked_mean")


@pytest.mark.parametrize(("case", "theirs"), [("full", "inf"), ("ragged", "nan")])
@oracle("kl_k3", "TRL", differs="overflows to inf, and to NaN where the mask leaves the inf out; capped here")
def test_k3_overflows_in_trl_and_is_capped_here(case, theirs):
    """exp(100) is beyond float32. TRL multiplies by the mask, so that an inf left out becomes NaN."""
    case = CASES[case]
    logprobs = ours.token_logprobs(case.logits.float(), case.tokens)
    model = TableModel(case.logits.float())
    self, inputs = batch_for_trl(case, model, beta=BETA)
    inputs["ref_per_token_logps"] = (logprobs + 100)[:, PROMPT - 1 :]
    self._compute_loss(model, inputs)
    assert str(metric(self, "kl")) == theirs
    assert 1e28 < ours.masked_mean(ours.kl_k3(logprobs, logprobs + 100), case.mask) < torch.inf


# --- advantages and masks, from the rollout's own code ---


# TRL forms G / (G - 1) in float32 whatever the rewards are in: half an ulp of it, 3e-8, reaches the std
SCALED = oracle("group_advantages", "TRL", '`scale_rewards="group"`', rtol=1e-7)
UNSCALED = oracle("group_advantages", "TRL", '`scale_rewards="none"`')


@pytest.mark.parametrize("scale", [pytest.param("group", marks=SCALED), pytest.param("none", marks=UNSCALED)])
@pytest.mark.parametrize("case", ["ragged", "full"])
def test_group_advantages(same, case, scale):
    rewards = CASES[case].rewards
    theirs, _ = trl_advantages(rewards, scale_rewards=scale)
    mine = ours.group_advantages(rewards, group_size=GROUP, scale=scale)
    same(mine, theirs)


@oracle("group_advantages", "TRL", differs="up to 1e-3 in a dead group whose mean rounds, exactly 0 here")
@oracle("dead_group_share", "TRL", "`frac_reward_zero_std`", differs="misses a group whose std is rounding above 1e-8")
def test_equal_rewards_that_round_are_not_noticed_by_trl():
    """In float32 the mean of three times 0.9 is not 0.9. Here the group is dead; TRL divides the residue by 1e-4."""
    rewards = torch.tensor([0.9, 0.9, 0.9, 1, 0, 0], dtype=torch.float32)
    theirs, self = trl_advantages(rewards, num_generations=3)
    mine = ours.group_advantages(rewards, group_size=3)
    assert (mine[:3] == 0).all()
    assert 1e-4 < theirs[:3].abs().min() < 1e-3
    assert_same(mine[3:], theirs[3:])
    assert ours.dead_group_share(rewards, group_size=3) == 0.5
    assert metric(self, "frac_reward_zero_std") == 0  # it asks for a std below 1e-8


@pytest.mark.parametrize("case", ["ragged", "full"])
@oracle("dead_group_share", "TRL", "`frac_reward_zero_std`", rtol=1e-6)
def test_dead_group_share(same, case):
    rewards = CASES[case].rewards
    _, self = trl_advantages(rewards)
    dead = ours.dead_group_share(rewards, group_size=GROUP)
    assert dead.item() == pytest.approx(1 / 3)
    same(dead, metric(self, "frac_reward_zero_std"))  # a float32 mean in TRL


@oracle("group_advantages", "TRL", differs="leaves NaN rewards out, an error here")
def test_a_missing_reward_is_left_out_in_trl_and_an_error_here():
    rewards = torch.tensor([1.0, 0.0, float("nan"), 0.0], dtype=torch.float64)
    theirs, _ = trl_advantages(rewards)
    assert theirs[2] == 0
    assert_same(ours.group_advantages(rewards[[0, 1, 3]], group_size=3), theirs[[0, 1, 3]], rtol=1e-7)
    with pytest.raises(ours.InputError, match="rewards is NaN"):
        ours.group_advantages(rewards, group_size=GROUP)


@pytest.mark.parametrize("pad", [0, EOS])
@oracle("completion_mask", "TRL", "generation and padding")
def test_completion_mask(same, pad):
    """TRL cuts what the model generated after the first EOS, then pads: with pad == EOS the last EOS must still count."""
    generated = torch.tensor([[2, EOS, 3, EOS, pad], [2, 3, 4, 2, 3], [EOS, pad, pad, pad, pad], [4, 3, 2, 3, EOS]])
    prompts = [[3], [EOS, 4], [2, 2], [3]]  # an EOS inside the prompt ends nothing
    self = trainer(ScriptedModel(generated), pad=pad, eos=EOS, per_device_train_batch_size=4, num_generations=4)
    completions, _ = self._generate_single_turn(prompts, None, {}, 4)
    self.model = TableModel(torch.empty(0))
    inputs = rollout(self, prompts, completions, torch.zeros(4))
    tokens = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1)
    mask = ours.completion_mask(tokens, torch.full((4,), 2), eos_token_id=EOS)
    assert mask.shape == (4, 2 + COMPLETION - 1)
    assert not mask[:, :1].any()
    same(mask[:, 1:], inputs["completion_mask"])
    assert int(mask.sum()) == inputs["num_items_in_batch"] == sum(map(len, completions))


# --- a whole step on a model, and supervised fine-tuning ---


@pytest.mark.parametrize("loss_type", LOSS_TYPES)
@oracle(WHOLE_STEP, "TRL", "`GRPOTrainer` on a Llama", rtol=F32, gradient_rtol=1e-4)
def test_from_rewards_to_parameter_gradients(same, loss_type):
    """Nothing of the arithmetic is ours on TRL's side: padding, masks, advantages, shift, temperature, loss.

    The gradients go through two layers in float32, summed in another order.
    """
    rewards = torch.tensor([1.0, 0.0, 0.5, 0.0])
    case, model = CASES["ragged"], tiny_llama()
    add_fused_lm_head(model, temperature=TEMPERATURE, outputs=("entropy",))
    self, _ = batch_for_trl(case, model, loss_type=loss_type, temperature=TEMPERATURE)
    inputs = rollout(self, *sequences(case), rewards=rewards)
    theirs = self._compute_loss(model, inputs)

    tokens = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1)
    attention = torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], dim=1)
    logits = model(input_ids=tokens, attention_mask=attention).logits
    logprobs = ours.token_logprobs(logits, tokens, temperature=TEMPERATURE)
    mask = ours.completion_mask(tokens, case.start, eos_token_id=EOS)
    advantages = ours.group_advantages(rewards, group_size=4)[:, None]
    mine = loss_type_mean(loss_type, ours.ppo_clip_loss(logprobs, logprobs.detach(), advantages), mask)
    same(mine, theirs, *model.parameters())
    entropy = ours.masked_mean(ours.entropy(logits, temperature=TEMPERATURE), mask)
    same(entropy, metric(self, "entropy"))


@pytest.mark.parametrize("num_tokens", [None, 40])
@pytest.mark.parametrize("case", ["ragged", "full", "empty row"])
@oracle("sft_loss", "TRL", "`ForCausalLMLoss` of transformers", rtol=F32)
def test_sft_loss_is_the_loss_of_the_transformers_trainer(same, case, num_tokens):
    """transformers takes the logits to float32, whatever they are."""
    case = CASES[case]
    logits = logits_leaf(case)
    labels = torch.full_like(case.tokens, -100)
    labels[:, 1:][case.mask] = case.tokens[:, 1:][case.mask]
    theirs = ForCausalLMLoss(logits, labels, VOCAB, num_items_in_batch=num_tokens)
    mine = ours.sft_loss(ours.token_logprobs(logits, case.tokens), case.mask, num_tokens=num_tokens)
    same(mine, theirs, logits)


@pytest.mark.parametrize("num_tokens", [None, 40])
@oracle("sft_loss", "TRL", "the fused head", rtol=F32, gradient_rtol=1e-4)
def test_sft_loss_is_the_loss_of_trl(same, num_tokens):
    """Gradients of all parameters, as above."""
    case, model = CASES["ragged"], tiny_llama()
    add_fused_lm_head(model)
    labels = torch.full_like(case.tokens, -100)
    labels[:, 1:][case.mask] = case.tokens[:, 1:][case.mask]
    theirs = model(case.tokens, labels=labels, fused_lm_head=True, num_items_in_batch=num_tokens).loss
    hidden = model.model(case.tokens).last_hidden_state
    logprobs = ours.chunked_token_logprobs(hidden, model.lm_head.weight, case.tokens)
    mine = ours.sft_loss(logprobs, case.mask, num_tokens=num_tokens)
    same(mine, theirs, *model.parameters())
