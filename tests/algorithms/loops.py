"""What the tests of all training loops do alike: an optimizer, the metrics of the steps, and what holds of every loop."""

import random
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from reference.algorithms.pairs import encode_pairs
from reference.world.tasks import draw_problem, draw_solution


def sgd(*modules: torch.nn.Module | None, lr: float = 0.0) -> torch.optim.SGD:
    return torch.optim.SGD([w for module in modules if module is not None for w in module.parameters()], lr=lr)


def gradient(model) -> Tensor:
    return torch.cat([p.grad.flatten() for p in model.parameters()])


def step_metrics(train: Callable, *args: object, last_step: int = 0, **options: object) -> list[dict[str, float]]:
    """What a loop reports of each step, without the seconds: no two runs have the same. It may end before its last one."""
    rows: list[dict[str, float]] = []
    train(*args, on_step=lambda step, metrics: bool(rows.append(metrics)) or step == last_step, **options)
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


def pairs_in_styles(tokenizer, count: int, *, rejected: str, seed: int = 0):
    """Pairs of a careful solution and one in another style."""
    rng = random.Random(seed)
    problems = [draw_problem(rng) for _ in range(count)]
    texts = [tuple(draw_solution(p, rng, style=style) for style in ("careful", rejected)) for p in problems]
    return encode_pairs(tokenizer, problems, texts)


def assert_same_updates(gradients: list[Tensor], scalars: list[dict[str, float]], *, rel: float = 1e-6) -> None:
    """In float64: 1e-9 of the gradient's norm is rounding, a wrong denominator is not."""
    assert gradients[0].norm() > 1e-3
    for other, metrics in zip(gradients[1:], scalars[1:], strict=True):
        assert (other - gradients[0]).norm() < 1e-9 * gradients[0].norm()
        assert metrics == pytest.approx(scalars[0], rel=rel)


def assert_steps_depend_on_the_seed_alone(run: Callable[..., list[dict[str, float]]]) -> None:
    """``run(seed, first_step=0, last_step=0)`` gives the metrics of two steps, or of one of them."""
    first, second = run(0)
    assert [first] == run(0, last_step=1)
    assert [second] == run(0, first_step=1)  # learning rate 0: step 1 does not need step 0
    assert [first] != run(1, last_step=1)


def assert_goes_on_bit_for_bit(new_run: Callable[[], tuple[torch.nn.Module, Callable]]) -> None:
    """``new_run()`` gives a model and its loop of three steps, which takes ``first_step`` and ``on_step``."""
    ends = []
    for stops in ((3,), (1, 3)):
        (model, train), done = new_run(), 0
        for stop in stops:
            train(first_step=done, on_step=lambda step, metrics, stop=stop: step == stop)
            done = stop
        ends.append(model.state_dict())
    assert all(torch.equal(ends[0][name], p) for name, p in ends[1].items())
