"""The exercise process_loss."""

from typing import Any

import torch
from torch import Tensor

from reference.teaching.exercise import Case, Exercise, numbers, ragged_mask

from .processes import process_loss, simulated

HOLES = torch.tensor([[1, 1, 0, 0, 1, 0], [0, 1, 1, 1, 0, 0]]).bool()  # a tool spoke in between; a late start
NOTHING = torch.zeros(2, 4, dtype=torch.bool)  # a micro-batch in which every row was cut off and masked


def options(strategy: str, tokens: int, sequences: int, processes: int, longest: int = 8) -> dict[str, Any]:
    counts = {"num_tokens": tokens, "num_sequences": sequences, "world_size": processes}
    return {"strategy": strategy, "max_length": longest} | counts


def process_loss_cases(seed: int) -> list[Case]:
    """Each is one micro-batch of one process; the counts are those of a batch of which it is a part."""
    g = torch.Generator().manual_seed(seed)
    short = ragged_mask([1, 2], 2)

    def case(mask: Tensor, *numbers_of_call: Any, edge: bool = False) -> Case:
        arguments = {"token_loss": numbers(g, *mask.shape), "mask": mask}
        return Case(arguments, options(*numbers_of_call), ("token_loss",), edge=edge)

    cases = []
    for strategy in ("token_mean", "sequence_mean", "fixed_length"):
        cases += [case(short, strategy, 3, 2, 1), case(short, strategy, 8, 5, 2), case(HOLES, strategy, 20, 7, 4)]
        cases.append(case(ragged_mask([1, 6, 3], 7, start=1), strategy, 50, 11, 3, 16))
    return [*cases, case(NOTHING, "token_mean", 9, 4, 2, edge=True), case(NOTHING, "sequence_mean", 9, 4, 2, edge=True)]


EXERCISES = {
    "process_loss": Exercise(
        process_loss,
        process_loss_cases,
        (
            "Suppose that each process divides by the count of the whole batch. The processes' losses then add up to the "
            "right loss. What does DDP do in the place of adding?",
            "Two steps: the loss of these rows with the counts of the whole batch, then one factor. A mean over N processes "
            "is 1/N of their sum.",
            "`objectives.aggregate` takes strategy, max_length, num_tokens and num_sequences, and divides by the counts "
            "that it is given. Multiply what it returns by the number that DDP divides by.",
        ),
        """
def process_loss(token_loss, mask, *, strategy, max_length, num_tokens, num_sequences, world_size):
    from reference.objectives import aggregate

    counts = {"num_tokens": num_tokens, "num_sequences": num_sequences}
    return world_size * aggregate(token_loss, mask, strategy=strategy, max_length=max_length, **counts)
""",
        remark=simulated,
        also=(),
    ),
}
