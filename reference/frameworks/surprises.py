"""What would surprise the author of a config: each with why, and the lesson that shows it.

These follow from the columns of a recipe, so that they hold for every framework; those about one framework's options are
in ``surprises_own``.
"""

from collections.abc import Iterator

from reference.frameworks.rules.values import Columns, Of
from reference.frameworks.surprises_own import OWN, Surprise

GROUPS = (
    "group",
    "group_of_others",
    "group_whitened",
    "group_mean_batch_std",
    "group_mean",
    "leave_one_out",
    "reinforce_plus_plus_baseline",
    "maxrl",
)


def surprises_of(name: str, entry: str, of: Of, columns: Columns) -> list[Surprise]:
    """Those of every framework, then its own."""
    own = OWN.get(name)
    return [*of_the_kl(columns), *of_the_group(columns), *of_the_clip(columns), *of_the_loss(columns),
            *(own(of, columns, entry) if own else ())]  # fmt: skip


def of_the_kl(c: Columns) -> Iterator[Surprise]:
    if "kl_place" in c and c["kl_place"] is None and "advantage" in c:
        yield Surprise("no KL is charged: nothing but the clip and the learning rate keeps the policy near its start",
                       "11_overoptimisation", 5)  # fmt: skip
    if c.get("kl") == "k1" and c.get("kl_place") == "loss":
        yield Surprise("k1 in the loss has a gradient of 0 in expectation: it holds nothing back",
                       "02_three_things_called_kl", 6)  # fmt: skip
    if c.get("kl") == "k3" and c.get("kl_place") == "loss":
        yield Surprise("k3 in the loss has, in expectation, the gradient of the forward KL, KL(reference || policy)",
                       "02_three_things_called_kl", 6)  # fmt: skip
    if c.get("kl") in ("k2", "k3", "abs") and c.get("kl_place") == "reward":
        yield Surprise(f"{c['kl']} in the reward: what is pushed down there is not the KL; k1 is what belongs in the reward",
                       "07_where_the_kl_goes", 3)  # fmt: skip


def of_the_group(c: Columns) -> Iterator[Surprise]:
    size = c.get("group_size")
    if c.get("advantage") not in GROUPS or type(size) is not int:  # true is an int, and no size
        return
    if c["advantage"] == "group_of_others":
        yield Surprise("the std is that of the other completions: where they all earn the same, a lone success is divided by nothing",
                       "05_grpo_advantages", 2)  # fmt: skip
    if c["advantage"] == "group_whitened":
        yield Surprise("divided twice, by the group's std and then by that of the batch", "05_grpo_advantages", 3)
    if size == 1:
        yield Surprise("the group has one completion: there is nothing to compare it with", "05_grpo_advantages", 1)
    elif size == 2 and c["advantage"] == "group":
        yield Surprise("a std over 2 completions: whatever they earned, the advantages are plus and minus 0.71",
                       "05_grpo_advantages", 3)  # fmt: skip
    if size > 2 and c["advantage"] == "group":
        yield Surprise("dividing by the group's std gives a lone success a large advantage and weighs hard and easy prompts more",
                       "05_grpo_advantages", 6)  # fmt: skip


def of_the_clip(c: Columns) -> Iterator[Surprise]:
    if c.get("minibatches") == 1 and c.get("inner_epochs") == 1 and c.get("loss") in ("ppo_clip", "gspo"):
        yield Surprise("one optimizer step per rollout: the ratio is 1 while its gradient is taken, and the clip never acts",
                       "04_clipping", 2)  # fmt: skip
    low = c.get("clip_low")
    if c.get("loss") == "gspo" and isinstance(low, float) and low >= 0.05:
        yield Surprise(f"a ratio of sequences is a mean over tokens and moves little: a clip of {low} is hardly ever reached",
                       "04_clipping", 9)  # fmt: skip
    if c.get("dual_clip") is not None:
        yield Surprise(f"the dual clip is on: where the advantage is negative, a ratio above {c['dual_clip']} trains no more",
                       "04_clipping", 5)  # fmt: skip
    cap = c.get("cap")
    if isinstance(cap, float) and cap < 1:
        yield Surprise(f"the cap of the CISPO weight is {cap}, below 1: on policy every token already has the weight {cap}",
                       "04_clipping", 9)  # fmt: skip


def of_the_loss(c: Columns) -> Iterator[Surprise]:
    if c.get("aggregation") == "sequence_mean":
        yield Surprise("each completion counts the same, so that a token of a long one counts less: wrong answers grow longer",
                       "06_aggregation", 4)  # fmt: skip
    if c.get("advantage") == "group_mean" and c.get("aggregation") == "token_mean":
        yield Surprise("Dr.GRPO's advantage with a mean over tokens: half of Dr.GRPO, whose loss divides by a fixed length",
                       "06_aggregation", 2)  # fmt: skip
    temperature = c.get("temperature")
    if isinstance(temperature, int | float) and temperature not in (1, 1.0):
        yield Surprise(f"sampled at temperature {temperature}: the log-probs of training must be taken at it too",
                       "01_logprobs_and_alignment", 7)  # fmt: skip
    if c.get("tool_loss") is True and "advantage" in c:
        yield Surprise("what tools wrote is trained on: the model learns to write results itself", "09_tool_use", 7)
    if c.get("advantage") == "group" and c.get("aggregation") == "fixed_length":
        yield Surprise("Dr.GRPO's divisor with the group's std: half of Dr.GRPO, whose advantage is not divided",
                       "05_grpo_advantages", 3)  # fmt: skip
    if c.get("loss") == "simpo" and c.get("sft_coef"):
        yield Surprise(
            f"{c['sft_coef']} times the NLL of the chosen completions is added: SimPO has no such term",
            "08_dpo_and_beta",
            7,
        )
    if c.get("loss") == "ipo" and c.get("average_logprobs"):
        yield Surprise(
            "IPO on averaged log-probs: beta means something else than in the paper, which sums", "08_dpo_and_beta", 8
        )
