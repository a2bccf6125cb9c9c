"""Rules about fine-tuning and preferences: what is in the loss, and what the first step must show."""

from math import log as ln

from reference.doctor.cause import Cause, Evidence, excess
from reference.doctor.log import Log
from reference.doctor.reading import few, last_part, points, span, those, together, typical, values

WHOLE = (
    0.97  # of all real tokens. The first token of a row is never predicted, and a template may end with a line break
)
# Equal weights give 0, and rounding less than this. A log-prob from logits in bfloat16 is 0.017 to 0.07 nats off (a random
# Llama of four layers, logits with a std of 0.8 and of 3.2). Where only one of policy and reference was computed so, as
# where the reference's log-probs were stored before, the mean margin of 8 pairs of 512 tokens was up to 1.1 nats.
STARTED = {"margin": 2.0, "reward_margin": 0.2}  # nats; the same times a beta of 0.1, since logs do not hold theirs
GROWN = 2.0  # times the first loss, which is that of the model before any update: batches differ by less


def everything_trained(log: Log) -> Evidence | None:
    found = points(log, "supervised")
    whole = those(found, lambda share: share > WHOLE)
    if few(len(whole), len(found)) or 2 * len(whole) < len(found):
        return None
    words = f"{typical([share for _, share in whole]):.0%} of all real tokens are in the loss: nothing is masked."
    return Evidence(words, ("supervised", "loss"), span(whole), 0.9, "identity")


def loss_grows(log: Log) -> Evidence | None:
    """Fine-tuning that makes its own loss larger: a step is too large, whatever the data."""
    found = points(log, "loss")
    if len(found) < 10:
        return None
    before, after = found[0][1], typical(last_part(found))
    if before <= 0 or after < GROWN * before:
        return None
    words = f"The loss is {before:.3g} at step {found[0][0]:g} and {after:.3g} in the last part of the run."
    return Evidence(words, ("loss", "grad_norm"), span(found), excess(after, GROWN * before / 2), "bound")


def margin_name(log: Log) -> str:
    """The margin in nats, or beta times it."""
    return "margin" if "margin" in log.scalars else "reward_margin"


def margin_stands(log: Log) -> Evidence | None:
    """The policy is the reference before the first update, so the first margin is 0 exactly. It is 0 forever only where
    nothing is updated."""
    found = points(log, margin_name(log))
    if any(abs(margin) > 1e-6 for _, margin in found) or not any(norm > 0 for norm in values(log, "grad_norm")):
        return None
    words = f"The margin is 0 in all {len(found)} steps, and grad_norm is above 0: there are gradients and no updates."
    return Evidence(words, (margin_name(log), "loss", "grad_norm"), span(found), 0.9, "identity")


def has_no_reference(log: Log) -> bool:
    """Whether the rewards are beta times the log-probs themselves, as those of CPO, SimPO and ORPO are: their ratio is the
    same in every step. A log without log-probs cannot say it."""
    rows = together(log, "chosen_reward", "chosen_logprob")
    ratios = [reward / logprob for _, reward, logprob in rows if logprob]
    return not ratios or max(ratios) - min(ratios) < 0.01 * abs(typical(ratios))


def other_start(log: Log) -> Evidence | None:
    name = margin_name(log)
    step, margin = points(log, name)[0]
    if step > 1 or abs(margin) < STARTED[name] or (name == "reward_margin" and has_no_reference(log)):
        return None
    words = (
        f"{name} is {margin:.3g} at step {step:g}, where policy and reference are one model: it has to be 0, or below "
        f"{STARTED[name]:g} where one of them was rounded to bfloat16, and the loss of DPO ln 2 = {ln(2):.3f}."
    )
    return Evidence(words, (name, "loss"), (step, step), excess(abs(margin), STARTED[name]), "identity")


CAUSES = (
    Cause(
        "prompt_trained", "The loss is over everything, the questions too.",
        "Print one row with its mask: True belongs on what the assistant says and on the token that ends its turn. Then "
        "ask the template for the assistant's tokens, or pass prompt and completion apart.",
        0, ("prompt_not_masked",), ("supervised",), everything_trained, kinds=("sft",),
        apart="Continued pre-training is meant so.",
    ),
    Cause(
        "loss_grows", "The loss is larger at the end than at the beginning: the steps are too large.",
        "Divide the learning rate by 10, and warm it up over the first steps.",
        8, ("lr_too_high",), ("loss",), loss_grows, kinds=("sft", "preference", "reward"),
    ),
    Cause(
        "nothing_moves_in_pairs", "There are gradients, and the weights do not move.",
        "Look at the learning rate of the first steps, then compare one weight before and after a step.",
        8, ("weights_frozen",), ("margin|reward_margin", "grad_norm"), margin_stands, kinds=("preference",),
    ),
    Cause(
        "pairs_of_another_reference", "The reference is not the model that the run starts from.",
        "Load both from the same folder, with dropout off and in the same precision: then the first margin is 0.",
        8, ("other_reference",), ("margin|reward_margin",), other_start, kinds=("preference",),
    ),
)  # fmt: skip
