"""Tool use on held-out problems: success, calls where they are needed and where they are a waste, numbers made up."""

import random
from collections import Counter
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reference.evaluation.statistics import wilson_interval
from reference.evaluation.tool_answers import made_up
from reference.world.completions import Completions, complete, draw_problems
from reference.world.rollout import row_seeds
from reference.world.tool_calls import KINDS
from reference.world.tool_rollout import ENDINGS
from reference.world.tool_tasks import TOOL_KINDS, ToolProblem

ROWS_AT_ONCE = 512


@dataclass(frozen=True)
class ToolUse:
    """How one model uses the tool, over ``problems`` held-out problems with ``samples`` trajectories each.

    Shares from 0 to 1. A problem needs the tool unless it is done by head.
    """

    success: float
    by_head: float  # success on the problems of each kind
    product: float
    two_calls: float
    recall: float  # of trajectories on problems that need the tool: those that call it
    waste: float  # of trajectories on problems that do not: those that call it
    valid: float  # of all calls: JSON, a tool that is there, and its arguments
    ran: float  # of all calls: those that gave a result
    made_up: float  # of trajectories on problems that need the tool: an answer that no tool returned, or a forged turn
    calls: float  # written per trajectory
    problems: int
    samples: int

    @property
    def precision(self) -> float:
        """Of trajectories that call, on equally many problems that need the tool and that do not: those that needed to."""
        called = self.recall + self.waste
        return self.recall / called if called else 0.0

    def __str__(self) -> str:
        low, high = wilson_interval(self.success, self.problems)
        return (
            f"success {self.success:.1%} [{low:.1%}, {high:.1%}]   by head {self.by_head:.1%}, product {self.product:.1%}, "
            f"two calls {self.two_calls:.1%}   called where needed {self.recall:.1%}, where not {self.waste:.1%}   "
            f"valid calls {self.valid:.1%}   made up {self.made_up:.1%}   {self.calls:.2f} calls per problem"
            f"   (n = {self.problems} problems, 95 % interval)"
        )


def evaluate_tool_use(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    *,
    problems: int = 300,
    samples: int = 4,
    max_new_tokens: int = 96,
    max_calls: int = 3,
    seed: int = 12345,
    progress: bool = True,
) -> ToolUse:
    """Sample ``samples`` trajectories at temperature 1 for each held-out problem, with the real tool, and measure them."""
    rng = random.Random(seed)
    held_out = draw_problems("tools", rng, problems, held_out=True)
    at_once = max(1, ROWS_AT_ONCE // samples)
    parts = []
    with tqdm(total=problems, desc="evaluate", unit="problem", disable=not progress, leave=False) as bar:
        for first in range(0, problems, at_once):
            part = held_out[first : first + at_once]
            parts.append(
                complete(
                    model, tokenizer, part, task="tools", group_size=samples, max_new_tokens=max_new_tokens,
                    max_calls=max_calls, seeds=row_seeds(rng, len(part) * samples),
                )
            )  # fmt: skip
            bar.update(len(part))
    facts = torch.cat([facts_of(part) for part in parts])
    return tool_use(facts, problems=problems, samples=samples)


FACTS = ("kind", "correct", "called", "made_up", "calls", "valid", "ran")


def facts_of(completions: Completions) -> Tensor:
    """(rows, FACTS): what ``tool_use`` counts. ``kind`` is a place in TOOL_KINDS."""
    trajectories = completions.trajectories or []
    kinds = [TOOL_KINDS.index(p.kind) for p in completions.problems if isinstance(p, ToolProblem)]
    calls = completions.calls()
    columns = [
        completions.of_rows(kinds),
        completions.correct,
        (calls > 0).float(),
        completions.of_rows([made_up(trajectory) for trajectory in trajectories]),
        *(
            x.float()
            for x in (calls, calls - completions.calls(unreadable=True), calls - completions.calls(failed=True))
        ),
    ]
    return torch.stack(columns, dim=1).cpu()


def tool_use(facts: Tensor, *, problems: int, samples: int) -> ToolUse:
    """From the facts of all trajectories to shares. A share of nothing is 0."""
    kind, correct, called, invented, calls, valid, ran = facts.unbind(dim=1)
    needs = kind != TOOL_KINDS.index("by head")

    def share(x: Tensor, where: Tensor) -> float:
        return x[where].mean().item() if where.any() else 0.0

    by_kind = {k.replace(" ", "_"): share(correct, kind == i) for i, k in enumerate(TOOL_KINDS)}
    written = calls.sum().clamp(min=1)
    return ToolUse(
        success=correct.mean().item(), **by_kind,
        recall=share(called, needs), waste=share(called, ~needs), made_up=share(invented, needs),
        valid=(valid.sum() / written).item(), ran=(ran.sum() / written).item(), calls=calls.mean().item(),
        problems=problems, samples=samples,
    )  # fmt: skip


def tool_scalars(completions: Completions) -> dict[str, Tensor]:
    """The same for the log of a training step; and every kind of answer to a call and of ending, as shares."""
    trajectories = completions.trajectories or []
    use = tool_use(facts_of(completions), problems=len(trajectories), samples=1)
    found = {name: getattr(use, name) for name in ("recall", "waste", "valid", "made_up", "calls")}
    answers = Counter(result.kind for t in trajectories for _, result in t.calls)
    endings = Counter(t.ending for t in trajectories)
    found |= {f"call {kind}": answers[kind] / max(1, answers.total()) for kind in KINDS}
    found |= {f"ending {ending}": endings[ending] / len(trajectories) for ending in ENDINGS}
    return {name: torch.tensor(value) for name, value in found.items()}
