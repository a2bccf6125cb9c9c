"""What LLaMA-Factory makes of preferences: its DPO trainer with all losses, KTO, and the reward model."""

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from ..cases import PAIRED, SMOOTHING, Case
from ..llamafactory_options import BCO_WEIGHT, LD_ALPHA, NLL_COEF
from ..records import Row
from .trainers import PairwiseTrainer, dpo_trainer, kto_trainer, labels_of, model_of


def preference_row(pref_loss: str = "sigmoid", *, output: int = 0, **options: Any) -> Row:
    """``output``: 0 the mean loss, 1 and 2 the implicit rewards of chosen and rejected."""

    def function(pairs: Tensor, case: Case) -> Tensor:
        answer = dpo_trainer(pref_loss, **options).compute_preference_loss(*pairs)[output]
        return answer if output else answer.mean()

    return Row("pairs", function)


def with_bco(pairs: Tensor, case: Case) -> Tensor:
    return dpo_trainer(bco_weight=BCO_WEIGHT).compute_preference_loss(*pairs)[0].mean().float()


def second_bco(pairs: Tensor, case: Case) -> Tensor:
    """BCO on a batch that comes after another one. Its shift is a float32."""
    self = dpo_trainer()
    self.bco_loss(*(2 * pairs.detach()))
    return self.bco_loss(*pairs).mean().float()


def whole_batch_row(pref_loss: str = "sigmoid", **options: Any) -> Row:
    """From the logits of two chosen and two rejected completions to the loss."""

    def function(logits: Tensor, case: Case) -> Tensor:
        self = dpo_trainer(pref_loss, **options)
        self.ref_model = model_of(case.logits.flip(2))
        batch = {"input_ids": case.tokens, "labels": labels_of(case)}
        return self.get_batch_loss_metrics(model_of(logits), batch)[0]

    return Row("logits", function, PAIRED)


def kto_row(**options: float) -> Row:
    """Three completions are good and one is bad. Those of the KL are the other way round."""

    def function(logits: Tensor, case: Case) -> Tensor:
        self = kto_trainer(**options)
        tags = torch.tensor([True, False, True, True])
        given = {"input_ids": case.tokens, "attention_mask": torch.ones_like(case.tokens), "labels": labels_of(case)}
        batch = given | {f"kl_{key}": x.flip(0) for key, x in given.items()} | {"kto_tags": tags}
        self.ref_model = by_order(case.logits.flip(2), case)
        return self.get_batch_loss_metrics(by_order(logits, case), batch)[0]

    return Row("logits", function, PAIRED)


def by_order(logits: Tensor, case: Case) -> Any:
    """Answers with the logits of the rows in the order in which it is asked."""

    def model(*, input_ids: Tensor, **_: object) -> SimpleNamespace:
        return SimpleNamespace(logits=logits if torch.equal(input_ids, case.tokens) else logits.flip(0))

    return model


def reward_model(pairs: Tensor, case: Case) -> Tensor:
    """The reward is read at the last token of each row: here the only one."""
    rewards = torch.cat([pairs[0], pairs[1]])[:, None]
    inputs = {"input_ids": rewards, "attention_mask": torch.ones_like(rewards, dtype=torch.long)}
    return PairwiseTrainer.compute_loss(None, lambda **_: (None, None, rewards), inputs)


PAIRS = {
    **{f"compute_preference_loss {name}": preference_row(name) for name in ("sigmoid", "hinge", "ipo", "kto_pair")},
    **{f"compute_preference_loss {name}": preference_row(name) for name in ("orpo", "simpo")},
    "compute_preference_loss sigmoid, dpo_label_smoothing": preference_row(smoothing=SMOOTHING),
    "compute_preference_loss sigmoid, pref_bco_weight": Row("pairs", with_bco),
    "compute_preference_loss chosen_rewards": preference_row(output=1),
    "bco_loss": Row("pairs", lambda x, c: dpo_trainer().bco_loss(*x).mean().float()),
    "bco_loss, second batch": Row("pairs", second_bco, ("ragged",)),
    "get_batch_loss_metrics sigmoid": whole_batch_row(),
    "get_batch_loss_metrics ipo": whole_batch_row("ipo"),
    "get_batch_loss_metrics orpo": whole_batch_row("orpo"),
    "get_batch_loss_metrics simpo": whole_batch_row("simpo"),
    "get_batch_loss_metrics sigmoid, pref_ftx": whole_batch_row(ftx=NLL_COEF),
    "get_batch_loss_metrics sigmoid, ld_alpha": whole_batch_row(ld_alpha=LD_ALPHA),
    "kto": kto_row(),
    "kto, pref_ftx": kto_row(ftx=NLL_COEF),
    "PairwiseTrainer": Row("pairs", reward_model),
}
