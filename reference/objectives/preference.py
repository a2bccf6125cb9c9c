"""Preference losses: gradient descent on pairs, no samples from the policy, no advantage.

Inputs are log-probs of whole completions in nats, (pairs,), from ``sequence_logprobs``; losses come one per pair, so a
mean over pairs is all the aggregation there is. Summed, not averaged, log-probs: with averages beta means something
else for every length. Losses that need no pairs or no reference are in ``preference_variants``, those in which each
completion counts by itself in ``preference_absolute``, and EXO, LD-DPO and AOT in ``preference_newer``.

    margin = (chosen - ref_chosen) - (rejected - ref_rejected)

is what DPO and its relatives push apart; they differ in how the loss falls with it. The reference is frozen: detach its
log-probs or compute them without gradients. Only the margin counts: the chosen log-prob may fall while it grows.
"""

from torch.nn.functional import logsigmoid

from .shapes import (
    Float,
    InputError,
    Tensor,
    at_least_float32,
    require_at_least,
    require_finite,
    require_positive,
    typed,
)

Pairs = Float[Tensor, " pairs"]


@typed
def bradley_terry_loss(chosen_rewards: Pairs, rejected_rewards: Pairs, *, margin: Pairs | None = None) -> Pairs:
    """Reward-model loss: negative log-likelihood of the human's choice under the Bradley-Terry model.

        -log sigmoid(r_chosen - r_rejected - margin)

    Only differences are learned: a constant per prompt stays free. ``margin``: how much better chosen was rated, if
    known (Llama 2, 2307.09288, eq. 2). InstructGPT (2203.02155, eq. 1); TRL ``RewardTrainer``, OpenRLHF
    ``PairWiseLoss``. Raises ``InputError`` for NaN or infinity.

    Two equal rewards cost ln 2, whether both are 0 or both are 100:
    >>> bradley_terry_loss(torch.tensor([0.0, 100.0]), torch.tensor([0.0, 100.0])).round(decimals=2)
    tensor([0.6900, 0.6900])
    """
    gap = log_ratio(chosen_rewards, rejected_rewards, "chosen_rewards", "rejected_rewards")
    if margin is not None:
        require_finite(margin, "margin")
        gap = gap - margin
    return -logsigmoid(gap)


@typed
def preference_margin(
    chosen_logprobs: Pairs, rejected_logprobs: Pairs, ref_chosen_logprobs: Pairs, ref_rejected_logprobs: Pairs
) -> Pairs:
    """How much more the policy prefers chosen over rejected than the reference does, in nats. No beta in it.

        (chosen - rejected) - (ref_chosen - ref_rejected)

    Raises ``InputError`` when one of the four is NaN or infinite.

    Against the reference's -10 both have become less likely, chosen by 2 nats and rejected by 5, and the margin is 3:
    >>> preference_margin(*torch.tensor([[-12.0], [-15.0], [-10.0], [-10.0]])).tolist()
    [3.0]
    """
    named = {
        "chosen_logprobs": chosen_logprobs,
        "rejected_logprobs": rejected_logprobs,
        "ref_chosen_logprobs": ref_chosen_logprobs,
        "ref_rejected_logprobs": ref_rejected_logprobs,
    }
    for name, logprobs in named.items():
        require_finite(logprobs, name)
    chosen, rejected, ref_chosen, ref_rejected = map(at_least_float32, named.values())
    return (chosen - rejected) - (ref_chosen - ref_rejected)


@typed
def implicit_reward(logprobs: Pairs, ref_logprobs: Pairs, *, beta: float = 0.1) -> Pairs:
    """The reward that a policy trained with DPO has learned, up to a constant per prompt.

        beta * (logp - ref_logp)

    Summed log-probs, in nats times beta. DPO (2305.18290, eq. 5); TRL logs its mean as ``rewards/chosen`` and
    ``rewards/rejected``, without gradient; here the gradient is left in. Raises ``InputError`` for beta not above 0 and
    for NaN or infinity.

    A completion 2 nats less likely than under the reference has a negative reward, even if it is the chosen one:
    >>> implicit_reward(torch.tensor([-12.0]), torch.tensor([-10.0]), beta=0.5).tolist()
    [-1.0]
    """
    require_positive(beta, "beta")
    return beta * log_ratio(logprobs, ref_logprobs, "logprobs", "ref_logprobs")


@typed
def dpo_loss(
    chosen_logprobs: Pairs,
    rejected_logprobs: Pairs,
    ref_chosen_logprobs: Pairs,
    ref_rejected_logprobs: Pairs,
    *,
    beta: float = 0.1,
) -> Pairs:
    """Direct preference optimisation: the Bradley-Terry loss of the implicit reward.

        -log sigmoid(beta * margin)          gradient: -beta * sigmoid(-beta * margin) * grad(margin)

    ``beta`` is the strength of the tie to the reference: where a pair is preferred with probability p, the optimum has
    margin = logit(p) / beta, smaller for larger beta. Early on, at margin 0, the gradient is beta / 2, which is why a
    larger beta looks more aggressive in a few steps of SGD. Always-preferred pairs have no optimum: the margin grows.
    DPO (2305.18290, eq. 7). TRL ``loss_type="sigmoid"``, OpenRLHF ``DPOLoss``, NeMo-RL; open-instruct's default
    ``dpo_norm`` averages the log-probs instead, as does TRL's ``sigmoid_norm``.

    Which model is the reference? TRL (1.16: DPO, KTO, GRPO, RLOO) does not copy the policy that it is given: it loads
    the folder that ``model.config._name_or_path`` names once more. After SFT in the same process that is still the
    base, and the first loss is not ln 2. Pass ``ref_model`` (DPO and KTO), or save the model and load it again (all
    four). ``findings/trl_reference_from_config.sh`` shows it. Raises ``InputError`` for beta not above 0 and for NaN or
    infinity.

    Where the policy is the reference, the loss is ln 2, whatever the log-probs are:
    >>> dpo_loss(*torch.tensor([[-12.0], [-15.0], [-12.0], [-15.0]])).round(decimals=4)
    tensor([0.6931])
    """
    require_positive(beta, "beta")
    margin = preference_margin(chosen_logprobs, rejected_logprobs, ref_chosen_logprobs, ref_rejected_logprobs)
    return -logsigmoid(beta * margin)


@typed
def cdpo_loss(
    chosen_logprobs: Pairs,
    rejected_logprobs: Pairs,
    ref_chosen_logprobs: Pairs,
    ref_rejected_logprobs: Pairs,
    *,
    beta: float = 0.1,
    label_smoothing: float = 0.1,
) -> Pairs:
    """Conservative DPO: a share ``label_smoothing`` of the pairs is taken to be labelled the wrong way round.

        -(1 - e) * log sigmoid(beta * margin) - e * log sigmoid(-beta * margin)

    For e > 0 every pair has an optimum, at margin logit(1 - e) / beta. e in [0, 0.5]. Mitchell, "A note on DPO with
    noisy preferences" (2023); OpenRLHF and ms-swift ``label_smoothing``; TRL in CPO, while in its DPO that option
    belongs to ``robust``, ``exo_pair`` and ``aot``. Raises ``InputError`` for beta not above 0, e outside its range, and NaN or
    infinity.

    Margins of 0, 20 and 100: beyond the optimum, here 22, a pair costs more again:
    >>> ref, rejected = torch.zeros(3), torch.tensor([0.0, -20.0, -100.0])
    >>> cdpo_loss(ref, rejected, ref, ref).round(decimals=2)
    tensor([0.6900, 0.3300, 1.0000])
    """
    require_positive(beta, "beta")
    require_at_least(label_smoothing, "label_smoothing", 0, 0.5)
    margin = preference_margin(chosen_logprobs, rejected_logprobs, ref_chosen_logprobs, ref_rejected_logprobs)
    return -(1 - label_smoothing) * logsigmoid(beta * margin) - label_smoothing * logsigmoid(-beta * margin)


@typed
def robust_dpo_loss(
    chosen_logprobs: Pairs,
    rejected_logprobs: Pairs,
    ref_chosen_logprobs: Pairs,
    ref_rejected_logprobs: Pairs,
    *,
    beta: float = 0.1,
    label_smoothing: float = 0.1,
) -> Pairs:
    """Robust DPO: with labels flipped at rate e, its expectation is the DPO loss on the true labels.

        (-(1 - e) * log sigmoid(beta * margin) + e * log sigmoid(-beta * margin)) / (1 - 2 * e)

    Not cDPO: the second term has the other sign, so the loss is unbounded below on a single pair. e in [0, 0.5).
    Chowdhury et al. (2403.00409), rDPO; TRL ``loss_type="robust"``. Raises ``InputError`` for beta not above 0, e
    outside its range, and NaN or infinity.

    Margins of 0, 20 and 100: where ``cdpo_loss`` has turned and rises, this one goes on falling, to below 0:
    >>> ref, rejected = torch.zeros(3), torch.tensor([0.0, -20.0, -100.0])
    >>> robust_dpo_loss(ref, rejected, ref, ref).round(decimals=2)
    tensor([ 0.6900, -0.1200, -1.2500])
    """
    require_positive(beta, "beta")
    require_at_least(label_smoothing, "label_smoothing", 0, 0.5)
    if label_smoothing == 0.5:
        raise InputError(
            "label_smoothing is 0.5: labels flipped half of the time say nothing, and the loss divides by 0"
        )
    margin = preference_margin(chosen_logprobs, rejected_logprobs, ref_chosen_logprobs, ref_rejected_logprobs)
    right, wrong = logsigmoid(beta * margin), logsigmoid(-beta * margin)
    return (-(1 - label_smoothing) * right + label_smoothing * wrong) / (1 - 2 * label_smoothing)


@typed
def ipo_loss(
    chosen_logprobs: Pairs,
    rejected_logprobs: Pairs,
    ref_chosen_logprobs: Pairs,
    ref_rejected_logprobs: Pairs,
    *,
    beta: float = 0.1,
) -> Pairs:
    """Identity preference optimisation: the margin is regressed to a finite target instead of pushed for ever.

        (margin - 1 / (2 * beta))^2

    ``beta`` is the paper's tau, the strength of the tie to the reference. The paper's formula has summed log-probs, as
    have OpenRLHF and the DPO authors' code; TRL averages them per token and says that the paper's authors did so too:
    pass ``sequence_logprobs(..., average=True)`` for all four, and the target 1 / (2 * beta) is nats per token. The two
    are different losses. Azar et al. (2310.12036, eq. 17). Raises ``InputError`` for beta not above 0 and for NaN or
    infinity.

    Margins of 0, 5 and 10: at beta 0.1 the target is 5 nats, and 10 cost as much as 0:
    >>> ref, rejected = torch.zeros(3), torch.tensor([0.0, -5.0, -10.0])
    >>> ipo_loss(ref, rejected, ref, ref, beta=0.1).tolist()
    [25.0, 0.0, 25.0]
    """
    require_positive(beta, "beta")
    margin = preference_margin(chosen_logprobs, rejected_logprobs, ref_chosen_logprobs, ref_rejected_logprobs)
    return (margin - 1 / (2 * beta)) ** 2


@typed
def hinge_loss(
    chosen_logprobs: Pairs,
    rejected_logprobs: Pairs,
    ref_chosen_logprobs: Pairs,
    ref_rejected_logprobs: Pairs,
    *,
    beta: float = 0.1,
) -> Pairs:
    """Hinge on the margin: a pair that is won by 1 / beta nats no longer trains.

        max(0, 1 - beta * margin)

    SLiC-HF (2305.10425) with the margin of RSO (2309.06657, "hinge-norm", where beta is gamma); TRL
    ``loss_type="hinge"``. Raises ``InputError`` for beta not above 0 and for NaN or infinity.

    Margins of 0, 2 and 4: at beta 0.5 a margin of 2 nats is enough, and 4 is no better:
    >>> ref, rejected = torch.zeros(3), torch.tensor([0.0, -2.0, -4.0])
    >>> hinge_loss(ref, rejected, ref, ref, beta=0.5).tolist()
    [1.0, 0.0, 0.0]
    """
    require_positive(beta, "beta")
    margin = preference_margin(chosen_logprobs, rejected_logprobs, ref_chosen_logprobs, ref_rejected_logprobs)
    return (1 - beta * margin).relu()


def log_ratio(
    first: Tensor, second: Tensor, first_name: str = "chosen_logprobs", second_name: str = "rejected_logprobs"
) -> Tensor:
    """first - second in at least float32, after checking that both are finite."""
    require_finite(first, first_name)
    require_finite(second, second_name)
    return at_least_float32(first) - at_least_float32(second)
