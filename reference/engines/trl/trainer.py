"""The same recipe, run by TRL: beyond one machine nobody should use our loops.

    rows = run_trl(RECIPES["grpo"], model=model, tokenizer=tokenizer, out=Path("runs/trl"), on_step=on_step)

Problems, verifier, pairs, demonstrations, model and tokenizer are ours, and step for step the same as in our loops; what
TRL samples, with transformers' ``generate``, is not, though from the same distribution. ``config`` and ``counterparts`` say what
each choice becomes, ``unsupported`` what TRL cannot do, ``model`` what it would do to the model. Under ``torchrun`` or
``accelerate launch`` the rows of a step are shared among the processes. On CPUs the latter wants ACCELERATE_USE_CPU=1 and,
all the same, --multi_gpu: with --cpu it starts one process, whatever it is asked.

**The reference.** Where nobody passes one, TRL's trainers do not copy the model that they are given: DPO, KTO, GRPO and
RLOO load it again from the folder or hub name in ``model.config._name_or_path``, where the model once came from. After SFT
in the same process that is the base, not the SFT model: the policy is tied to the wrong model, DPO's first loss is not
ln 2, and nothing says so (findings/trl_reference_from_config.sh). DPO and KTO take a ``ref_model``, and here always get
a copy. GRPO and RLOO take none; here they find the model, saved just before, under that name.
"""

import copy
import os
import time
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback
from transformers.trainer_callback import PrinterCallback, ProgressCallback, TrainerControl, TrainerState

from reference.algorithms.data import OnStep
from reference.algorithms.pairs import draw_pool
from reference.algorithms.recipes import Recipe
from reference.algorithms.step import set_rate
from reference.algorithms.supervised import require_demonstrations
from reference.engines.trl.config import gradient_scale, trl_config, updates_per_step
from reference.engines.trl.counterparts import trainer_name
from reference.engines.trl.data import (
    MEASURED,
    demonstrations_dataset,
    draw_problems,
    pairs_chats,
    pairs_dataset,
    problems_dataset,
    verifier,
)
from reference.engines.trl.model import (
    Configs,
    configs_of,
    dropout_of,
    own_configs,
    put_configs,
    put_dropout,
    require_no_noise,
    require_pad,
    require_relative_positions,
    sample_as_we_do,
    with_own_configs,
    without_dropout,
)
from reference.interrupt import route_signals, stop
from reference.objectives.shapes import InputError
from reference.world.model import eos_ids

ROLLOUT = {
    **{name: MEASURED + name for name in ("reward", "reward_std", "dead_groups")}, "length": "completions/mean_length",
    "truncated": "completions/clipped_ratio", "entropy": "entropy", "grad_norm": "grad_norm",
}  # fmt: skip
GAINS = {name: f"rewards/{name}" for name in ("chosen", "rejected")} | {"margin": "rewards/margins"}
LOGGED = {  # our name: TRL's
    "GRPO": ROLLOUT | {"clip_frac": "clip_ratio/region_mean"},
    "RLOO": ROLLOUT | {"kl_k1": "kl"},
    "DPO": GAINS | {"loss": "loss", "accuracy": "rewards/accuracies", "grad_norm": "grad_norm"},
    "KTO": GAINS | {"loss": "loss", "grad_norm": "grad_norm"},
    "CPO": {"loss": "loss", "grad_norm": "grad_norm"},  # its rewards have no reference, ours do
    "SFT": {"loss": "loss", "token_accuracy": "mean_token_accuracy", "grad_norm": "grad_norm"},
    "Reward": {name: name for name in ("loss", "accuracy", "margin", "grad_norm")},
}


def run_trl(
    recipe: Recipe,
    *,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    out: Path,
    seed: int = 0,
    device: str = "cpu",
    on_step: OnStep | None = None,
    policy: PreTrainedModel | None = None,
) -> list[dict[str, float]]:
    """Train ``model`` in place with TRL. Returns a row of metrics per step, under our names; the same on every process.

    The reference, where there is one, is the model as it is passed. ``on_step(step, metrics)`` is called after each step,
    on the main process only; True ends the run. ``policy`` writes the pairs that a reward model learns from, ``model`` is
    then the reward model. What TRL does not log is missing: ``ratio``, ``approx_kl``, CISPO's ``clip_frac``. Raises
    ``InputError`` for what TRL cannot do as we do, before anything is sampled. The model's configs are in the end, and in
    ``on_step``, what they were. Its dropout is off meanwhile, and in the end what it was.
    """
    own_forward, own, dropout = "forward" in vars(model), configs_of(model), dropout_of(model)
    callback = Rows(recipe, on_step and with_own_configs(on_step, model, own))
    try:
        trainer = trl_trainer(
            recipe, model=model, tokenizer=tokenizer, out=out, seed=seed, device=device, policy=policy
        )
        trainer.add_callback(callback)
        trainer.train()
    finally:
        if not own_forward:  # TRL puts its fused head over ``forward``; a copy of the model would call the original's
            vars(model).pop("forward", None)
        put_configs(model, own)
        put_dropout(dropout)
        model.eval()
    return callback.rows


def trl_trainer(
    recipe: Recipe,
    *,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    out: Path,
    seed: int = 0,
    device: str = "cpu",
    policy: PreTrainedModel | None = None,
) -> Any:
    """TRL's trainer for the recipe, with our data, quiet, ready to ``train()``. It leaves the model with other configs."""
    kind, config = trl_config(
        recipe, output_dir=out / "trl", seed=seed, device=device, num_processes=int(os.environ.get("WORLD_SIZE", "1"))
    )
    model.to(config.device)
    require_demonstrations(model, tokenizer, recipe)
    own = configs_of(model)
    sample_as_we_do(model, tokenizer)
    without_dropout(model)
    require_no_noise(model, tokenizer)
    common = {"model": model, "args": config, "processing_class": tokenizer}
    name = trainer_name(recipe)
    if recipe.kind == "rl":
        trainer = rl_trainer(kind, common, recipe, own, out=out, seed=seed)
    elif recipe.kind == "sft":
        trainer = kind(**common, train_dataset=demonstrations_dataset(recipe, tokenizer, seed=seed))
    else:
        trainer = pairs_trainer(kind, common, recipe, name, seed=seed, policy=policy)
    if recipe.kind in ("sft", "reward"):
        trainer.add_callback(Warmup(recipe))
    for noisy in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(noisy)
    return trainer


def rl_trainer(kind: type, common: dict[str, Any], recipe: Recipe, own: Configs, *, out: Path, seed: int) -> Any:
    """GRPOTrainer or RLOOTrainer. They load their reference from the folder that the model's config names.

    It is saved there with its ``own`` configs: from_pretrained leaves it in evaluation mode, where dropout is off.
    """
    model, tokenizer, config = common["model"], common["processing_class"], common["args"]
    require_relative_positions(model, tokenizer)
    problems = draw_problems(recipe, seed=seed)
    was = model.config._name_or_path
    if recipe.kl_coef:
        model.config._name_or_path = str(out / "reference")
        with config.main_process_first(local=False, desc="saving the reference"):
            if config.process_index == 0:
                with own_configs(model, own):
                    model.save_pretrained(out / "reference")
    try:
        return kind(
            **common, train_dataset=problems_dataset(problems),
            reward_funcs=verifier(recipe, tokenizer, problems, eos_ids(model, tokenizer)),
        )  # fmt: skip
    finally:
        model.config._name_or_path = was


def pairs_trainer(
    kind: type, common: dict[str, Any], recipe: Recipe, name: str, *, seed: int, policy: PreTrainedModel | None
) -> Any:
    """A trainer of preferences or rewards. It is made with one chat, and then given the tokens of all steps."""
    from datasets import disable_progress_bars

    model, tokenizer = common["model"], common["processing_class"]
    if name == "Reward" and policy is None:
        raise InputError("policy is missing: a reward model learns from completions of the model that it will judge")
    require_pad(recipe, tokenizer)
    disable_progress_bars()
    with route_signals(stop):  # nothing is trained yet, so there is no step to finish
        pairs = draw_pool(policy or model, tokenizer, recipe, seed=seed)
    reference = {"ref_model": copy.deepcopy(model)} if name in ("DPO", "KTO") else {}
    trainer = kind(**common, **reference, train_dataset=pairs_chats(pairs.take([0]), tokenizer))
    trainer.train_dataset = pairs_dataset(recipe, pairs, name, seed=seed)
    return trainer


class Rows(TrainerCallback):
    """Makes a row of our metrics of what TRL logs after each of a step's updates, and asks whether to go on."""

    def __init__(self, recipe: Recipe, on_step: OnStep | None):
        self.recipe, self.on_step = recipe, on_step
        self.rows: list[dict[str, float]] = []
        self.logs: list[dict[str, float]] = []
        self.began = time.perf_counter()

    def on_log(
        self, args: object, state: TrainerState, control: TrainerControl, *, logs: dict[str, float], **_: object
    ) -> None:
        if "train_runtime" in logs:  # the summary at the end
            return
        self.logs.append(logs)
        step, rest = divmod(state.global_step, updates_per_step(self.recipe))
        if rest:
            return
        row = metrics_of(self.recipe, self.logs) | {"seconds": time.perf_counter() - self.began}
        self.rows.append(row)
        stop = self.on_step is not None and state.is_world_process_zero and self.on_step(step, row)
        control.should_training_stop |= broadcast_stop(stop)
        self.logs, self.began = [], time.perf_counter()


class Warmup(TrainerCallback):
    """The learning rate of our supervised loops. transformers' warm-up is one step late: its first step is at 0."""

    def __init__(self, recipe: Recipe):
        self.recipe = recipe

    def on_step_begin(
        self,
        args: object,
        state: TrainerState,
        control: TrainerControl,
        *,
        optimizer: torch.optim.Optimizer,
        **_: object,
    ) -> None:
        set_rate(optimizer, state.global_step, self.recipe)


def metrics_of(recipe: Recipe, logs: list[dict[str, float]]) -> dict[str, float]:
    """Our names for the means of TRL's metrics over the updates of a step; what it did not log is left out."""
    name = trainer_name(recipe)
    names = LOGGED[name] | ({"kl_k3": "kl"} if name == "GRPO" and recipe.kl == "k3" else {})
    units = {"grad_norm": gradient_scale(recipe)} | (dict.fromkeys(GAINS, recipe.beta) if name != "Reward" else {})
    found = {ours: [log[theirs] for log in logs if log.get(theirs) is not None] for ours, theirs in names.items()}
    return {ours: sum(x) / len(x) / units.get(ours, 1.0) for ours, x in found.items() if x}


def broadcast_stop(stop: bool) -> bool:
    """The main process's answer, on every process: if one stopped alone the others would wait for it for ever."""
    from accelerate.utils import broadcast_object_list

    return broadcast_object_list([stop])[0]
