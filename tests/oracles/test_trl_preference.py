"""TRL's trainers of preferences, rewards and demonstrations against `reference`, live: values and gradients.

Batches are those of TRL's own collators. The model is a table of logits, so that everything stays in float64, except in
ORPO, which TRL takes to float32.
"""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from trl import DPOConfig, DPOTrainer, KTOTrainer, RewardTrainer, SFTTrainer
from trl.trainer.dpo_trainer import DataCollatorForPreference
from trl.trainer.kto_trainer import DataCollatorForUnpairedPreference
from trl.trainer.utils import add_fused_lm_head

from reference import objectives as ours

from .cases import EOS, VOCAB
from .claims import F32, WHOLE_STEP, oracle
from .records import assert_same
from .trl_batches import tiny_llama
from .trl_stub import BigramModel, CPOConfig, CPOTrainer, ORPOTrainer, metric, offline

pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*:FutureWarning")

BETA, NOISE = 0.4, 0.2  # at this beta the pairs lie on both sides of the hinge
PAIRS = [
    {"prompt_ids": [2, 3], "chosen_ids": [4, 2, EOS], "rejected_ids": [3, EOS]},
    {"prompt_ids": [3], "chosen_ids": [2, EOS], "rejected_ids": [4, 4, 3, 2]},
    {"prompt_ids": [4, 4, 2], "chosen_ids": [3], "rejected_ids": [2, 3, 2, EOS]},
]


def bigram_logits(seed: int) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randn(8, VOCAB, VOCAB, generator=random, dtype=torch.float64) * 1.5


REFERENCE = BigramModel(bigram_logits(1))


def policy() -> BigramModel:
    return BigramModel((bigram_logits(1) + 0.8 * bigram_logits(9)).requires_grad_())


def completion_logprobs(model: BigramModel, batch: dict, prefix: str = "", *, average: bool = False) -> Tensor:
    """Ours: log-probs of the completions of a batch."""
    tokens = batch[f"{prefix}input_ids"]
    mask = ours.prediction_mask(batch[f"{prefix}completion_mask"])
    return ours.sequence_logprobs(ours.token_logprobs(model.logits_of(tokens), tokens), mask, average=average)


# --- DPOTrainer ---


def dpo_batch(pairs: list[dict] = PAIRS) -> dict:
    return DataCollatorForPreference(pad_token_id=EOS)(pairs)


def logprobs_of_pairs(model: BigramModel, batch: dict, **options: bool) -> tuple[Tensor, ...]:
    """Chosen, rejected, and the same under the reference. TRL stacks them: chosen rows first."""
    return *completion_logprobs(model, batch, **options).chunk(2), *completion_logprobs(
        REFERENCE, batch, **options
    ).chunk(2)


def trl_dpo(model: BigramModel, batch: dict, *loss_types: str, **options: object) -> tuple[Tensor, object]:
    self = offline(DPOTrainer, model, REFERENCE, loss_type=list(loss_types), **{"beta": BETA} | options)
    return self._compute_loss(model, batch, return_outputs=False), self


SUMMED = {"average": False}
AVERAGED = {"average": True}
DPO = {
    "sigmoid": (ours.dpo_loss, SUMMED),
    "sigmoid_norm": (ours.dpo_loss, AVERAGED),
    "hinge": (ours.hinge_loss, SUMMED),
    "ipo": (ours.ipo_loss, AVERAGED),
}


@pytest.mark.parametrize("beta", [0.1, BETA])
@pytest.mark.parametrize(
    "loss_type",
    [
        pytest.param("sigmoid", marks=oracle("dpo_loss", "TRL", "`sigmoid`")),
        pytest.param("sigmoid_norm", marks=oracle("dpo_loss", "TRL", "`sigmoid_norm`, ours on averages")),
        pytest.param("hinge", marks=oracle("hinge_loss", "TRL", "`hinge`")),
        pytest.param("ipo", marks=oracle("ipo_loss", "TRL", "`ipo`, ours on averages")),
    ],
)
def test_dpo_and_its_relatives(same, loss_type, beta):
    function, aggregation = DPO[loss_type]
    model, batch = policy(), dpo_batch()
    theirs, _ = trl_dpo(model, batch, loss_type, beta=beta)
    same(function(*logprobs_of_pairs(model, batch, **aggregation), beta=beta).mean(), theirs, model.logits)


def test_the_pairs_lie_on_both_sides_of_the_hinge():
    losses = ours.hinge_loss(*logprobs_of_pairs(policy(), dpo_batch()), beta=BETA)
    assert (losses == 0).any() and (losses > 0).any()


@oracle("ipo_loss", "TRL", differs="averages per token and has no option for the paper's sum")
def test_ipo_of_summed_log_probs_is_another_loss():
    model, batch = policy(), dpo_batch()
    theirs, _ = trl_dpo(model, batch, "ipo")
    assert not torch.allclose(ours.ipo_loss(*logprobs_of_pairs(model, batch), beta=BETA).mean(), theirs, rtol=1e-2)


@pytest.mark.parametrize("label_smoothing", [0.0, NOISE])
@oracle("robust_dpo_loss", "TRL", "`robust`, `label_smoothing`")
def test_robust_dpo(same, label_smoothing):
    model, batch = policy(), dpo_batch()
    theirs, _ = trl_dpo(model, batch, "robust", label_smoothing=label_smoothing)
    mine = ours.robust_dpo_loss(*logprobs_of_pairs(model, batch), beta=BETA, label_smoothing=label_smoothing)
    same(mine.mean(), theirs, model.logits)


EACH = {
    "apo_zero": ours.apo_zero_loss,
    "apo_down": ours.apo_down_loss,
    "nca_pair": ours.nca_loss,
    "sppo_hard": ours.sppo_loss,
    "bco_pair": ours.bco_loss,
}


@pytest.mark.parametrize("beta", [0.1, BETA])
@pytest.mark.parametrize(
    "loss_type",
    [
        pytest.param("apo_zero", marks=oracle("apo_zero_loss", "TRL", "`apo_zero`")),
        pytest.param("apo_down", marks=oracle("apo_down_loss", "TRL", "`apo_down`")),
        pytest.param("nca_pair", marks=oracle("nca_loss", "TRL", "`nca_pair`")),
        pytest.param("sppo_hard", marks=oracle("sppo_loss", "TRL", "`sppo_hard`, ours without win rates")),
        pytest.param("bco_pair", marks=oracle("bco_loss", "TRL", "`bco_pair`, ours without a shift")),
    ],
)
def test_losses_of_each_completion_by_itself(same, loss_type, beta):
    model, batch = policy(), dpo_batch()
    theirs, _ = trl_dpo(model, batch, loss_type, beta=beta)
    same(EACH[loss_type](*logprobs_of_pairs(model, batch), beta=beta).mean(), theirs, model.logits)


@pytest.mark.parametrize("label_smoothing", [1e-3, NOISE])
@oracle("exo_loss", "TRL", "`exo_pair`, `label_smoothing`", rtol=F32)
def test_exo(same, label_smoothing):
    """TRL keeps the label smoothing in float32."""
    model, batch = policy(), dpo_batch()
    theirs, _ = trl_dpo(model, batch, "exo_pair", label_smoothing=label_smoothing)
    mine = ours.exo_loss(*logprobs_of_pairs(model, batch), beta=BETA, label_smoothing=label_smoothing)
    same(mine.mean(), theirs, model.logits)


@pytest.mark.parametrize("label_smoothing", [0.0, NOISE])
@pytest.mark.parametrize("loss_type", ["aot", "aot_unpaired"])
@oracle("aot_loss", "TRL", "`aot`; `aot_unpaired`, ours with `paired=False`; `label_smoothing`")
def test_aot(same, loss_type, label_smoothing):
    model, batch = policy(), dpo_batch()
    theirs, _ = trl_dpo(model, batch, loss_type, label_smoothing=label_smoothing)
    four, options = logprobs_of_pairs(model, batch), {"beta": BETA, "label_smoothing": label_smoothing}
    same(ours.aot_loss(*four, **options, paired=loss_type == "aot").mean(), theirs, model.logits)
    assert not torch.allclose(ours.cdpo_loss(*four, **options).mean(), theirs, rtol=1e-3)


def tokens_of_pairs(model: BigramModel, batch: dict) -> tuple[Tensor, ...]:
    """Token log-probs of chosen, rejected and both under the reference, then the masks of chosen and rejected."""
    tokens, mask = batch["input_ids"], ours.prediction_mask(batch["completion_mask"])
    new, ref = (ours.token_logprobs(x.logits_of(tokens), tokens).chunk(2) for x in (model, REFERENCE))
    return *new, *ref, *mask.chunk(2)


@pytest.mark.parametrize("ld_alpha", [0.0, 0.3, 1.0])
@oracle("ld_dpo_loss", "TRL", '`ld_alpha` with `sigmoid`, ours with `discounted="both"`')
def test_ld_dpo(same, ld_alpha):
    model, batch = policy(), dpo_batch()
    theirs = trl_ld_dpo(model, batch, ld_alpha)
    mine = ours.ld_dpo_loss(*tokens_of_pairs(model, batch), ld_alpha=ld_alpha, beta=BETA)
    same(mine.mean(), theirs, model.logits)


@oracle(
    "ld_dpo_loss", "TRL", differs='has no option for the policy alone: ours with `discounted="policy"` is another loss'
)
def test_ld_dpo_of_the_policy_alone_is_another_loss():
    model, batch = policy(), dpo_batch()
    policy_alone = ours.ld_dpo_loss(*tokens_of_pairs(model, batch), ld_alpha=0.3, beta=BETA, discounted="policy")
    assert not torch.allclose(policy_alone.mean(), trl_ld_dpo(model, batch, 0.3), rtol=1e-2)


def trl_ld_dpo(model: BigramModel, batch: dict, ld_alpha: float) -> Tensor:
    self = offline(DPOTrainer, model, REFERENCE, beta=BETA)
    self.ld_alpha = ld_alpha
    return self._compute_loss(model, batch, return_outputs=False)


@pytest.mark.parametrize("loss_type", ["aot", "aot_unpaired"])
@oracle("cdpo_loss", "TRL", "`aot`, `aot_unpaired` and `label_smoothing`, on one pair")
@oracle("cdpo_loss", "TRL", differs="`aot` with several pairs sorts their margins; `sigmoid` ignores `label_smoothing`")
def test_conservative_dpo_is_only_there_for_a_single_pair(same, loss_type):
    for pairs in ([PAIRS[0]], [PAIRS[1]], PAIRS):
        model, batch = policy(), dpo_batch(pairs)
        theirs, _ = trl_dpo(model, batch, loss_type, label_smoothing=NOISE)
        mine = ours.cdpo_loss(*logprobs_of_pairs(model, batch), beta=BETA, label_smoothing=NOISE).mean()
        if len(pairs) == 1:
            same(mine, theirs, model.logits)
        else:
            assert not torch.allclose(mine, theirs, rtol=1e-3)
    plain, _ = trl_dpo(model, batch, "sigmoid", label_smoothing=NOISE)
    assert_same(ours.dpo_loss(*logprobs_of_pairs(model, batch), beta=BETA).mean(), plain)


@oracle("total_loss", "TRL", '`loss_type=["sigmoid", "sft"]`, `loss_weights`')
@oracle("sft_loss", "TRL", "`sft` of `DPOTrainer`: chosen completions, one mean over their tokens")
def test_dpo_with_some_supervised_learning(same):
    model, batch = policy(), dpo_batch()
    theirs, _ = trl_dpo(model, batch, "sigmoid", "sft", loss_weights=[1.0, 0.3])
    tokens, completion = (batch[key][: len(PAIRS)] for key in ("input_ids", "completion_mask"))
    sft = ours.sft_loss(ours.token_logprobs(model.logits_of(tokens), tokens), ours.prediction_mask(completion))
    mine = ours.total_loss(
        ours.dpo_loss(*logprobs_of_pairs(model, batch), beta=BETA).mean(), sft_loss=sft, sft_coef=0.3
    )
    same(mine, theirs, model.logits)


@oracle("implicit_reward", "TRL", "`rewards/chosen`, `rewards/rejected`: means")
@oracle("preference_margin", "TRL", "`rewards/margins` is `beta` times its mean")
@oracle("sequence_logprobs", "TRL", "`logps/chosen`, `logps/rejected`: means")
def test_what_dpo_logs(same):
    model, batch = policy(), dpo_batch()
    _, self = trl_dpo(model, batch, "sigmoid")
    chosen, rejected, ref_chosen, ref_rejected = (x.detach() for x in logprobs_of_pairs(model, batch))
    same(ours.implicit_reward(chosen, ref_chosen, beta=BETA).mean(), metric(self, "rewards/chosen"))
    same(ours.implicit_reward(rejected, ref_rejected, beta=BETA).mean(), metric(self, "rewards/rejected"))
    margin = ours.preference_margin(chosen, rejected, ref_chosen, ref_rejected)
    same(BETA * margin.mean(), metric(self, "rewards/margins"))
    same(chosen.mean(), metric(self, "logps/chosen"))
    same(rejected.mean(), metric(self, "logps/rejected"))
    assert DPOConfig.__dataclass_fields__["beta"].default == 0.1


@oracle(WHOLE_STEP, "TRL", "`DPOTrainer` on a Llama, from token ids", rtol=F32, gradient_rtol=1e-4)
def test_dpo_from_pairs_to_parameter_gradients(same):
    """Nothing of the arithmetic is ours on TRL's side: padding, masks, shift, log-probs, loss."""
    model, ref_model, batch = tiny_llama(), tiny_llama(), dpo_batch()
    torch.nn.init.normal_(ref_model.lm_head.weight)
    for patched in (model, ref_model):
        add_fused_lm_head(patched, outputs=("entropy", "mean_logits", "is_top1"))
    theirs = offline(DPOTrainer, model, ref_model)._compute_loss(model, batch, return_outputs=False)

    tokens, mask = batch["input_ids"], ours.prediction_mask(batch["completion_mask"])
    logits, ref_logits = (x(tokens, attention_mask=batch["attention_mask"]).logits for x in (model, ref_model))
    new, ref = (ours.sequence_logprobs(ours.token_logprobs(x, tokens), mask) for x in (logits, ref_logits.detach()))
    same(ours.dpo_loss(*new.chunk(2), *ref.chunk(2)).mean(), theirs, *model.parameters())


# --- CPOTrainer and ORPOTrainer: no reference ---


def batch_with_labels(pairs: list[dict] = PAIRS) -> dict:
    """A batch as CPOTrainer and ORPOTrainer want it: chosen and rejected apart, prompts and padding -100 in the labels."""
    batch = dpo_batch(pairs)
    batch["labels"] = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, -100)
    keys = ("input_ids", "attention_mask", "labels")
    halves = {key: batch[key].chunk(2) for key in keys}
    return {f"{side}_{key}": halves[key][i] for i, side in enumerate(("chosen", "rejected")) for key in keys}


def trl_batch_loss(kind: type, model: BigramModel, **options: object) -> Tensor:
    self = offline(kind, model, pad=EOS, **{"beta": BETA} | options)
    loss, _ = self.get_batch_loss_metrics(model, batch_with_labels())
    return loss


@pytest.mark.parametrize("average", [False, True])
@oracle("sequence_logprobs", "TRL", "`get_batch_logps` of `CPOTrainer` and `ORPOTrainer`, `average_log_prob`")
def test_log_probs_of_completions(same, average):
    model, batch = policy(), dpo_batch()
    labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, -100)
    logits = model.logits_of(batch["input_ids"])
    for kind in (CPOTrainer, ORPOTrainer):
        theirs = kind.get_batch_logps(logits, labels, average_log_prob=average)
        same(completion_logprobs(model, batch, average=average), theirs, model.logits)


@pytest.mark.parametrize(("beta", "gamma"), [(2.0, 1.0), (BETA, 0.5)])
@oracle("simpo_loss", "TRL", "`CPOTrainer`: `simpo`, `simpo_gamma`, `cpo_alpha=0`")
def test_simpo(same, beta, gamma):
    model = policy()
    theirs = trl_batch_loss(CPOTrainer, model, loss_type="simpo", beta=beta, simpo_gamma=gamma, cpo_alpha=0)
    chosen, rejected = completion_logprobs(model, dpo_batch(), average=True).chunk(2)
    same(ours.simpo_loss(chosen, rejected, beta=beta, gamma=gamma).mean(), theirs, model.logits)


def chosen_nll(model: BigramModel, *, prompt: bool = False) -> Tensor:
    batch = dpo_batch()
    tokens = batch["input_ids"][: len(PAIRS)]
    mask = batch["attention_mask" if prompt else "completion_mask"][: len(PAIRS)]
    return ours.sft_loss(ours.token_logprobs(model.logits_of(tokens), tokens), ours.prediction_mask(mask))


@oracle("simpo_loss", "TRL", differs="the default `cpo_alpha=1` adds the NLL of the chosen completions; `gamma` is 0.5")
def test_simpo_by_default_has_an_nll_term():
    model = policy()
    theirs = trl_batch_loss(CPOTrainer, model, loss_type="simpo")
    chosen, rejected = completion_logprobs(model, dpo_batch(), average=True).chunk(2)
    simpo = ours.simpo_loss(chosen, rejected, beta=BETA, gamma=0.5).mean()
    assert_same(ours.total_loss(simpo, sft_loss=chosen_nll(model), sft_coef=1.0), theirs)
    assert CPOConfig.__dataclass_fields__["simpo_gamma"].default == 0.5


CPO = {
    "sigmoid": (ours.cdpo_loss, SUMMED, {"label_smoothing": NOISE}),
    "hinge": (ours.hinge_loss, SUMMED, {}),
    "ipo": (ours.ipo_loss, AVERAGED, {}),
}


@pytest.mark.parametrize(
    "loss_type",
    [
        pytest.param(
            "sigmoid", marks=oracle("cdpo_loss", "TRL", "`CPOTrainer`, `label_smoothing`; reference log-probs 0")
        ),
        pytest.param("hinge", marks=oracle("hinge_loss", "TRL", "`CPOTrainer`; reference log-probs 0")),
        pytest.param("ipo", marks=oracle("ipo_loss", "TRL", "`CPOTrainer`, averages; reference log-probs 0")),
    ],
)
def test_cpo_is_dpo_with_a_uniform_reference_and_an_nll_term(same, loss_type):
    function, aggregation, options = CPO[loss_type]
    model = policy()
    theirs = trl_batch_loss(CPOTrainer, model, loss_type=loss_type, **options)
    chosen, rejected = completion_logprobs(model, dpo_batch(), **aggregation).chunk(2)
    zeros = torch.zeros_like(chosen)
    losses = function(chosen, rejected, zeros, zeros, beta=BETA, **options)
    same(ours.total_loss(losses.mean(), sft_loss=chosen_nll(model), sft_coef=1.0), theirs, model.logits)


@oracle("orpo_loss", "TRL", "`odds_ratio_loss`: what follows the NLL", rtol=F32)
def test_the_odds_ratio_of_orpo(same):
    """TRL's sign is the other one: it subtracts the result."""
    chosen, rejected = (
        x.detach().requires_grad_() for x in completion_logprobs(policy(), dpo_batch(), average=True).detach().chunk(2)
    )
    theirs, *_ = offline(ORPOTrainer, policy(), beta=BETA).odds_ratio_loss(chosen, rejected)
    same(ours.orpo_loss(chosen, rejected, beta=BETA) + chosen, -theirs, chosen, rejected)


@oracle("orpo_loss", "TRL", differs="NLL over prompt and completion, and one mean over the tokens of all pairs")
def test_the_nll_of_orpo_covers_the_prompt():
    model = policy()
    theirs = trl_batch_loss(ORPOTrainer, model)
    chosen, rejected = completion_logprobs(model, dpo_batch(), average=True).chunk(2)
    odds = ours.orpo_loss(chosen, rejected, beta=BETA) + chosen
    mine = odds.mean() + chosen_nll(model, prompt=True)
    assert_same(mine, theirs, rtol=F32)
    gradients = (torch.autograd.grad(x, model.logits, retain_graph=True)[0] for x in (mine, theirs))
    assert_same(*gradients, rtol=F32, atol=1e-6)
    assert not torch.allclose(ours.orpo_loss(chosen, rejected, beta=BETA).mean(), theirs, rtol=1e-2)


# --- KTOTrainer ---

MARKED = [
    {"prompt_ids": [2, 3], "completion_ids": [4, 2, EOS], "label": True},
    {"prompt_ids": [3], "completion_ids": [2, EOS], "label": False},
    {"prompt_ids": [4, 4, 2], "completion_ids": [3, 3, 3, EOS], "label": True},
    {"prompt_ids": [2], "completion_ids": [4], "label": True},
]


def kto_batch() -> dict:
    """With the completion of the row before under each prompt, as TRL's KTOTrainer prepares its data set."""
    before = [MARKED[-1], *MARKED[:-1]]
    examples = [{**x, "KL_completion_ids": y["completion_ids"]} for x, y in zip(MARKED, before, strict=True)]
    return DataCollatorForUnpairedPreference(pad_token_id=EOS)(examples)


def trl_kto(model: BigramModel, ref_model: BigramModel, **options: object) -> tuple[Tensor, object]:
    self = offline(KTOTrainer, model, ref_model, **{"beta": BETA} | options)
    return self._compute_loss(model, kto_batch(), return_outputs=False), self


@pytest.mark.parametrize("weights", [{}, {"desirable_weight": 0.7, "undesirable_weight": 1.9}])
@pytest.mark.parametrize("swapped", [False, True], ids=["KL at its bound 0", "positive KL"])
@oracle("kto_loss", "TRL", "`kto`, `desirable_weight`, `undesirable_weight`")
@oracle("kto_kl", "TRL", "`kl`")
def test_kto(same, swapped, weights):
    model, ref_model = policy(), REFERENCE
    if swapped:
        model, ref_model = BigramModel(bigram_logits(1).requires_grad_()), policy()
    theirs, self = trl_kto(model, ref_model, **weights)
    batch = kto_batch()
    kl = ours.kto_kl(completion_logprobs(model, batch, "KL_"), completion_logprobs(ref_model, batch, "KL_").detach())
    new, ref = completion_logprobs(model, batch), completion_logprobs(ref_model, batch).detach()
    mine = ours.kto_loss(new, ref, batch["label"], kl, beta=BETA, **weights)
    same(mine.mean(), theirs, model.logits)
    same(kl, metric(self, "kl"))
    assert (kl > 0) == swapped
    assert not kl.requires_grad


@oracle("kto_loss", "TRL", "`apo_zero_unpaired`, ours with a `kl` of 0")
def test_apo_zero_is_kto_without_the_kl(same):
    model, batch = policy(), kto_batch()
    theirs, _ = trl_kto(model, REFERENCE, loss_type="apo_zero_unpaired")
    new, ref = completion_logprobs(model, batch), completion_logprobs(REFERENCE, batch)
    same(
        ours.kto_loss(new, ref, batch["label"], torch.zeros((), dtype=torch.float64), beta=BETA).mean(),
        theirs,
        model.logits,
    )


# --- RewardTrainer, SFTTrainer ---


@pytest.mark.parametrize("with_margin", [False, True])
@oracle("bradley_terry_loss", "TRL", "`RewardTrainer`, `margin`")
def test_the_reward_model(same, with_margin):
    heads = torch.tensor([1.3, -0.2, 0.4, 0.9, -0.5, 0.4], dtype=torch.float64, requires_grad=True)  # chosen first
    margin = torch.tensor([0.5, 0.0, 2.0], dtype=torch.float64) if with_margin else None
    inputs = {"attention_mask": torch.ones(6, 4)} | ({"margin": margin} if with_margin else {})
    model = SimpleNamespace(training=True)
    self = offline(RewardTrainer, model)
    theirs = self.compute_loss(lambda **_: SimpleNamespace(logits=heads[:, None]), inputs)
    same(ours.bradley_terry_loss(*heads.chunk(2), margin=margin).mean(), theirs, heads)


def trl_sft(model: BigramModel, num_tokens: int | None, **options: object) -> tuple[Tensor, Tensor, Tensor]:
    batch = dpo_batch()
    tokens, mask = batch["input_ids"], ours.prediction_mask(batch["completion_mask"])
    labels = tokens.masked_fill(batch["completion_mask"] == 0, -100)
    self = offline(SFTTrainer, model, **options)
    inputs = {"input_ids": tokens, "attention_mask": batch["attention_mask"], "labels": labels}
    return self.compute_loss(model, inputs, num_items_in_batch=num_tokens), tokens, mask


@pytest.mark.parametrize("num_tokens", [None, 40])
@oracle("sft_loss", "TRL", "`SFTTrainer`, `completion_only_loss`")
@oracle("token_nll", "TRL", "`SFTTrainer`, under `token_mean`")
def test_supervised_fine_tuning(same, num_tokens):
    model = policy()
    theirs, tokens, mask = trl_sft(model, num_tokens)
    logprobs = ours.token_logprobs(model.logits_of(tokens), tokens)
    same(ours.sft_loss(logprobs, mask, num_tokens=num_tokens), theirs, model.logits)
    same(ours.token_mean(ours.token_nll(logprobs), mask, num_tokens=num_tokens), theirs, model.logits)


@oracle("reinforce_loss", "TRL", '`SFTTrainer(loss_type="dft")`: the token\'s probability is its advantage')
def test_dynamic_fine_tuning_is_reinforce(same):
    model = policy()
    theirs, tokens, mask = trl_sft(model, None, loss_type="dft")
    logprobs = ours.token_logprobs(model.logits_of(tokens), tokens)
    same(ours.token_mean(ours.reinforce_loss(logprobs, logprobs.exp()), mask), theirs, model.logits)
