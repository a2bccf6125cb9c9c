"""A training by TRL in two processes that share its rows, as torchrun would start them, but with one import of TRL."""

import json
import os
import socket
from dataclasses import replace
from pathlib import Path

from forked import Forked

PATIENCE = 15 * 60  # seconds: a limit for what hangs, not for what a busy machine delays


def train_in_two(out: Path) -> list[dict]:
    """What each of the two processes found, see ``train``."""
    process = Forked(become_two, out)
    printed, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, printed[-3000:]
    return [json.loads((out / f"rank-{rank}.json").read_text()) for rank in (0, 1)]


def become_two(out: Path) -> None:
    """In a forked process: it is the first of the two, and forks the second as soon as TRL is there."""
    import trl.trainer.grpo_trainer  # noqa: F401

    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(s.getsockname()[1])}
    second = os.fork()
    rank = "0" if second else "1"
    os.environ |= {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    train(out)
    if second:
        assert os.waitpid(second, 0)[1] == 0, "the second process failed"


def train(out: Path) -> None:
    """Two steps of GRPO; how many processes there were, what was logged, and the sum of every weight, into a file."""
    from accelerate import PartialState

    from reference.algorithms.recipes import RECIPES
    from reference.engines.trl.trainer import run_trl
    from reference.runs.processes import leave_group
    from reference.world.model import load

    model, tokenizer = load()
    recipe = replace(RECIPES["grpo"], steps=2, prompts_per_step=4, group_size=4, max_new_tokens=24, kl_coef=0.01)
    logged = []
    rows = run_trl(recipe, model=model, tokenizer=tokenizer, out=out, on_step=lambda step, m: bool(logged.append(step)))
    state = PartialState()
    sums = [p.double().sum().item() for p in model.parameters()]
    result = {"processes": state.num_processes, "logged": logged, "rows": rows, "sums": sums}
    (out / f"rank-{state.process_index}.json").write_text(json.dumps(result))
    leave_group()
