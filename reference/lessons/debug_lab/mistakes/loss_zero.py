"""What goes wrong when a loss of 0 is read."""

from torch import Tensor

from reference.lessons.debug_lab.zero import TOLERANCE, loss_zero
from reference.teaching.bug import bug


def no_gradient(rewards: Tensor, *, dead: bool, loss: float, grad_norm: float) -> str:
    """The verdict, where this says whether the groups are dead."""
    said = loss_zero(rewards, loss=loss, grad_norm=grad_norm)
    return said if said in ("not zero", "healthy") else "dead groups" if dead else "cut"


@bug(
    "the loss alone",
    mistake="a loss of 0 is taken for a dead step, and the gradient is not looked at",
    symptom="a healthy GRPO run is stopped at its first step, where its loss has to be 0",
    wild="TRL #2703: asked why the loss of GRPO begins at 0",
)
def loss_zero__loss_alone(rewards: Tensor, *, loss: float, grad_norm: float) -> str:
    return loss_zero(rewards, loss=loss, grad_norm=0.0)


@bug(
    "one dead group is enough",
    mistake="one group with equal rewards is taken for all of them",
    symptom="a gradient that was cut is put down to easy prompts, and easy prompts are in nearly every batch",
)
def loss_zero__any_group(rewards: Tensor, *, loss: float, grad_norm: float) -> str:
    dead = bool((rewards == rewards[:, :1]).all(dim=1).any())
    return no_gradient(rewards, dead=dead, loss=loss, grad_norm=grad_norm)


def by_batch_std(rewards: Tensor, *, loss: float, grad_norm: float) -> str:
    return no_gradient(rewards, dead=bool(rewards.std(correction=0) == 0), loss=loss, grad_norm=grad_norm)


@bug(
    "the batch for the group",
    mistake="the rewards of different prompts are compared with each other",
    symptom="the logged reward std of the batch is healthy while no group has anything to compare",
    likewise=(by_batch_std,),
)
def loss_zero__batch(rewards: Tensor, *, loss: float, grad_norm: float) -> str:
    dead = bool((rewards == rewards[0, 0]).all())
    return no_gradient(rewards, dead=dead, loss=loss, grad_norm=grad_norm)


@bug(
    "all wrong is dead, all right is not",
    mistake="a group is taken for dead only where its rewards are 0",
    symptom="towards the end of a run, where most groups are all right, nobody sees why the gradient has gone",
)
def loss_zero__all_wrong(rewards: Tensor, *, loss: float, grad_norm: float) -> str:
    return no_gradient(rewards, dead=not rewards.any(), loss=loss, grad_norm=grad_norm)


@bug(
    "exactly 0",
    mistake="the loss is compared with 0 exactly, and what rounding leaves counts as a loss",
    symptom="the verdict depends on the order in which a sum was taken",
)
def loss_zero__exactly(rewards: Tensor, *, loss: float, grad_norm: float) -> str:
    return "not zero" if loss != 0 else loss_zero(rewards, loss=loss, grad_norm=grad_norm)


@bug(
    "a negative loss is 0",
    mistake="the loss is compared without its size being taken, so that every negative loss counts as 0",
    symptom="half of the losses that are not 0 are never noticed",
)
def loss_zero__signed(rewards: Tensor, *, loss: float, grad_norm: float) -> str:
    return loss_zero(rewards, loss=max(loss, 0.0), grad_norm=grad_norm)


@bug(
    "no gradient, so the groups are dead",
    mistake="a gradient of 0 is put down to the rewards, and they are not looked at",
    symptom="somebody looks for harder prompts, while a detach or a frozen weight has cut the gradient",
)
def loss_zero__never_cut(rewards: Tensor, *, loss: float, grad_norm: float) -> str:
    return no_gradient(rewards, dead=True, loss=loss, grad_norm=grad_norm)


@bug(
    "a small gradient is none",
    mistake="the gradient is compared with the tolerance of the loss, so that a small gradient counts as none",
    symptom="a run with small gradients is taken for a dead one; AdamW divides by their size and goes on learning",
)
def loss_zero__small_gradient(rewards: Tensor, *, loss: float, grad_norm: float) -> str:
    return loss_zero(rewards, loss=loss, grad_norm=grad_norm if grad_norm > TOLERANCE else 0.0)
