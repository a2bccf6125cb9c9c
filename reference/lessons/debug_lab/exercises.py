"""The exercises check_batch, loss_zero and read_scalars."""

from reference.teaching.exercise import Exercise

from .batch_checks import check_batch
from .cases import loss_zero_cases, read_scalars_cases
from .cases_batch import check_batch_cases
from .reading import read_scalars
from .zero import loss_zero

EXERCISES = {
    "check_batch": Exercise(
        check_batch,
        check_batch_cases,
        (
            "The mask and the log-probs have one column less than the tokens. Which token is the first column about? So which "
            "columns are about the prompt, and which column is about the first token of the completion?",
            "Begin with the shapes, and return at once where one is wrong. Then make a boolean tensor for each question: what is "
            "kept and should not be, and what is not kept and should be. Ask rows for their first token and their EOS only "
            "where they keep something.",
            "kept & (torch.arange(1, time) < prompt_width) is what is kept of the prompt. The last real token of each row is "
            "at (attention_mask.long() * torch.arange(time)).argmax(dim=1), and the mask has it one column before.",
        ),
        """
def check_batch(tokens, attention_mask, mask, logprobs, old_logprobs, *, prompt_width, eos_token_id):
    rows, time = tokens.shape
    if any(x.shape != (rows, time - 1) for x in (mask, logprobs, old_logprobs)):
        return ["shape"]
    kept, real, row = mask.bool(), attention_mask.bool(), torch.arange(rows)
    some = kept.any(dim=1)
    last = (attention_mask.long() * torch.arange(time)).argmax(dim=1)
    found = {
        "prompt": kept & (torch.arange(1, time) < prompt_width),
        "pad": kept & ~real[:, 1:],
        "empty": ~kept.any(),
        "start": some & real[:, prompt_width] & ~kept[:, prompt_width - 1],
        "eos": some & (tokens[row, last] == eos_token_id) & ~kept[row, last - 1],
        "ratio": kept & ((logprobs - old_logprobs).abs() > 1e-3),
    }
    return [name for name, wrong in found.items() if wrong.any()]
""",
        in_words=lambda case, value: ", ".join(value) or "nothing" if isinstance(value, list) else str(value),
    ),
    "loss_zero": Exercise(
        loss_zero,
        loss_zero_cases,
        (
            "Two steps have the loss 0. One of them moves the weights and the other does not. Which number tells them apart?",
            "Ask in this order: is the loss 0 but for rounding? Is there a gradient? Is there a group with something to "
            "compare? A group of equal rewards has nothing to compare, whether all are right or all are wrong.",
            "rewards == rewards[:, :1] compares each reward with the first one of its own group. All of these have to be True.",
        ),
        """
def loss_zero(rewards, *, loss, grad_norm):
    if abs(loss) > 1e-6:
        return "not zero"
    if grad_norm > 0:
        return "healthy"
    return "dead groups" if (rewards == rewards[:, :1]).all() else "cut"
""",
    ),
    "read_scalars": Exercise(
        read_scalars,
        read_scalars_cases,
        (
            "The list has an order. Which words can be decided without the reward? And what does a reward that rises prove, if "
            "approx_kl is large?",
            "Go through the list from its top, with a return for each word. any() asks for some point, all() for every point. "
            "The reward's change is its last value minus its first, and its scale is the first reward_std.",
            "change, least = reward[-1] - reward[0], 0.1 * reward_std[0]. Rounding leaves an approx_kl of 1e-13, so compare it "
            "with 1e-9, and only where updates > 1.",
        ),
        """
def read_scalars(reward, reward_std, approx_kl, clip_frac, entropy, grad_norm, *, updates):
    change, least = reward[-1] - reward[0], 0.1 * reward_std[0]
    if (reward_std == 0).all():
        return "no signal"
    if updates > 1 and grad_norm.any() and (approx_kl < 1e-9).all():
        return "frozen"
    if (approx_kl > 0.02).any() or (clip_frac > 0.3).any():
        return "too far"
    if entropy[-1] < 0.1 * entropy[0] and change <= least:
        return "collapse"
    return "learns" if change > least else "falls" if change < -least else "flat"
""",
    ),
}
