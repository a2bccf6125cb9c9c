"""What ms-swift trains on without sampling: demonstrations, preferences and rewards."""

from collections import defaultdict
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from ..cases import PAIRED, PROMPT, SMOOTHING, Case
from ..ms_swift_options import LD_ALPHA, NLL_COEF
from ..records import Row
from .trainers import RewardTrainer, dpo_trainer, labels_of, per_token_loss_func


def dpo_row(loss_type: str, *, output: int = 0, **options: Any) -> Row:
    """``output``: 0 the mean loss, 1 and 2 the implicit rewards of chosen and rejected."""

    def function(pairs: Tensor, case: Case) -> Tensor:
        answer = dpo_trainer(**options).dpo_loss(*pairs, loss_type=loss_type)[output]
        return answer if output else answer.mean()

    return Row("pairs", function)


def after_exo(pairs: Tensor, case: Case) -> Tensor:
    """``--loss_type exo_pair sigmoid`` without label smoothing: the second of the two."""
    self = dpo_trainer()
    self.dpo_loss(*pairs.detach(), loss_type="exo_pair")
    return self.dpo_loss(*pairs, loss_type="sigmoid")[0].mean()


def second_bco(pairs: Tensor, case: Case) -> Tensor:
    """BCO on a batch that comes after another one. Its shift is a float32."""
    self = dpo_trainer()
    self.dpo_loss(*(2 * pairs.detach()), loss_type="bco_pair")
    return self.dpo_loss(*pairs, loss_type="bco_pair")[0].mean().float()


def whole_batch_row(loss_type: str = "sigmoid", **options: Any) -> Row:
    """From the logits of two chosen and two rejected completions to the loss."""

    def function(logits: Tensor, case: Case) -> Tensor:
        self = dpo_trainer(loss_type=loss_type, **options)
        self.ref_model = model_of(case.logits.flip(2))
        return self.get_batch_loss_metrics(model_of(logits), {"labels": labels_of(case)})[0]

    return Row("logits", function, PAIRED)


def model_of(logits: Tensor) -> Callable:
    """Answers with these logits, in a copy: the trainer writes into what it gets."""
    return lambda **_: SimpleNamespace(logits=logits * 1)


def reward_model_row(*, margin: bool = False) -> Row:
    def function(pairs: Tensor, case: Case) -> Tensor:
        self = object.__new__(RewardTrainer)
        self.model, self.args = SimpleNamespace(training=True), SimpleNamespace(center_rewards_coefficient=None)
        self.custom_metrics = defaultdict(lambda: defaultdict(lambda: SimpleNamespace(update=lambda value: None)))
        rewards = torch.cat([pairs[0], pairs[1]])[:, None]
        inputs = {"attention_mask": rewards.detach()} | ({"margin": case.margins} if margin else {})
        return self.compute_loss(lambda **_: SimpleNamespace(logits=rewards), inputs)

    return Row("pairs", function)


def token_loss(logits: Tensor, case: Case, **options: bool) -> Tensor:
    """One loss per predicted token; the last logits predict what their labels do not have."""
    loss = per_token_loss_func(SimpleNamespace(logits=logits), labels_of(case), **options)
    return loss.view(len(logits), -1)[:, :-1]


OFFLINE = {
    "dpo_loss sigmoid": dpo_row("sigmoid"),
    "dpo_loss sigmoid, label_smoothing": dpo_row("sigmoid", label_smoothing=SMOOTHING),
    "dpo_loss robust": dpo_row("robust", label_smoothing=SMOOTHING),
    "dpo_loss exo_pair": dpo_row("exo_pair", label_smoothing=SMOOTHING),
    "dpo_loss exo_pair, label_smoothing 0": dpo_row("exo_pair"),
    "dpo_loss sigmoid, after exo_pair": Row("pairs", after_exo, ("ragged",)),
    "dpo_loss bco_pair": Row("pairs", lambda x, c: dpo_row("bco_pair").function(x, c).float()),
    "dpo_loss bco_pair, second batch": Row("pairs", second_bco, ("ragged",)),
    "dpo_loss aot": dpo_row("aot", label_smoothing=SMOOTHING),
    "dpo_loss aot_unpaired": dpo_row("aot_unpaired", label_smoothing=SMOOTHING),
    **{
        f"dpo_loss {loss_type}": dpo_row(loss_type)
        for loss_type in ("hinge", "ipo", "sppo_hard", "nca_pair", "apo_zero", "apo_down")
    },
    "dpo_loss chosen_rewards": dpo_row("sigmoid", output=1),
    "dpo_loss rejected_rewards": dpo_row("sigmoid", output=2),
    "get_batch_loss_metrics sigmoid": whole_batch_row(),
    "get_batch_loss_metrics ipo": whole_batch_row("ipo"),
    "get_batch_loss_metrics rpo_alpha": whole_batch_row(rpo_alpha=NLL_COEF),
    "get_batch_loss_metrics ld_alpha": whole_batch_row(ld_alpha=LD_ALPHA),
    "RewardTrainer": reward_model_row(),
    "RewardTrainer, margin": reward_model_row(margin=True),
    "per_token_loss_func": Row("logits", token_loss),
    "per_token_loss_func, enable_dft_loss": Row("logits", lambda x, c: token_loss(x, c, enable_dft_loss=True)),
}
assert PROMPT > 1  # so that no first token is trained, which the shift of per_token_loss_func would take for the last
