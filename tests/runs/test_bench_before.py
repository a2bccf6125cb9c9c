"""Two checkouts take turns: each runs its own code, from the same weights, on the same prompts."""

import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from reference.algorithms.recipes import RECIPES
from reference.objectives.shapes import InputError
from reference.runs import bench_before as module
from reference.runs.bench import bench
from reference.runs.bench_before import HERE, ask, commit_of, step_worker, turns_with_checkout
from reference.runs.bench_report import bench_report
from reference.runs.bench_turns import Turn
from reference.world.model import BASE

GRPO = replace(RECIPES["grpo"], prompts_per_step=4, group_size=2, max_new_tokens=16, steps=3)
OPTIONS = {"recipe": {"name": "grpo", "prompts_per_step": 4, "group_size": 2, "steps": 9, "newer": 1}, "model": "m",
           "device": "cpu", "seed": 3}  # fmt: skip
OTHER = {  # a checkout with only what a worker asks of one; a step "takes" as many tokens as its number and its seed say
    "__init__.py": "",
    "algorithms/__init__.py": "",
    "algorithms/recipes.py": """
from dataclasses import dataclass
@dataclass(frozen=True)
class Recipe:
    name: str
    prompts_per_step: int
    group_size: int
    steps: int
    kl_coef: float = 0.0
""",
    "algorithms/rl.py": """
def train_rl(model, tokenizer, optimizer, recipe, *, on_step, first_step, seed, ref_model):
    assert recipe.steps == first_step + 1 and optimizer == "new" and ref_model is None
    print("a library prints")
    if first_step == 7:
        raise ValueError("broken")
    weight = model.weight.item()
    model.weight.data += 1  # the next step must not see it
    on_step(recipe.steps, {"length": first_step + seed + weight})
""",
    "algorithms/step.py": "def new_optimizer(recipe, model): return 'new'\n",
    "world/__init__.py": "",
    "world/model.py": """
import torch
def load(name, *, device):
    model = torch.nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(100 if name == "m" else 0)
    model.device = torch.device(device)
    return model, None
""",
}


@pytest.fixture
def other(tmp_path) -> Path:
    for name, text in OTHER.items():
        (tmp_path / "reference" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "reference" / name).write_text(text)
    return tmp_path


@pytest.mark.slow
def test_a_worker_runs_the_code_of_its_checkout_always_from_the_same_weights(other):
    with step_worker(other, OPTIONS) as worker:
        first, second = ask(worker, 0), ask(worker, 5)
    # 8 rows of the length that the other's loop reports: step + seed 3 + its weight 100, which it changes in every step
    assert (first["tokens"], second["tokens"]) == (8 * 103, 8 * 108)
    assert first["seconds"] > 0
    assert worker.poll() is not None


@pytest.mark.slow
def test_what_goes_wrong_in_the_other_checkout_is_told(other, capfd):
    with (
        pytest.raises(InputError, match="ended with code 1: its own message stands above"),
        step_worker(other, OPTIONS) as w,
    ):
        ask(w, 7)
    assert "ValueError: broken" in capfd.readouterr().err
    (other / "reference" / "algorithms" / "step.py").unlink()
    with pytest.raises(InputError, match="needs train_rl, new_optimizer, load and Recipe"), step_worker(other, OPTIONS):
        pytest.fail("it began")


@pytest.mark.slow
def test_another_package_of_the_name_is_not_taken_for_the_checkout(other):
    (other / "reference" / "__init__.py").write_text("__file__ = '/elsewhere/reference/__init__.py'\n")
    with (
        pytest.raises(InputError, match="imports reference from /elsewhere/reference, not from"),
        step_worker(other, OPTIONS),
    ):
        pytest.fail("it began")


def test_a_folder_that_is_no_checkout_is_refused(tmp_path):
    with pytest.raises(InputError, match=f"make one with git worktree add {tmp_path} COMMIT"):
        turns_with_checkout(GRPO, tmp_path, source=BASE, device=torch.device("cpu"))


@pytest.mark.slow
def test_a_checkout_beside_itself_draws_the_same_samples(base):
    measured = bench(GRPO, *base, turns=1, seed=1, micro_batch_size=4, before=HERE)
    sides = {name: side["warm_up"] + side["turns"] for name, side in measured["sides"].items()}
    tokens = {name: [turn["tokens"] for turn in turns] for name, turns in sides.items()}
    assert tokens["ours"] == tokens["before"] and len(tokens["ours"]) == 3
    assert len(set(tokens["ours"])) > 1  # other prompts in every turn
    assert measured["commit"] == measured["before_commit"] and measured["memory"] is None
    assert f"The step of {HERE} takes" in bench_report(measured)


def test_the_sides_take_turns_and_who_is_first_changes(monkeypatch, other):
    order = []

    def fake_ask(folder, step):
        order.append(("ours" if folder == HERE else "before", step))
        return {"seconds": 1.0, "tokens": 2.0}

    monkeypatch.setattr(module, "step_worker", lambda folder, options: nullcontext(folder))
    monkeypatch.setattr(module, "ask", fake_ask)
    turns = turns_with_checkout(GRPO, other, source=BASE, device=torch.device("cpu"))
    assert order == [("ours", 0), ("before", 0), ("before", 1), ("ours", 1), ("ours", 2), ("before", 2)]
    assert turns == {"ours": [Turn(1.0, 2.0)] * 3, "before": [Turn(1.0, 2.0)] * 3}


@pytest.mark.slow
def test_a_worker_ends_when_the_process_that_asks_is_killed(other):
    code = (
        "import sys, time; from pathlib import Path; from reference.runs.bench_before import step_worker\n"
        f"with step_worker(Path({str(other)!r}), {OPTIONS!r}) as w: print(w.pid, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    worker = int(parent.stdout.readline())
    os.kill(parent.pid, signal.SIGKILL)
    parent.communicate()
    deadline = time.time() + 900
    while subprocess.run(["ps", "-o", "stat=", "-p", str(worker)], capture_output=True, text=True).stdout[:1] not in (
        "",
        "Z",
    ):
        assert time.time() < deadline
        time.sleep(0.05)


def test_the_commit_is_told_where_git_knows_one(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert commit_of(tmp_path) is None
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "one"]):
        subprocess.run([*git, *words], check=True)
    (tmp_path / "file").write_text("1")
    subprocess.run([*git, "add", "file"], check=True)
    whole = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert commit_of(tmp_path) == whole[:12] + "-dirty"
