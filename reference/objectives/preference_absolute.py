"""Preference losses in which each completion of a pair counts by itself, so that it is settled which of them moves.

Inputs are summed log-probs of whole completions in nats, (pairs,), from ``sequence_logprobs``; losses come one per
pair. Every loss is written in the implicit rewards of the two completions:

    a = beta * (chosen - ref_chosen)          b = beta * (rejected - ref_rejected)

DPO sees only a - b, and may lower both. A loss that is a function of a and b themselves can say that a has to rise.
TRL is 1.16 here, and liger-kernel 0.8.5, which has the same formulas under the same names.
"""

from torch.nn.functional import logsigmoid

from .preference import Pairs, implicit_reward
from .shapes import Float, InputError, Tensor, require_finite, require_positive, typed


@typed
def apo_zero_loss(
    chosen_logprobs: Pairs,
    rejected_logprobs: Pairs,
    ref_chosen_logprobs: Pairs,
    ref_rejected_logprobs: Pairs,
    *,
    beta: float = 0.1,
) -> Pairs:
    """APO-zero: chosen is made more likely than under the reference, and rejected less likely, each for itself.

        1 - sigmoid(a) + sigmoid(b)          a, b: implicit rewards of chosen and rejected
        gradient: -sigmoid'(a) by a, +sigmoid'(b) by b          sigmoid' = sigmoid * (1 - sigmoid)

    For pairs whose chosen completion is better than what the model writes; where it is worse, ``apo_down_loss``. The
    result is between 0 and 2. The gradient is largest at the reference and falls on both sides of it, so a completion
    that is far from the reference hardly trains, whatever its side. D'Oosterlinck et al. (2408.06266, eq. 7); TRL
    ``loss_type="apo_zero"``, and liger-kernel alike. TRL's KTO has it without pairs, as ``apo_zero_unpaired``: that is
    ``kto_loss`` with a ``kl`` of 0. Raises ``InputError`` for beta not above 0 and for NaN or infinity.

    At the reference each completion has a slope of beta / 4; chosen is pushed up and rejected down:
    >>> chosen, rejected = torch.tensor([[-10.0], [-12.0]], requires_grad=True)
    >>> loss = apo_zero_loss(chosen, rejected, chosen.detach(), rejected.detach(), beta=0.5)
    >>> [slope.item() for slope in torch.autograd.grad(loss.sum(), [chosen, rejected])]
    [-0.125, 0.125]
    """
    a, b = rewards_of(chosen_logprobs, rejected_logprobs, ref_chosen_logprobs, ref_rejected_logprobs, beta)
    return (-a).sigmoid() + b.sigmoid()  # 1 - sigmoid(a), with all its digits


@typed
def apo_down_loss(
    chosen_logprobs: Pairs,
    rejected_logprobs: Pairs,
    ref_chosen_logprobs: Pairs,
    ref_rejected_logprobs: Pairs,
    *,
    beta: float = 0.1,
) -> Pairs:
    """APO-down: both completions are made less likely than under the reference, rejected more so than chosen.

        sigmoid(a) + 1 - sigmoid(a - b)          a, b: implicit rewards of chosen and rejected
        gradient: sigmoid'(a) - sigmoid'(a - b) by a, +sigmoid'(a - b) by b

    For pairs whose chosen completion is worse than what the model writes by itself. The result is between 0 and 2.
    D'Oosterlinck et al. (2408.06266, eq. 8); TRL ``loss_type="apo_down"``, and liger-kernel alike. Raises
    ``InputError`` for beta not above 0 and for NaN or infinity.

    At the reference only rejected has a gradient, beta / 4. The two terms of chosen cancel out:
    >>> chosen, rejected = torch.tensor([[-10.0], [-12.0]], requires_grad=True)
    >>> loss = apo_down_loss(chosen, rejected, chosen.detach(), rejected.detach(), beta=0.5)
    >>> [slope.item() for slope in torch.autograd.grad(loss.sum(), [chosen, rejected])]
    [0.0, 0.125]
    """
    a, b = rewards_of(chosen_logprobs, rejected_logprobs, ref_chosen_logprobs, ref_rejected_logprobs, beta)
    return a.sigmoid() + (b - a).sigmoid()


@typed
def nca_loss(
    chosen_logprobs: Pairs,
    rejected_logprobs: Pairs,
    ref_chosen_logprobs: Pairs,
    ref_rejected_logprobs: Pairs,
    *,
    beta: float = 0.1,
) -> Pairs:
    """NCA, noise contrastive alignment: chosen is told from samples of the reference, so its reward rests at ln 2.

        -log sigmoid(a) - log sigmoid(-a) / 2 - log sigmoid(-b) / 2
        gradient: -sigmoid(-a) + sigmoid(a) / 2 by a, +sigmoid(b) / 2 by b

    Here a and b are the implicit rewards of chosen and rejected. The two halves are the noise: each completion of the
    pair counts once as half a sample of the reference. Without a bound b falls, and a rests at ln 2. Chen et al.
    (2402.05369); TRL ``loss_type="nca_pair"``, and liger-kernel alike: pairs with hard labels, while the paper has
    rewards for any number of completions too. Raises ``InputError`` for beta not above 0 and for NaN or infinity.

    Chosen at a = 0, at ln 2 and at 2 ln 2, rejected at the reference: beyond ln 2 the loss rises again:
    >>> ref, chosen = torch.zeros(3), torch.tensor([1.0, 2.0, 4.0]).log()
    >>> nca_loss(chosen, ref, ref, ref, beta=1.0).round(decimals=3)
    tensor([1.3860, 1.3010, 1.3740])
    """
    a, b = rewards_of(chosen_logprobs, rejected_logprobs, ref_chosen_logprobs, ref_rejected_logprobs, beta)
    return -logsigmoid(a) - logsigmoid(-a) / 2 - logsigmoid(-b) / 2


@typed
def sppo_loss(
    chosen_logprobs: Pairs,
    rejected_logprobs: Pairs,
    ref_chosen_logprobs: Pairs,
    ref_rejected_logprobs: Pairs,
    *,
    beta: float = 0.1,
    chosen_win_rates: Pairs | None = None,
    rejected_win_rates: Pairs | None = None,
) -> Pairs:
    """SPPO: each log-ratio is regressed to what its completion's win rate against the policy is worth, in nats.

        (d_chosen - (p_chosen - 1/2) / beta)^2 + (d_rejected - (p_rejected - 1/2) / beta)^2
        d = logp - ref_logp,   gradient by d: 2 * (d - (p - 1/2) / beta)

    ``beta`` is 1 / eta of the paper. The reference is the policy of the round before, from which the pair was sampled.
    ``chosen_win_rates`` and ``rejected_win_rates``: the probability that the completion beats a sample of that policy,
    as a judge estimates it, between 0 and 1. None is the hard form, 1 for chosen and 0 for rejected: targets of
    +1 / (2 * beta) and -1 / (2 * beta). Wu et al. (2405.00675, eq. 4.7); the authors' code (uclaml/SPPO, ``sppo``) has
    both rates and halves the sum. TRL ``loss_type="sppo_hard"`` and liger-kernel have the hard form only, and the sum.
    Raises ``InputError`` for beta not above 0, win rates outside [0, 1], and NaN or infinity.

    At beta 0.1 the hard targets are 5 and -5 nats. A win rate of 1/2 asks for no change at all:
    >>> ref, half = torch.zeros(1), torch.tensor([0.5])
    >>> hard = sppo_loss(ref + 5, ref - 4, ref, ref)
    >>> hard.item(), sppo_loss(ref, ref, ref, ref, chosen_win_rates=half, rejected_win_rates=half).item()
    (1.0, 0.0)
    """
    require_positive(beta, "beta")
    d = rewards_of(chosen_logprobs, rejected_logprobs, ref_chosen_logprobs, ref_rejected_logprobs, 1.0)
    p_chosen = win_rates_or(1.0, chosen_win_rates, "chosen_win_rates")
    p_rejected = win_rates_or(0.0, rejected_win_rates, "rejected_win_rates")
    return (d[0] - (p_chosen - 0.5) / beta) ** 2 + (d[1] - (p_rejected - 0.5) / beta) ** 2


@typed
def bco_loss(
    chosen_logprobs: Pairs,
    rejected_logprobs: Pairs,
    ref_chosen_logprobs: Pairs,
    ref_rejected_logprobs: Pairs,
    *,
    beta: float = 0.1,
    shift: Float[Tensor, ""] | None = None,
) -> Pairs:
    """BCO: a binary classifier of good and bad completions, whose score is the implicit reward minus a shift.

        -log sigmoid(a - shift) - log sigmoid(-(b - shift))
        gradient: -sigmoid(shift - a) by a, +sigmoid(b - shift) by b

    Here a and b are the implicit rewards of chosen and rejected. ``shift`` is in units of reward (beta times nats), and
    no gradient flows into it; None is 0. The paper's shift is the middle between the mean reward of good and that of
    bad completions, from ``implicit_reward``. Jung et al. (2404.04656). TRL ``loss_type="bco_pair"`` and liger-kernel
    have a shift of 0. LLaMA-Factory (0.9.5, ``pref_bco_weight``, added to DPO's loss) and ms-swift (4.6.0, ``bco_pair``)
    keep a running mean over batches of their mean reward, and take the batch in before they use it. Raises ``InputError`` for beta not above 0, and NaN or infinity.

    Both completions have a reward of 2. Without a shift this is a bad score for rejected, with a shift of 2 it is none:
    >>> ref = torch.zeros(1)
    >>> none, two = (bco_loss(ref + 2, ref + 2, ref, ref, beta=1.0, shift=torch.tensor(s)) for s in (0.0, 2.0))
    >>> round(none.item(), 2), round(two.item(), 2)
    (2.25, 1.39)
    """
    a, b = rewards_of(chosen_logprobs, rejected_logprobs, ref_chosen_logprobs, ref_rejected_logprobs, beta)
    if shift is not None:
        require_finite(shift, "shift")
        a, b = a - shift.detach(), b - shift.detach()
    return -logsigmoid(a) - logsigmoid(-b)


def rewards_of(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, beta: float
) -> tuple[Tensor, Tensor]:
    """The implicit rewards of chosen and rejected, after checking that all is finite and beta above 0."""
    named = {"chosen_logprobs": chosen, "rejected_logprobs": rejected}
    for name, logprobs in (named | {"ref_chosen_logprobs": ref_chosen, "ref_rejected_logprobs": ref_rejected}).items():
        require_finite(logprobs, name)
    return implicit_reward(chosen, ref_chosen, beta=beta), implicit_reward(rejected, ref_rejected, beta=beta)


def win_rates_or(hard: float, win_rates: Tensor | None, name: str) -> Tensor | float:
    """The win rates without gradient, refused outside [0, 1]; ``hard`` where there are none."""
    if win_rates is None:
        return hard
    require_finite(win_rates, name)
    if ((win_rates < 0) | (win_rates > 1)).any():
        raise InputError(f"{name} holds a number outside [0, 1]: pass probabilities of winning, not scores or logits")
    return win_rates.detach()
