"""The models and the optimizer that a loop is given: do they belong together? Asked before anything is sampled."""

import torch
from torch import nn
from transformers import PreTrainedModel

from reference.algorithms.critic import Critic
from reference.objectives.shapes import InputError
from reference.world.head import head_width


def require_trainable(optimizer: torch.optim.Optimizer, *modules: nn.Module | None) -> None:
    """Refuse what would train nothing: modules that are frozen altogether, an optimizer that holds other weights.

    Parts of a module may be frozen, or left out of the optimizer.
    """
    trained = {type(m).__name__: [w for w in m.parameters() if w.requires_grad] for m in modules if m is not None}
    if not any(trained.values()):
        raise InputError("no weight of the model has requires_grad: unfreeze some, or put an adapter on it")
    held = {id(weight) for group in optimizer.param_groups for weight in group["params"]}
    for name, weights in trained.items():
        if weights and not any(id(weight) in held for weight in weights):
            raise InputError(
                f"the optimizer holds none of the weights of the {name} that have requires_grad, so it would never move: "
                "make the optimizer last, of the parameters of all that is to be trained"
            )


def require_reference(model: PreTrainedModel, ref_model: PreTrainedModel | None, *, synced: bool = False) -> None:
    """Refuse a reference that is trained with the policy: the KL and the margins would be 0 for ever.

    peft's ``get_peft_model`` puts the adapter into the model that it is given, so that model is no reference any more.
    ``synced``: the policy's weights will be copied into it.
    """
    if ref_model is None:
        return
    trained = {id(weight) for weight in model.parameters() if weight.requires_grad}
    if any(id(weight) in trained for weight in ref_model.parameters()):
        raise InputError(
            "ref_model shares weights with the policy and would move with it: pass a copy, made with copy.deepcopy before "
            "an adapter was put on the model, or loaded again"
        )
    if synced and ref_model.state_dict().keys() != model.state_dict().keys():
        raise InputError(
            "ref_sync_every copies the policy's weights into ref_model, which has others: pass copy.deepcopy(model)"
        )


def require_critic(model: PreTrainedModel, critic: Critic | None) -> None:
    """Refuse a head for another model's hidden states."""
    if critic is not None and critic.shared and critic.head.in_features != head_width(model):
        raise InputError(
            f"the critic reads {critic.head.in_features} numbers per token and the policy's trunk gives "
            f"{head_width(model)}: make it with Critic(model, shared=True) of this model"
        )


def require_head(model: PreTrainedModel) -> None:
    """Refuse a reward model whose head is 0 and frozen: no gradient passes it, and every reward stays 0."""
    weights = list(model.score.parameters())
    if not any(weight.requires_grad or bool(weight.any()) for weight in weights):
        raise InputError(
            "the head of the reward model (score) is 0 and frozen, so every reward stays 0: unfreeze it, or give peft the "
            "task_type SEQ_CLS, which trains a head"
        )
