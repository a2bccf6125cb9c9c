"""GRPO in one file is GRPO: the same samples, and after some steps the same weights as the real loop."""

import copy
import re
import runpy
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_layout import imports
from torch import Tensor, nn
from transformers import PreTrainedModel

import reference.grpo_in_one_file as one_file
from reference.algorithms import losses
from reference.algorithms.recipes import RECIPES
from reference.algorithms.rl import train_rl
from reference.runs.launch import new_optimizer
from reference.world.rollout import Rollout

pytestmark = pytest.mark.slow

SOURCE = Path(one_file.__file__)
# From this seed and budget two steps have it all: gradients longer than 1, tokens clipped from above and from below,
# prompts of two lengths, and a right answer that is cut off before its EOS. The third has a group whose rewards are
# all equal.
SEED, PROMPTS, BUDGET, STEPS = 37, 2, 60, 3
RECIPE = replace(RECIPES["grpo"], prompts_per_step=PROMPTS, max_new_tokens=BUDGET, steps=STEPS)
# In float64 the two differ by 2e-14: they sum in another order. The smallest error below moves a weight by 1e-5.
ROUNDING, ERROR = 1e-11, 1e-6
Clipped = dict[str, int]
WRONG = {
    "std divides by n": ("groups.std(dim=1, keepdim=True)", "groups.std(dim=1, keepdim=True, correction=0)"),
    "std is the batch's": ("groups.std(dim=1, keepdim=True)", "groups.std()"),
    "eps is verl's": ("EPS = 1e-4", "EPS = 1e-6"),
    "mask of the next token": ("mask = rollout.completion_mask", "mask = rollout.completion_mask.roll(1, dims=1)"),
    "log-probs of the token before": ("tokens[:, 1:, None]", "tokens[:, :-1, None]"),
    "another temperature": ("logits[:, :-1]", "(logits[:, :-1] / 0.9)"),
    "another clip": ("CLIP = 0.2", "CLIP = 0.28"),
    "no upper clip": ("ratio.clamp(1 - CLIP, 1 + CLIP)", "ratio.clamp(min=1 - CLIP)"),
    "no lower clip": ("ratio.clamp(1 - CLIP, 1 + CLIP)", "ratio.clamp(max=1 + CLIP)"),
    "clip without the minimum": ("-torch.min(advantage * ratio, ", "-(", ),
    "token mean": ("loss = sequence_loss.mean()", "loss = (token_loss * kept).sum() / kept.sum()"),
    "cut off and right": (" * ~rollout.truncated", ""),
    "gradient not cleared": ("optimizer.zero_grad()", "ratios or optimizer.zero_grad()"),
    "gradient not shortened": ("MAX_GRAD_NORM = 1.0", "MAX_GRAD_NORM = 1e9"),
    "weight decay": ("weight_decay=0.0", "weight_decay=0.01"),
}  # fmt: skip


@pytest.fixture(scope="module")
def exact(base) -> PreTrainedModel:
    """The shipped model in float64, its norms too: Llama's own compute in float32."""
    model = copy.deepcopy(base[0]).double()
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if type(child).__name__ == "LlamaRMSNorm":
                norm = nn.RMSNorm(len(child.weight), eps=child.variance_epsilon, dtype=torch.float64)
                norm.weight = child.weight
                setattr(parent, name, norm)
    return model


@pytest.fixture(scope="module")
def real(exact, base) -> tuple[list[nn.Module], list[dict[str, float]], list[Tensor], Clipped]:
    """What the real loop makes of it: the model after each step, the metrics and tokens of each, what it clips."""
    model, models, rows = copy.deepcopy(exact), [], []

    def on_step(step: int, metrics: dict[str, float]) -> bool:
        models.append(copy.deepcopy(model))
        rows.append(metrics)
        return False

    with pytest.MonkeyPatch.context() as patch:
        tokens, clipped = recorded_tokens(patch), recorded_clips(patch)
        train_rl(model, base[1], new_optimizer(RECIPE, model), RECIPE, on_step=on_step, seed=SEED)
    return models, rows, tokens, clipped


def recorded_tokens(patch: pytest.MonkeyPatch) -> list[Tensor]:
    """A list that fills with the tokens of every rollout that is read as text, as each is for the verifier."""
    tokens, texts = [], Rollout.texts
    patch.setattr(Rollout, "texts", lambda self, tokenizer: tokens.append(self.tokens) or texts(self, tokenizer))
    return tokens


def recorded_clips(patch: pytest.MonkeyPatch) -> Clipped:
    """How many tokens the clip of the real loop takes the gradient from, on each side; counted as they pass."""
    clipped, clip_frac = {"above": 0, "below": 0}, losses.clip_frac

    def count(logp: Tensor, old: Tensor, advantages: Tensor, mask: Tensor, *, clip_low: float, clip_high: float):
        ratio = (logp - old).exp()
        clipped["above"] += int((mask & (advantages > 0) & (ratio > 1 + clip_high)).sum())
        clipped["below"] += int((mask & (advantages < 0) & (ratio < 1 - clip_low)).sum())
        return clip_frac(logp, old, advantages, mask, clip_low=clip_low, clip_high=clip_high)

    patch.setattr(losses, "clip_frac", count)
    return clipped


def trained(model: nn.Module, tokenizer, *, steps: int, right: str = "", wrong: str = "") -> nn.Module:
    """A copy of the model after steps of the one file, in whose text ``wrong`` stands in the place of ``right``."""
    text = SOURCE.read_text()
    if right:
        assert text.count(right) == 1, right
    namespace = {"__name__": "changed"}
    exec(compile(text.replace(right, wrong) if right else text, str(SOURCE), "exec"), namespace)
    namespace["MAX_NEW_TOKENS"] = BUDGET
    model = copy.deepcopy(model)
    namespace["train"](model, tokenizer, steps=steps, prompts=PROMPTS, seed=SEED)
    return model


def distance(one: nn.Module, other: nn.Module) -> float:
    """How far apart the two are in the weight in which they differ most."""
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return max((a - b).abs().max().item() for a, b in pairs)


def test_samples_and_weights_are_those_of_the_real_loop(exact, base, real, monkeypatch, capsys):
    models, rows, tokens, _ = real
    same = recorded_tokens(monkeypatch)
    model = trained(exact, base[1], steps=STEPS)
    assert len(same) == len(tokens) == STEPS
    assert all(torch.equal(one, other) for one, other in zip(same, tokens, strict=True))
    assert distance(exact, models[-1]) > 1e-3  # they have learned something
    assert distance(model, models[-1]) < ROUNDING
    printed = capsys.readouterr().out.splitlines()
    assert [line.rsplit("  ", 1)[0].rstrip() for line in printed] == [
        f"step {n:3}  reward {m['reward']:.3f}  length {m['length']:5.1f}  ratio {m['ratio']:.4f}"
        for n, m in enumerate(rows, start=1)
    ]


def test_these_steps_have_what_could_go_wrong(real):
    _, rows, _, clipped = real
    assert clipped["above"] > 0 and clipped["below"] > 0
    assert any(row["grad_norm"] > RECIPE.max_grad_norm for row in rows[:2])
    assert any(row["truncated"] > 0 for row in rows[:2])
    assert rows[2]["dead_groups"] > 0


@pytest.mark.parametrize("error", WRONG)
def test_an_error_would_be_seen(exact, base, real, error):
    right, wrong = WRONG[error]
    model = trained(exact, base[1], steps=2, right=right, wrong=wrong)
    far = distance(model, real[0][1])
    assert far > ERROR, f"{error}: the weights differ by {far:.1e}"


def test_its_numbers_are_those_of_the_row():
    row = RECIPES["grpo"]  # the comparison above replaces these three; it holds the others
    assert row.steps == one_file.STEPS
    assert row.prompts_per_step == one_file.PROMPTS
    assert row.max_new_tokens == one_file.MAX_NEW_TOKENS


def test_nothing_of_the_algorithm_is_imported():
    ours = {name for name in imports(SOURCE) if name.startswith("reference")}
    assert {name for name in ours if not name.startswith("reference.world.")} == {"reference.cli.values"}


@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
def test_it_runs_from_the_command_line(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["grpo_in_one_file", "--steps", "1"])
    runpy.run_module("reference.grpo_in_one_file", run_name="__main__")
    printed = capsys.readouterr().out
    line = re.fullmatch(r"step   1  reward (\d\.\d{3})  length +[\d.]+  ratio 1\.0000  +[\d.]+ s\n", printed)
    assert line and 0.3 < float(line[1]) < 0.6  # the shipped model is right in 43 % of its samples


def test_the_number_of_steps_is_checked(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["grpo_in_one_file", "--steps", "0"])
    with pytest.raises(SystemExit):
        one_file.main()
    assert "--steps" in capsys.readouterr().err
