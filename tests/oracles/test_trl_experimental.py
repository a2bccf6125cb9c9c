"""Trainers of trl.experimental beside those in the files of the topics: TPO, A2PO and asynchronous GRPO, live.

Their losses are TRL's own methods, on a table of logits. Teachers are in test_trl_distillation.py.
"""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from reference import objectives as ours

from .cases import COMPLETION, PROMPT, SMOOTHING, Case
from .claims import oracle
from .trl_batches import BETA, CASES, HIGH, LOW, logits_leaf, other_logits
from .trl_stub import (
    A2POTrainer,
    AsyncGRPOTrainer,
    TableModel,
    TPOTrainer,
    metric,
    offline,
)

pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*:FutureWarning")

CLIP = {"clip_low": LOW, "clip_high": HIGH}
CORRECTION = 1e-6  # TRL logs what it added up in float32


# --- TPO: preferences without a reference, and supervised learning of a third completion ---


def tpo(loss_type: str, alpha: float, case: Case, logits: Tensor, **options: float) -> Tensor:
    """Rows are chosen, rejected, and of a gold answer for each pair, which is left out where its term is."""
    self = offline(TPOTrainer, TableModel(logits), loss_type=loss_type, tpo_alpha=alpha, beta=BETA, **options)
    prompt = torch.zeros(len(case.mask), 1)
    batch = {
        "input_ids": case.tokens,
        "attention_mask": torch.ones_like(case.tokens),
        "completion_mask": torch.cat([prompt, case.mask], dim=1).long(),
    }
    return self._compute_loss(self.model, batch, return_outputs=False)


def tpo_pair(loss_type: str, case: Case, logits: Tensor, branches: int) -> tuple[Tensor, Tensor]:
    logprobs = ours.token_logprobs(logits, case.tokens)
    averaged = loss_type in ("ipo", "tpo-l")
    chosen, rejected, *_ = ours.sequence_logprobs(logprobs, case.mask, average=averaged).chunk(branches)
    return chosen, rejected


def without_reference(function: object, chosen: Tensor, rejected: Tensor, **options: float) -> Tensor:
    """As DPO, with a reference that has the same log-prob for both."""
    zero = torch.zeros_like(chosen)
    return function(chosen, rejected, zero, zero, beta=BETA, **options)


GAMMA = 0.5  # `tpo_l_gamma`, the default; simpo_loss has it in the same unit
TPO = {
    "sigmoid": lambda chosen, rejected: without_reference(ours.dpo_loss, chosen, rejected),
    "hinge": lambda chosen, rejected: without_reference(ours.hinge_loss, chosen, rejected),
    "ipo": lambda chosen, rejected: without_reference(ours.ipo_loss, chosen, rejected),
    "tpo-l": lambda chosen, rejected: ours.simpo_loss(chosen, rejected, beta=BETA, gamma=GAMMA),
}


@pytest.mark.parametrize(
    "loss_type",
    [
        pytest.param("sigmoid", marks=oracle("dpo_loss", "TRL", "`TPOTrainer`; reference log-probs 0")),
        pytest.param("hinge", marks=oracle("hinge_loss", "TRL", "`TPOTrainer`; reference log-probs 0")),
        pytest.param("ipo", marks=oracle("ipo_loss", "TRL", "`TPOTrainer`, averages; reference log-probs 0")),
        pytest.param("tpo-l", marks=oracle("simpo_loss", "TRL", "`TPOTrainer`: `tpo-l`, `tpo_l_gamma`")),
    ],
)
def test_tpo_without_its_supervised_term(same, loss_type):
    case = CASES["ragged"]
    logits = logits_leaf(case)
    mine = TPO[loss_type](*tpo_pair(loss_type, case, logits, branches=2)).mean()
    same(mine, tpo(loss_type, 0.0, case, logits), logits)


@oracle("cdpo_loss", "TRL", "`TPOTrainer`, `label_smoothing`; reference log-probs 0")
def test_tpo_with_label_smoothing(same):
    case = CASES["ragged"]
    logits = logits_leaf(case)
    pair = tpo_pair("sigmoid", case, logits, branches=2)
    mine = without_reference(ours.cdpo_loss, *pair, label_smoothing=SMOOTHING).mean()
    same(mine, tpo("sigmoid", 0.0, case, logits, label_smoothing=SMOOTHING), logits)


@oracle("sft_loss", "TRL", "`TPOTrainer`, `tpo_alpha`: the gold answers, one mean over their tokens")
def test_tpo_learns_a_third_completion(same):
    case = CASES["full"]
    logits = logits_leaf(case)
    loss = without_reference(ours.dpo_loss, *tpo_pair("sigmoid", case, logits, branches=3)).mean()
    gold = case.mask.clone()
    gold[:2] = False
    mine = loss + 0.7 * ours.sft_loss(ours.token_logprobs(logits, case.tokens), gold)
    same(mine, tpo("sigmoid", 0.7, case, logits), logits)


# --- A2PO: the implicit reward is regressed on the advantage over the best value ---


@oracle("implicit_reward", "TRL", "`A2POTrainer`, `beta2`: what is regressed on reward minus value")
def test_a2po_regresses_the_implicit_reward(same):
    case = CASES["ragged"]
    logits, beta = logits_leaf(case), 0.3
    self = offline(A2POTrainer, TableModel(logits), beta2=beta)
    self.model_kwarg_keys = set()
    completion = case.mask[:, PROMPT - 1 :]
    attention = torch.cat([torch.ones(len(completion), PROMPT), completion], dim=1).long()
    inputs = {"input_ids": case.tokens, "attention_mask": attention, "logits_to_keep": COMPLETION}
    ref = ours.sequence_logprobs(ours.token_logprobs(other_logits(case), case.tokens), case.mask)
    rewards, values = case.scores, case.margins
    theirs = self.compute_loss(self.model, inputs | {"ref_logps": ref, "rewards": rewards, "v_star": values})
    new = ours.sequence_logprobs(ours.token_logprobs(logits, case.tokens), case.mask)
    mine = ((ours.implicit_reward(new, ref, beta=beta) - (rewards - values)) ** 2).mean()
    same(mine, theirs, logits)


# --- the asynchronous GRPO trainer, which packs the completions of a step into one row ---


@pytest.mark.parametrize("case", ["ragged", "full"])
@oracle("ppo_clip_loss", "TRL", "`AsyncGRPOTrainer`, `token_mean` of ours")
@oracle("approx_kl", "TRL", "`kl` of `AsyncGRPOTrainer`", rtol=CORRECTION)
@oracle("mean_ratio", "TRL", "`ratio` of `AsyncGRPOTrainer`", rtol=CORRECTION)
def test_the_asynchronous_trainer(same, case):
    case = CASES[case]
    logits = logits_leaf(case)
    new = ours.token_logprobs(logits, case.tokens)
    old = new.detach() - (case.logprobs - case.old)
    self = offline(AsyncGRPOTrainer, None, epsilon=LOW, epsilon_high=HIGH)
    self.epsilon_low, self.current_gradient_accumulation_steps = LOW, 1
    self._step_forward_tokens = self._step_trained_tokens = self._step_seq_len_weighted = 0.0
    self._step_samples = self._step_forward_s = 0.0
    theirs = self.compute_loss(
        lambda **_: SimpleNamespace(log_probs=new.flatten(), entropy=torch.zeros(new.numel())), packed(case, old)
    )
    mine = ours.token_mean(ours.ppo_clip_loss(new, old, case.advantages, **CLIP), case.mask)
    same(mine, theirs, logits, of="ppo_clip_loss")
    same(ours.approx_kl(new, old, case.mask), metric(self, "kl"), of="approx_kl")
    same(ours.mean_ratio(new, old, case.mask), metric(self, "ratio"), of="mean_ratio")


def packed(case: Case, old: Tensor) -> dict[str, Tensor]:
    """As its collator lays them out: the batch in one row, and for the kept tokens their places in it."""
    rows, places = case.mask.nonzero(as_tuple=True)
    ones = torch.ones(1, case.mask.numel(), dtype=torch.long)
    kept = {"token_index": rows * case.mask.shape[1] + places, "segment_id": rows}
    kept |= {"old_log_probs": old[case.mask], "advantages": case.advantages[case.mask]}
    count = torch.tensor([float(case.mask.sum())])
    return {
        "attention_mask": ones,
        **dict.fromkeys(("input_ids", "position_ids", "shift_labels"), ones),
        **dict.fromkeys(("tree_kv_index", "tree_cu_seqlens_q", "tree_cu_seqlens_k"), ones),
        "tree_max_seqlens": torch.tensor([[1, 1]]),
        **{name: x[None] for name, x in kept.items()},
        **dict.fromkeys(("global_n_tokens", "global_n_forward_tokens", "mean_seq_len"), count),
    }
