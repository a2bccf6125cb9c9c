"""Rules about calls: whether they stay well formed, and whether their results reach the model."""

from reference.doctor.cause import Cause, Evidence, excess
from reference.doctor.changes import trend
from reference.doctor.log import Log
from reference.doctor.reading import first_part, last_part, points, span, those, together, typical

MALFORMED = 3.0  # times as many malformed calls as at first: where they earn nothing, training makes them fewer
SPOKEN = 0.05  # calls per completion, below which the share of valid ones is that of a handful
INVENTED = 0.3  # of the answers to problems that need the tool. What a model reads in its context it seldom makes up


def calls_decay(log: Log) -> Evidence | None:
    """A model that imitates what a tool writes soon writes it itself, and forgets how a call begins and ends."""
    found = [(step, valid) for step, valid, calls in together(log, "valid", "calls") if calls > SPOKEN]
    if len(found) < 5:
        return None
    before, after = 1 - typical(first_part(found, 0.1)), 1 - typical(last_part(found))
    rho, chance = trend([valid for _, valid in found])
    if after < max(0.1, MALFORMED * before) or rho > 0 or chance > 0.01:
        return None
    words = f"{before:.1%} of the calls are malformed at first and {after:.1%} at the end"
    if "made_up" in log.scalars:
        words += f"; {typical(last_part(points(log, 'made_up'))):.0%} of the answers are made up at the end"
    fault = those(found, lambda valid: valid < 0.9)
    size = excess(after, max(0.1, MALFORMED * before) / 2)
    return Evidence(f"{words}.", ("valid", "made_up", "length", "entropy"), span(fault or found), size, "bound")


def results_unread(log: Log) -> Evidence | None:
    """Answers are made up although the model calls, from the first step on or as its calls die out."""
    calls, made_up = points(log, "calls"), points(log, "made_up")
    invented = those(made_up, lambda share: share > INVENTED)
    if len(calls) < 5 or len(invented) < 0.5 * len(made_up) or typical(first_part(calls, 0.1)) < 0.5:
        return None
    words = (
        f"{typical([share for _, share in invented]):.0%} of the answers are made up in the median step, while completions "
        f"begin with {typical(first_part(calls, 0.1)):.2g} calls each and end with {typical(last_part(calls)):.2g}."
    )
    size = excess(typical([share for _, share in invented]), INVENTED / 4)
    return Evidence(words, ("made_up", "calls", "reward"), span(invented), size, "bound")


CAUSES = (
    Cause(
        "tool_words_trained", "What the tool wrote is trained on as if the model had written it.",
        "Print one trajectory with its mask: False belongs on every token of the tool's turn, in the loss and in what the "
        "advantages are averaged over.",
        9, ("tool_output_trained",), ("valid", "calls"), calls_decay, about="calls",
        apart="In a batch: audit, check \"tool's words\". Steps that are too large spoil calls as well.",
    ),
    Cause(
        "results_unread", "The model calls, and what the tool returned does not reach it.",
        "Decode the whole context of one trajectory after a call: the result must stand in it, before the model goes on.",
        9, ("tool_result_missing",), ("made_up", "calls"), results_unread, about="calls",
        apart="A model that was never taught to read results makes answers up as well.",
    ),
)  # fmt: skip
