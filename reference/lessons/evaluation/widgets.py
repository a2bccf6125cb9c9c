"""The widgets on evaluation."""

from collections.abc import Collection, Sequence

from reference.teaching import controls
from reference.teaching.controls import choice, dial, slider

from .examples import CORPUS, PROBLEMS, TEXTS, Text
from .expected import Votes
from .experiments import PROTOCOLS
from .figures import figure_detector, figure_pass_k
from .figures_scores import figure_ranks
from .recorded import drawn_again, problems_of


def pass_k(problems: Sequence[Votes] = PROBLEMS) -> None:
    """Which way of counting depends on how many samples were drawn, and which on k alone?

    ``problems``: the votes of each, as ``votes_of`` makes them of a list of answers. n and k are numbers of samples.
    """
    most = min(votes.samples for votes in problems)
    controls.interact(
        lambda samples, k: figure_pass_k(problems, samples=samples, k=min(k, samples)),
        samples=slider("n, samples drawn", most, 1, most),
        k=slider("k, samples used", min(4, most), 1, most),
    )


def detector(texts: Sequence[Text] = TEXTS, corpus: Collection[str] = CORPUS) -> None:
    """Which texts does a detector flag, and which of the copies does it miss whatever n and the threshold are?"""
    controls.interact(
        lambda n, threshold: figure_detector(texts, corpus, n=n, threshold=threshold),
        n=slider("n, words in a run", 8, 1, 13),
        threshold=dial("threshold", 0.5, 0.05, 1.0, 0.05),
    )


def ranking() -> None:
    """Under which protocol is the model after GRPO ahead, and under which the one after SFT?

    Each protocol was recorded, with the 400 problems and one change; the intervals are those of the bootstrap.
    """
    models = {"after GRPO": "grpo", "after SFT": "sft"}
    controls.interact(
        lambda protocol: figure_ranks(
            {protocol: {label: drawn_again(problems_of(f"{run}-{protocol}")) for label, run in models.items()}}
        ),
        protocol=choice("protocol", list(PROTOCOLS)),
    )


WIDGETS = {"pass_k": pass_k, "detector": detector, "ranking": ranking}
