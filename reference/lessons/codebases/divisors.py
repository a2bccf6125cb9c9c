"""By what the loss of a token is divided, once micro-batches and processes are put together."""

from collections.abc import Sequence

from reference.objectives.shapes import InputError

MODES = ("dapo", "bnpo", "grpo", "dr_grpo", "seq-mean-token-sum-norm")


def divisor(
    lengths: Sequence[Sequence[int]], *, mode: str, micro: int, row: int, width: int, budget: int
) -> int:  # fmt: skip
    """The number that a token's loss is divided by in the gradient of one optimizer step.

        dapo                      all kept tokens of the step
        bnpo                      the tokens of the micro-batch, times the number of micro-batches
        grpo                      the tokens of the completion, times the number of completions
        dr_grpo                   the completions, times the budget
        seq-mean-token-sum-norm   the completions, times the padded width

    The first four are values of TRL's ``loss_type``. verl's token-mean, OpenRLHF's token-mean and SkyRL's token_mean are
    dapo; verl's seq-mean-token-mean and SkyRL's sequence_mean are grpo. The last is verl's, without a loss_scale_factor.

    Args:
        lengths: the kept tokens of each completion, micro-batch by micro-batch, over all processes of the step. All
            micro-batches have equally many completions.
        mode: one of ``MODES``.
        micro, row: the token's micro-batch, and its completion in it, from 0.
        width: to which the completions of the micro-batch are padded, in tokens. verl 0.9.1 takes its longest one.
        budget: the most tokens that a completion may have.

    Raises ``InputError`` for another mode.
    """
    completions = sum(map(len, lengths))
    if mode == "dapo":
        return sum(map(sum, lengths))
    if mode == "bnpo":
        return len(lengths) * sum(lengths[micro])
    if mode == "grpo":
        return completions * lengths[micro][row]
    if mode == "dr_grpo":
        return completions * budget
    if mode == "seq-mean-token-sum-norm":
        return completions * width
    raise InputError(f"divisor: mode {mode!r} is not known: choose one of {', '.join(MODES)}")
