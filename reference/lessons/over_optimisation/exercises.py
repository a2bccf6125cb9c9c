"""The exercises total_loss, best_of_n_kl, worst_of, soft_length_penalty."""

from reference.evaluation.best_of_n import best_of_n_kl
from reference.objectives import soft_overlong_penalty, total_loss, worst_of
from reference.teaching.exercise import Exercise

from .cases import best_of_n_kl_cases, soft_length_penalty_cases, total_loss_cases, worst_of_cases
from .penalties import soft_length_penalty

EXERCISES = {
    "best_of_n_kl": Exercise(
        best_of_n_kl,
        best_of_n_kl_cases,
        (
            "Best of 1 is the policy itself. So what must the result be for n = 1? And can it ever be below 0?",
            "Rank all completions from 0 to 1, so that the policy is uniform. The best of n has the density n u^(n - 1) there. "
            "Its KL is the mean of the log of this density, under the best of n: log n plus (n - 1) times the mean of log u.",
            "Under the best of n the mean of log u is -1/n. Use the natural logarithm, math.log, so that the result is in nats.",
        ),
        """
import math

def best_of_n_kl(n):
    return math.log(n) - (n - 1) / n
""",
        in_words=lambda case, value: f"{value:.4f} nats",
    ),
    "total_loss": Exercise(
        total_loss,
        total_loss_cases,
        (
            "The optimizer makes this number smaller. Of which terms do you want less, and of which one do you want more?",
            "Each term comes in its natural sign: a larger KL is further away, a larger entropy is more random. Each has one "
            "coefficient, and the policy loss has none. Which sign gives more entropy after a step downhill?",
            "Four of the five terms are added, each times its own coefficient. The entropy is taken off. Keep them tensors: "
            ".item() and .detach() cut the gradient.",
        ),
        """
def total_loss(policy_loss, *, value_loss, vf_coef, kl, kl_coef, sft_loss, sft_coef, entropy, entropy_coef):
    return policy_loss + vf_coef * value_loss + kl_coef * kl + sft_coef * sft_loss - entropy_coef * entropy
""",
    ),
    "soft_length_penalty": Exercise(
        soft_length_penalty,
        soft_length_penalty_cases,
        (
            "It is added to a reward. Of which sign is it, then? And what does an answer pay that keeps well inside its budget?",
            "Nothing is paid up to max_length - buffer. From there a straight line leads down to -1 at max_length. What lies "
            "beyond either end stays at that end's value.",
            "How far into the buffer a completion is: (lengths - (max_length - buffer)) / buffer. Turn its sign, and clamp it.",
        ),
        """
def soft_length_penalty(lengths, *, max_length, buffer):
    return ((max_length - buffer - lengths) / buffer).clamp(-1, 0)
""",
        also=(soft_overlong_penalty,),
    ),
    "worst_of": Exercise(
        worst_of,
        worst_of_cases,
        (
            "Member A gives a completion 1, and an ordinary one 0. Member B gives it 6, and an ordinary one 7. Which of the two "
            "is the less pleased with it?",
            "A reward model is known only up to a constant of its own. Take off each member's constant first, then compare "
            "the members of one completion with each other.",
            "rewards has a row per member, so baselines needs a second axis: baselines[:, None]. Then the minimum over dim=0.",
        ),
        """
def worst_of(rewards, baselines):
    return (rewards - baselines[:, None]).amin(dim=0)
""",
    ),
}
