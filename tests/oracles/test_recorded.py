"""`reference` against numbers that verl and OpenRLHF produced: values and gradients, in every run, without either."""

import importlib
import importlib.util

import pytest
import torch
from torch import Tensor

from reference import objectives as ours

from .cases import (
    BUDGET,
    CLIP_HIGH,
    CLIP_LOW,
    EOS,
    GLOBAL_SEQUENCES,
    GLOBAL_TOKENS,
    GROUP,
    PROCESSES,
    PROMPT,
    TEMPERATURE,
    VOCAB,
    Case,
    Row,
    assert_same,
    evaluate,
    load,
    make_cases,
)

FIXTURES = {"verl": load("verl"), "openrlhf": load("openrlhf")}


def ppo(logprobs: Tensor, case: Case) -> Tensor:
    return ours.ppo_clip_loss(logprobs, case.old, case.advantages, clip_low=CLIP_LOW, clip_high=CLIP_HIGH)


def clip_frac(logprobs: Tensor, case: Case) -> Tensor:
    return ours.clip_frac(logprobs, case.old, case.advantages, case.mask, clip_low=CLIP_LOW, clip_high=CLIP_HIGH)


def mean_log_ratio(logprobs: Tensor, case: Case) -> Tensor:
    """What both call ppo_kl: k1 of KL(old || new), signed, where our approx_kl is k3."""
    return ours.masked_mean((case.old - logprobs).detach(), case.mask)


def non_empty(case: Case) -> int:
    return int(case.mask.any(dim=1).sum())


LOGPROBS = Row("logits", lambda x, c: ours.token_logprobs(x, c.tokens))
LOGPROBS_TEMPERED = Row("logits", lambda x, c: ours.token_logprobs(x, c.tokens, temperature=TEMPERATURE))
ENTROPY = Row("logits", lambda x, c: ours.entropy(x))
MASKED_MEAN = Row("token_loss", lambda x, c: ours.masked_mean(x, c.mask))
TOKEN_MEAN = Row("token_loss", lambda x, c: ours.token_mean(x, c.mask))
TOKEN_MEAN_GLOBAL = Row("token_loss", lambda x, c: ours.token_mean(x, c.mask, num_tokens=GLOBAL_TOKENS) * PROCESSES)
SEQUENCE_MEAN = Row("token_loss", lambda x, c: ours.sequence_mean(x, c.mask))
SEQUENCE_MEAN_GLOBAL = Row(
    "token_loss", lambda x, c: ours.sequence_mean(x, c.mask, num_sequences=GLOBAL_SEQUENCES) * PROCESSES
)
K3 = Row("logprobs", lambda x, c: ours.kl_k3(x, c.ref))
POLICY_TOKEN = Row("logprobs", lambda x, c: ours.token_mean(ppo(x, c), c.mask))
POLICY_SEQUENCE = Row("logprobs", lambda x, c: ours.sequence_mean(ppo(x, c), c.mask))
CLIP_FRAC = Row("logprobs", clip_frac)
MEAN_LOG_RATIO = Row("logprobs", mean_log_ratio)


def fixed_length(max_length: int) -> Row:
    # verl does not count empty rows, fixed_length does unless told how many rows there are
    return Row(
        "token_loss",
        lambda x, c: ours.fixed_length(x, c.mask, max_length=max_length, num_sequences=non_empty(c)),
    )


def advantages(**options: float | str) -> Row:
    return Row("rewards", lambda x, c: ours.group_advantages(x, group_size=GROUP, **options))


def fused_logprobs(hidden: Tensor, case: Case) -> Tensor:
    lm_head = case.logits[0, :VOCAB]
    return ours.chunked_token_logprobs(hidden, lm_head, case.tokens, temperature=TEMPERATURE, chunk_size=4)


def completion_mask(tokens: Tensor, case: Case) -> Tensor:
    mask = ours.completion_mask(tokens, case.start, eos_token_id=EOS)
    assert torch.equal(mask, case.mask)
    return mask[:, PROMPT - 1 :].long()


def reward_std_per_row(rewards: Tensor, case: Case) -> Tensor:
    stds = [ours.group_reward_std(group, group_size=GROUP) for group in rewards.split(GROUP)]
    return torch.stack(stds).repeat_interleave(GROUP)


EQUAL = {
    "verl": {
        "logprobs_from_logits": LOGPROBS,
        "logprobs_from_logits, temperature": LOGPROBS_TEMPERED,
        "FusedLinearForPPO": Row("logits", fused_logprobs),
        "entropy_from_logits": ENTROPY,
        "masked_mean": MASKED_MEAN,
        "get_response_mask": Row("tokens", completion_mask),
        "agg_loss token-mean": TOKEN_MEAN,
        "agg_loss token-mean, global": TOKEN_MEAN_GLOBAL,
        "agg_loss seq-mean-token-mean": SEQUENCE_MEAN,
        "agg_loss seq-mean-token-mean, global": SEQUENCE_MEAN_GLOBAL,
        # without a scale factor verl divides by the width of the padded batch
        "agg_loss seq-mean-token-sum-norm": Row(
            "token_loss", lambda x, c: fixed_length(c.mask.shape[1]).function(x, c)
        ),
        "agg_loss seq-mean-token-sum-norm, budget": fixed_length(BUDGET),
        "kl_penalty low_var_kl": K3,
        "masked_mean of kl_penalty(old, new)": Row("logprobs", lambda x, c: ours.approx_kl(x, c.old, c.mask)),
        "compute_grpo_outcome_advantage": advantages(eps=1e-6),
        "compute_grpo_outcome_advantage, no std": advantages(scale="none"),
        "compute_policy_loss_vanilla": POLICY_TOKEN,
        "compute_policy_loss_vanilla seq-mean-token-mean": POLICY_SEQUENCE,
        "compute_policy_loss_vanilla pg_clipfrac": CLIP_FRAC,
        "compute_policy_loss_vanilla ppo_kl": MEAN_LOG_RATIO,
    },
    "openrlhf": {
        "log_probs_from_logits": LOGPROBS,
        "log_probs_from_logits, temperature": LOGPROBS_TEMPERED,
        "compute_entropy": ENTROPY,
        "masked_mean": MASKED_MEAN,
        "aggregate_loss token": TOKEN_MEAN,
        "aggregate_loss token, global": TOKEN_MEAN_GLOBAL,
        "aggregate_loss sequence": SEQUENCE_MEAN,
        "aggregate_loss sequence, global": SEQUENCE_MEAN_GLOBAL,
        "compute_approx_kl k3": K3,
        "group_norm advantages": advantages(eps=1e-9),
        "dr_grpo advantages": advantages(scale="none"),
        "group_reward_std": Row("rewards", reward_std_per_row),
        "PolicyLoss": POLICY_TOKEN,
        "PolicyLoss sequence": POLICY_SEQUENCE,
        "PolicyLoss clip_ratio": CLIP_FRAC,
        "PolicyLoss ppo_kl": MEAN_LOG_RATIO,
        "SFTLoss": Row("logprobs", lambda x, c: ours.sft_loss(x, c.mask)),
    },
}

# Not equal by design; each has a test of its own below that says how.
DIFFERENT = {
    "verl": {
        "logprobs_from_logits, bfloat16 | ragged",
        "kl_penalty low_var_kl | far",
        "compute_policy_loss_vanilla | far",
        "compute_policy_loss_vanilla, dual clip | far",
    },
    "openrlhf": {
        "log_probs_from_logits, bfloat16 | ragged",
        "compute_approx_kl k3 | far",
        "PolicyLoss | far",
        "PolicyLoss, dual clip | far",
    },
}

COMPARED = [
    pytest.param(framework, record, id=f"{framework} {record}")
    for framework, fixture in FIXTURES.items()
    for record in fixture["records"]
    if record not in DIFFERENT[framework]
]


def recorded(framework: str, record: str) -> tuple[Case, dict[str, Tensor]]:
    """The inputs of a record and what the framework answered."""
    fixture = FIXTURES[framework]
    return fixture["inputs"][record.partition(" | ")[2]], fixture["records"][record]


def assert_values_and_gradients(mine: dict, theirs: dict, **tolerance: float) -> None:
    assert_same(mine["value"], theirs["value"], **tolerance)
    if theirs["gradient"] is not None:  # counts and detached metrics have none
        assert_same(mine["gradient"], theirs["gradient"].to(theirs["value"].dtype), **tolerance)


@pytest.mark.parametrize(("framework", "record"), COMPARED)
def test_equals_the_recorded_framework(framework, record):
    case, theirs = recorded(framework, record)
    row = EQUAL[framework][record.partition(" | ")[0]]
    assert_values_and_gradients(evaluate(row, case), theirs)


@pytest.mark.parametrize("framework", FIXTURES)
def test_every_record_is_compared(framework):
    records = set(FIXTURES[framework]["records"])
    functions = {record.partition(" | ")[0] for record in records - DIFFERENT[framework]}
    assert functions == set(EQUAL[framework])
    assert DIFFERENT[framework] <= records


# --- differences by design ---


BFLOAT16 = [
    ("verl", "logprobs_from_logits, bfloat16 | ragged"),
    ("openrlhf", "log_probs_from_logits, bfloat16 | ragged"),
]


@pytest.mark.parametrize(("framework", "record"), BFLOAT16)
def test_bfloat16_logits_stay_in_bfloat16_there_and_go_to_float32_here(framework, record):
    case, theirs = recorded(framework, record)
    exact = ours.token_logprobs(case.logits.bfloat16().double(), case.tokens)
    assert_same(ours.token_logprobs(case.logits.bfloat16(), case.tokens), exact, rtol=1e-5, atol=1e-6)
    # bfloat16 keeps 8 bits: a relative step of 2**-8 on the result, more where logit and logsumexp nearly cancel
    assert_same(theirs["value"], exact, rtol=2**-7, atol=2**-7)
    assert not torch.allclose(theirs["value"].double(), exact, rtol=1e-3, atol=0)


CLAMPED_K3 = [("verl", "kl_penalty low_var_kl | far"), ("openrlhf", "compute_approx_kl k3 | far")]


@pytest.mark.parametrize(("framework", "record"), CLAMPED_K3)
def test_k3_is_cut_at_10_there_and_its_gradient_with_it(framework, record):
    case, theirs = recorded(framework, record)
    mine = evaluate(K3, case)
    cut = mine["value"] > 10
    assert cut.any() and not cut.all()
    assert_same(torch.where(cut, 10.0, mine["value"]), theirs["value"])
    gradient = torch.where(cut, 0.0, mine["gradient"])  # ours keeps pulling a policy back from far away
    assert_same(gradient, theirs["gradient"].to(theirs["value"].dtype))


CLAMPED_RATIO = [("verl", "compute_policy_loss_vanilla | far"), ("openrlhf", "PolicyLoss | far")]


@pytest.mark.parametrize(("framework", "record"), CLAMPED_RATIO)
def test_the_log_ratio_is_clamped_to_20_there(framework, record):
    case, theirs = recorded(framework, record)
    beyond = (case.logprobs - case.old).abs() > 20
    assert (beyond & case.mask).any()
    row = Row("logprobs", lambda x, c: POLICY_TOKEN.function(c.old + (x - c.old).clamp(-20, 20), c))
    assert_values_and_gradients(evaluate(row, case), theirs)
    plain = evaluate(POLICY_TOKEN, case)
    assert not torch.allclose(plain["value"], theirs["value"])
    assert not torch.allclose(plain["gradient"], theirs["gradient"])


DUAL_CLIP = [("verl", "compute_policy_loss_vanilla, dual clip | far"), ("openrlhf", "PolicyLoss, dual clip | far")]


@pytest.mark.parametrize(("framework", "record"), DUAL_CLIP)
def test_dual_clip_bounds_the_loss_where_the_advantage_is_negative(framework, record):
    """On by default in verl (clip_ratio_c=3), off in OpenRLHF (dual_clip=None), absent here."""
    case, theirs = recorded(framework, record)
    assert ((case.advantages < 0) & (case.logprobs - case.old > torch.tensor(3.0).log()) & case.mask).any()

    def bounded(logprobs: Tensor, case: Case) -> Tensor:
        loss = ppo(case.old + (logprobs - case.old).clamp(-20, 20), case)
        bound = torch.where(case.advantages < 0, -3.0 * case.advantages, torch.inf)
        return ours.token_mean(torch.minimum(loss, bound), case.mask)

    assert_values_and_gradients(evaluate(Row("logprobs", bounded), case), theirs)
    assert not torch.allclose(evaluate(POLICY_TOKEN, case)["value"], theirs["value"])


def test_verl_does_not_count_empty_rows_in_the_fixed_length_mean():
    case, theirs = recorded("verl", "agg_loss seq-mean-token-sum-norm, budget | empty row")
    mine = ours.fixed_length(case.token_loss, case.mask, max_length=BUDGET)
    assert_same(mine * len(case.mask) / non_empty(case), theirs["value"])
    assert non_empty(case) < len(case.mask)


@pytest.mark.parametrize(
    ("framework", "record"),
    [("verl", "compute_grpo_outcome_advantage | full"), ("openrlhf", "group_norm advantages | full")],
)
def test_eps_is_the_only_difference_of_the_default_group_advantages(framework, record):
    """1e-6 in verl, 1e-9 in OpenRLHF, 1e-4 here and in TRL: visible as soon as the std is small."""
    case, theirs = recorded(framework, record)
    mine = ours.group_advantages(case.rewards, group_size=GROUP)
    assert not torch.allclose(mine, theirs["value"], rtol=1e-5)
    torch.testing.assert_close(mine, theirs["value"], rtol=1e-3, atol=1e-9)  # eps / std, and std > 0.1 here


# --- the cases and the fixtures themselves ---


def test_the_cases_visit_every_quadrant_of_the_clip():
    visited = set()
    for case in FIXTURES["verl"]["inputs"].values():
        r = (case.logprobs - case.old).exp()
        side = (r > 1 + CLIP_HIGH).long() - (r < 1 - CLIP_LOW).long()
        visited |= set(zip(side[case.mask].tolist(), (case.advantages > 0)[case.mask].tolist(), strict=True))
    assert visited == {(side, sign) for side in (-1, 0, 1) for sign in (True, False)}


@pytest.mark.parametrize("framework", FIXTURES)
def test_the_stored_inputs_are_those_of_cases(framework):
    """So that a change to cases.py is not forgotten in a fixture."""
    for name, case in make_cases().items():
        for key, value in vars(case).items():
            torch.testing.assert_close(vars(FIXTURES[framework]["inputs"][name])[key], value, rtol=0, atol=1e-12)


@pytest.mark.parametrize("framework", FIXTURES)
def test_recording_again_gives_the_fixture(framework):
    if importlib.util.find_spec(framework) is None:
        pytest.skip(f"{framework} is not installed: see tests/oracles/README.md for an environment that has it")
    version, records = importlib.import_module(f".record_{framework}", __package__).record()
    fixture = FIXTURES[framework]
    assert version == fixture["version"], "another version is installed: record it and compare"
    assert set(records) == set(fixture["records"])
    for name, theirs in fixture["records"].items():
        assert_values_and_gradients(records[name], theirs)
