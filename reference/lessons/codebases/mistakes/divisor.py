"""What goes wrong when the number that a token's loss is divided by is counted."""

from collections.abc import Callable, Sequence

from reference.lessons.codebases.divisors import divisor
from reference.teaching.bug import bug

Lengths = Sequence[Sequence[int]]
Rule = Callable[[Lengths, int, int, int, int], int]  # of lengths, micro, row, width and budget

NORM = "seq-mean-token-sum-norm"


def but(rules: dict[str, Rule]) -> Callable[..., int]:
    """The divisor, with another rule for some modes."""

    def wrong(lengths: Lengths, *, mode: str, micro: int, row: int, width: int, budget: int) -> int:
        if mode in rules:
            return rules[mode](lengths, micro, row, width, budget)
        return divisor(lengths, mode=mode, micro=micro, row=row, width=width, budget=budget)

    return wrong


def all_rows(lengths: Lengths) -> int:
    return sum(map(len, lengths))


def own_tokens(lengths: Lengths, micro: int, row: int, width: int, budget: int) -> int:
    return sum(lengths[micro])


def mean_of_own(lengths: Lengths, micro: int, row: int, width: int, budget: int) -> int:
    return len(lengths) * sum(lengths[micro])


def all_tokens(lengths: Lengths, micro: int, row: int, width: int, budget: int) -> int:
    return sum(map(sum, lengths))


ONE_COMPLETION: dict[str, Rule] = {
    "grpo": lambda lengths, micro, row, width, budget: lengths[micro][row],
    "dr_grpo": lambda lengths, micro, row, width, budget: budget,
    NORM: lambda lengths, micro, row, width, budget: width,
}
OWN_ROWS: dict[str, Rule] = {
    "grpo": lambda lengths, micro, row, width, budget: len(lengths[micro]) * lengths[micro][row],
    "dr_grpo": lambda lengths, micro, row, width, budget: len(lengths[micro]) * budget,
    NORM: lambda lengths, micro, row, width, budget: len(lengths[micro]) * width,
}
PADDED: dict[str, Rule] = {
    "dapo": lambda lengths, micro, row, width, budget: all_rows(lengths) * width,
    "bnpo": lambda lengths, micro, row, width, budget: len(lengths) * len(lengths[micro]) * width,
}


def each_alone(rules: dict[str, Rule]) -> tuple[Callable[..., int], ...]:
    """The same mistake in one mode only."""
    return tuple(but({mode: rule}) for mode, rule in rules.items())


@bug(
    "a mean over micro-batches forgotten",
    mistake="the mean over micro-batches is forgotten: the tokens of one micro-batch are not the whole divisor",
    symptom="the learning rate seems to grow with the number of accumulation steps",
)
def divisor__own_alone(lengths: Lengths, *, mode: str, micro: int, row: int, width: int, budget: int) -> int:
    return but({"bnpo": own_tokens})(lengths, mode=mode, micro=micro, row=row, width=width, budget=budget)


@bug(
    "own counts for a global mean",
    mistake="a count of the whole step is replaced by that of the token's own micro-batch",
    symptom="the gradient changes when the batch is cut in another way",
    likewise=(but({"dapo": own_tokens}), but({"dapo": own_tokens, "bnpo": own_tokens})),
)
def divisor__own_for_all(lengths: Lengths, *, mode: str, micro: int, row: int, width: int, budget: int) -> int:
    return but({"dapo": mean_of_own})(lengths, mode=mode, micro=micro, row=row, width=width, budget=budget)


@bug(
    "a global count for own counts",
    mistake="the tokens of the whole step are counted where each micro-batch counts its own",
    symptom="two ways to cut a batch are taken for the same run, and they are not",
)
def divisor__all_for_own(lengths: Lengths, *, mode: str, micro: int, row: int, width: int, budget: int) -> int:
    return but({"bnpo": all_tokens})(lengths, mode=mode, micro=micro, row=row, width=width, budget=budget)


@bug(
    "width for budget",
    mistake="the padded width is taken for the budget: the divisor then changes from batch to batch",
    symptom="batches of short completions weigh more, which the fixed length was to prevent",
)
def divisor__width(lengths: Lengths, *, mode: str, micro: int, row: int, width: int, budget: int) -> int:
    return all_rows(lengths) * width if mode == "dr_grpo" else divisor(
        lengths, mode=mode, micro=micro, row=row, width=width, budget=budget
    )  # fmt: skip


@bug(
    "budget for width",
    mistake="the budget is taken where the framework takes the width that the batch happens to be padded to",
    symptom="a loss is expected to be the same for every padding, and is not",
)
def divisor__budget(lengths: Lengths, *, mode: str, micro: int, row: int, width: int, budget: int) -> int:
    return all_rows(lengths) * budget if mode == NORM else divisor(
        lengths, mode=mode, micro=micro, row=row, width=width, budget=budget
    )  # fmt: skip


@bug(
    "completions forgotten",
    mistake="the number of completions is left out: their mean is taken for a sum",
    symptom="the gradient grows with the batch",
    likewise=each_alone(ONE_COMPLETION),
)
def divisor__no_completions(lengths: Lengths, *, mode: str, micro: int, row: int, width: int, budget: int) -> int:
    return but(ONE_COMPLETION)(lengths, mode=mode, micro=micro, row=row, width=width, budget=budget)


@bug(
    "completions of one micro-batch",
    mistake="the completions of the token's own micro-batch are counted, and not those of the step",
    symptom="the gradient grows with the number of accumulation steps",
    likewise=each_alone(OWN_ROWS),
)
def divisor__own_rows(lengths: Lengths, *, mode: str, micro: int, row: int, width: int, budget: int) -> int:
    return but(OWN_ROWS)(lengths, mode=mode, micro=micro, row=row, width=width, budget=budget)


@bug(
    "padding counted",
    mistake="padding is counted as tokens: every completion is taken to be as long as the width",
    symptom="the loss shrinks when one long completion widens the batch",
    likewise=(but(PADDED), *each_alone(PADDED)),
)
def divisor__padding(lengths: Lengths, *, mode: str, micro: int, row: int, width: int, budget: int) -> int:
    padded = [[width] * len(part) for part in lengths]
    return divisor(padded, mode=mode, micro=micro, row=row, width=width, budget=budget)
