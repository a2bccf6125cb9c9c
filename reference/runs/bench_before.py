"""The loop of another checkout of this repository, by turns with ours: what a change has done to the speed of a step.

Each side is a fresh process of ``step_worker.py``, which imports its own checkout and stays alive from turn to turn.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from reference.algorithms.recipes import Recipe
from reference.objectives.shapes import InputError
from reference.runs.bench_turns import Turn

HERE = Path(__file__).parents[2]
WORKER = Path(__file__).with_name("step_worker.py")


def turns_with_checkout(
    recipe: Recipe, before: Path, *, source: str | Path, device: torch.device, seed: int = 0
) -> dict[str, list[Turn]]:
    """``recipe.steps`` steps of each, by turns, each from the model in ``source``. In every second turn ours is last."""
    require_checkout(before)
    options = {"recipe": asdict(recipe), "model": str(source), "device": str(device), "seed": seed}
    turns: dict[str, list[Turn]] = {"ours": [], "before": []}
    with (
        step_worker(HERE, options) as ours,
        step_worker(before, options) as theirs,
        tqdm(total=recipe.steps, desc="bench", unit="turn", leave=False) as bar,
    ):
        order = [("ours", ours), ("before", theirs)]
        for step in range(recipe.steps):
            for name, worker in order:
                turns[name].append(Turn(**ask(worker, step)))
            order.reverse()
            bar.update()
    return turns


def require_checkout(folder: Path) -> None:
    if not (folder / "reference" / "algorithms" / "rl.py").is_file():
        raise InputError(
            f"{folder} is no checkout of this repository, it has no reference/algorithms/rl.py: make one with "
            f"git worktree add {folder} COMMIT"
        )


@contextmanager
def step_worker(folder: Path, options: dict[str, Any]) -> Iterator[subprocess.Popen]:
    """A process that takes steps with the loop of the checkout. It ends with the block, or when this process does.

    A session of its own keeps Ctrl-C away from it: it is for this process, which ends it.
    """
    path = [str(folder.resolve()), *filter(None, [os.environ.get("PYTHONPATH")])]
    worker = subprocess.Popen(
        [sys.executable, "-P", str(WORKER), json.dumps(options)],  # -P: or the files beside it would be modules
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        package = Path(read_reply(worker)["package"])
        if package != (folder / "reference").resolve():
            raise InputError(f"Python imports reference from {package}, not from {folder}: deinstall the one it finds")
        yield worker
    finally:
        worker.kill()
        worker.communicate()


def ask(worker: subprocess.Popen, step: int) -> dict[str, Any]:
    """Have one step taken. Its seconds and tokens."""
    assert worker.stdin is not None
    with suppress(BrokenPipeError):  # it is dead, and read_reply says so
        print(step, file=worker.stdin, flush=True)
    return read_reply(worker)


def read_reply(worker: subprocess.Popen) -> dict[str, Any]:
    assert worker.stdout is not None
    if line := worker.stdout.readline():
        return json.loads(line)
    raise InputError(
        f"the process that takes the steps ended with code {worker.wait()}: its own message stands above. A checkout "
        "that is compared needs train_rl, new_optimizer, load and Recipe where this one has them"
    )


def commit_of(folder: Path) -> str | None:
    """The commit that is checked out there, with "-dirty" where files differ from it; None where git does not say."""
    try:
        told = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12"], capture_output=True, text=True
        )
    except OSError:
        return None
    return told.stdout.strip() or None
