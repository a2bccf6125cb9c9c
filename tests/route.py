"""How far a tensor travels: the files of ``reference`` that a step of GRPO goes through, seen by a profiler.

    python tests/route.py

One small step of ``train grpo`` is run in this process. Two things come out:

  the way     from the command to the sampler, which makes the samples, back up to the loop, and down to the policy loss:
              a move into another file is a hop
  the life    of the samples: the functions, each at its first entry, that are entered between the start of the step and
              the end of its first ``loss.backward()``, and are given a tensor or something that holds one, or return it

Functions are known by name and files by where Python found them, so the code may move. Looked through are the checks of
shapes around an objective, and comprehensions, which belong to the function that they stand in. A model or an optimizer
does not count as something that holds a tensor: they are there all the time. The loop was entered before its step
began; it is the first entry of the life.
"""

import contextlib
import inspect
import io
import os
import random
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any, NamedTuple

import torch
from torch import nn

import reference
from reference.__main__ import main
from reference.objectives import ppo_clip_loss
from reference.objectives.shapes import require_computable, typed
from reference.world.rollout import sample

COMMAND = [
    "train", "grpo", "--steps", "1", "--prompts-per-step", "2", "--group-size", "2", "--minibatches", "1",
    "--max-new-tokens", "8", "--eval-problems", "1", "--eval-samples", "1", "--device", "cpu",
]  # fmt: skip
PACKAGE = Path(reference.__file__).resolve().parent
LOOP, SAMPLER, LOSS = "train_rl", sample.__name__, ppo_clip_loss.__name__
# Looked through: the wrapper that checks an objective's arguments, and comprehensions.
CHECKS = {require_computable.__code__, *(code for code in typed.__code__.co_consts if isinstance(code, CodeType))}
INSIDE = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")
DEPTH = 4  # how deep in what is passed a tensor is looked for


class Place(NamedTuple):
    """A function and the file that it stands in, relative to the package."""

    file: str
    function: str


class Route(NamedTuple):
    """What was seen of one step."""

    way: list[Place]  # from main to the sampler, and from there to the policy loss
    life: list[Place]  # of the samples, the loop first


def route() -> Route:
    """Run the command in a temporary folder, and watch it."""
    watch, printed, before = Watch(), io.StringIO(), sys.getprofile()
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
    ):
        sys.setprofile(watch)
        try:
            code = main([*COMMAND, "--out", f"{folder}/run"])
        finally:
            sys.setprofile(before)
    if code or not watch.done:
        raise RuntimeError(f"the step was not seen to its first backward pass:\n{printed.getvalue()}")
    life = [place_of(code) for code in watch.entered if code in watch.carrying]
    return Route(way_of(watch.stacks[SAMPLER], watch.stacks[LOSS]), life)


def way_of(down: list[Place], then: list[Place]) -> list[Place]:
    """Down one stack, back up to the function that both have in common, and down the other."""
    common = next(n for n, (a, b) in enumerate(zip(down, then, strict=False)) if a != b)
    return [*down, *reversed(down[common - 1 : -1]), *then[common:]]


class Watch:
    """A profile function: Python calls it at every call and every return."""

    def __init__(self) -> None:
        self.stacks: dict[str, list[Place]] = {}  # from main to the sampler and to the loss, at their first calls
        self.entered: dict[CodeType, None] = {}  # in the order of first entries
        self.carrying: set[CodeType] = set()  # those of them that were given a tensor, or returned one
        self.started = self.done = False

    def __call__(self, frame: FrameType, event: str, value: Any) -> None:
        if self.done or event not in ("call", "return"):
            return
        code = frame.f_code
        if not self.started:
            self.start(frame, event)
        elif event == "return" and code is torch.Tensor.backward.__code__:
            self.done = True
        elif is_ours(code):
            self.entered.setdefault(code)
            if code not in self.carrying and any(map(holds_tensor, arguments(frame) if event == "call" else [value])):
                self.carrying.add(code)
            if event == "call" and code.co_name in (SAMPLER, LOSS) and code.co_name not in self.stacks:
                self.stacks[code.co_name] = [place_of(above) for above in reversed(our_calls(frame))]

    def start(self, frame: FrameType, event: str) -> None:
        """Begin where the loop, or what it calls, makes the first random numbers: those of the step."""
        if event == "call" and frame.f_code is random.Random.__init__.__code__:
            loop = [code for code in our_calls(frame) if code.co_name == LOOP]
            self.started = bool(loop)
            self.entered |= dict.fromkeys(loop)
            self.carrying |= set(loop)


def our_calls(frame: FrameType) -> list[CodeType]:
    """The functions of ``reference`` that are under way, the innermost first."""
    found = []
    while frame is not None:
        if is_ours(frame.f_code):
            found.append(frame.f_code)
        frame = frame.f_back
    return found


def is_ours(code: CodeType) -> bool:
    """Whether this is a function of ``reference``, and not one that is looked through."""
    return code.co_filename.startswith(f"{PACKAGE}{os.sep}") and code not in CHECKS and code.co_name not in INSIDE


def arguments(frame: FrameType) -> list[Any]:
    """What the function was given."""
    code = frame.f_code
    stars = bool(code.co_flags & inspect.CO_VARARGS) + bool(code.co_flags & inspect.CO_VARKEYWORDS)
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + stars]
    return [frame.f_locals[name] for name in names if name in frame.f_locals]


def holds_tensor(value: Any, depth: int = DEPTH) -> bool:
    """Whether this is a tensor, or a container or an object with a tensor in it."""
    if isinstance(value, torch.Tensor):
        return True
    if depth == 0 or isinstance(value, (nn.Module, torch.optim.Optimizer, type, FunctionType, ModuleType)):
        return False
    if isinstance(value, (list, tuple, set)):
        inside = value
    else:
        inside = value.values() if isinstance(value, Mapping) else getattr(value, "__dict__", {}).values()
    return any(holds_tensor(part, depth - 1) for part in inside)


def place_of(code: CodeType) -> Place:
    file = Path(code.co_filename).relative_to(PACKAGE).as_posix()
    return Place(file, code.co_qualname.replace(".<locals>", ""))


def moves(places: list[Place]) -> list[str]:
    """For each place how it is come to: "" in the same file, "new" in one not yet seen, "back" in one that was left."""
    marks, seen = [], set()
    for before, place in zip([None, *places], places, strict=False):
        same = before is None or before.file == place.file
        marks.append("" if same else "back" if place.file in seen else "new")
        seen.add(place.file)
    return marks


def table(title: str, places: list[Place]) -> str:
    """The places as lines, and the totals below them."""
    how = moves(places)
    lines = [
        f"{n:4}  {move:4}  {place.file:28}  {place.function}"
        for n, (move, place) in enumerate(zip(how, places, strict=True), start=1)
    ]
    lambdas = sum(place.function.endswith("<lambda>") for place in places)
    totals = (
        f"functions {len(places)}, of them lambdas {lambdas}; files {len({place.file for place in places})}; "
        f"moves between files {how.count('new') + how.count('back')}, of them back to a file left before "
        f"{how.count('back')}"
    )
    return "\n".join([title, *lines, totals])


if __name__ == "__main__":
    seen = route()
    print("python -m reference", *COMMAND, end="\n\n")
    print(table(f"The way from the command to {SAMPLER}, and from there to {LOSS}", seen.way), end="\n\n")
    print(table(f"The life of the samples, from the start of the step (in {LOOP}) to loss.backward()", seen.life))
