"""From a recipe to a run: what each kind of recipe starts from, which loop it runs, how its model is measured."""

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reference.algorithms.checks import require_preference, require_reward_recipe, require_rl
from reference.algorithms.critic import Critic
from reference.algorithms.data import OnStep, Pairs
from reference.algorithms.kl import needs_reference
from reference.algorithms.limits import require_limits
from reference.algorithms.pairs import draw_pool
from reference.algorithms.preference import train_preference
from reference.algorithms.preference_losses import preference_loss_of
from reference.algorithms.recipes import Recipe
from reference.algorithms.reward_model import PairAccuracy, load_reward_model, train_reward_model
from reference.algorithms.rl import train_rl
from reference.algorithms.step import new_optimizer
from reference.algorithms.supervised import require_demonstrations, train_sft
from reference.evaluation.accuracy import Accuracy
from reference.evaluation.tool_use import ToolUse
from reference.interrupt import route_signals, stop
from reference.objectives.shapes import InputError
from reference.runs.checkpoints import State
from reference.runs.curves import PANELS, PROXY, TEACHER, TOOLS
from reference.runs.folder import read_metrics
from reference.runs.measure import change, forget, measure_once, measure_policy, measure_reward_model, read_accuracy
from reference.runs.measure_tools import measure_tools
from reference.runs.processes import number_of_processes
from reference.runs.proxy import is_proxy, proxy_words, with_proxy
from reference.runs.session import close_run, open_run, resumable, step_log
from reference.runs.teacher import require_named, with_teacher
from reference.world.completions import require_tools
from reference.world.gate import require_gradient, require_sampler
from reference.world.model import SHIPPED, load, pick_device

Loop = Callable[[OnStep, int, Path], None]  # on_step, the steps that are done, the run folder with their log


def run_recipe(recipe: Recipe, options: dict[str, Any], *, out: Path | None, resume: Path | None) -> bool:
    """Train as recipe and options say, in a new run folder or going on in an old one. True if the last step was reached."""
    require_limits(recipe)
    require_named(recipe)
    if (processes := number_of_processes()) > 1:
        raise InputError(f"{processes} processes would each make this run: start one, or share it with --engine trl")
    device, source, kind = pick_device(options["device"]), source_of(options), kind_of(recipe)
    with resumable(resume, recipe.steps, options["save_every"]) as (checkpoint, first_step):
        if resume:
            read_accuracy(resume, kind.accuracy)  # damage is told before anything is loaded or written
        start, tokenizer = load(source, device=device)  # stays as it is: "before", the reference, the writer of pairs
        model = kind.load(checkpoint or source, device)
        require_start(recipe, start, tokenizer, model)
        loop, state = kind.loop(recipe, start, tokenizer, model, options["seed"])
        with open_run(options, out, resume, checkpoint, first_step, state) as run:
            if is_proxy(recipe):
                print(f"reward   {proxy_words(recipe)}", flush=True)
            if recipe.teacher is not None:
                print(f"teacher  {recipe.teacher}", flush=True)
            measure = partial(kind.measure, recipe, options, start, tokenizer)
            initial_model = kind.load(source, device) if recipe.kind == "reward" else start
            before = measure_once(run, "before", kind.accuracy, partial(measure, initial_model))
            if first_step < recipe.steps:
                forget(run, "after", kind.accuracy)
                with step_log(run, options, first_step, model, tokenizer, state, panels=kind.panels) as on_step:
                    loop(on_step, first_step, run)
            if not close_run(run, options, kind.panels):
                return False
            print(change(before, measure_once(run, "after", kind.accuracy, partial(measure, model))))
            return True


def source_of(options: dict[str, Any]) -> str | Path:
    """What --model names, a shipped model by its folder."""
    return SHIPPED.get(options["model"], options["model"])


def require_start(
    recipe: Recipe, start: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel
) -> None:
    """Refuse a model that cannot be sampled from or trained, and a chat template that demonstrations or tools need."""
    require_sampler(start, tokenizer, max_new_tokens=recipe.max_new_tokens)
    if recipe.task == "tools":
        require_tools(start, tokenizer, max_new_tokens=recipe.max_new_tokens, max_calls=recipe.max_calls)
    require_gradient(start, tokenizer, model)
    require_demonstrations(start, tokenizer, recipe)


# ---- the kinds of recipe: each makes its loop, and names what is saved beside the model --------------------------------------


def rl_loop(
    recipe: Recipe, start: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel, seed: int
) -> tuple[Loop, State]:
    recipe = with_teacher(with_proxy(recipe, tokenizer, start.device), start, tokenizer)
    critic = Critic(start, shared=recipe.critic == "shared") if recipe.critic else None
    ref_model = start if needs_reference(recipe) else None
    if recipe.ref_sync_every:
        ref_model = copy.deepcopy(start)
    require_rl(recipe, ref_model, critic)
    optimizer = new_optimizer(recipe, model, critic)
    state: State = {"optimizer": optimizer}
    if critic is not None:
        state["critic"] = critic
    if recipe.ref_sync_every:
        state["ref_model"] = ref_model

    def loop(on_step: OnStep, first_step: int, run: Path) -> None:
        kl_coef = last_kl_coef(run, recipe, first_step)
        train_rl(
            model, tokenizer, optimizer, recipe, on_step=on_step, first_step=first_step, ref_model=ref_model,
            critic=critic, kl_coef=kl_coef, seed=seed,
        )  # fmt: skip

    return loop, state


def sft_loop(
    recipe: Recipe, start: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel, seed: int
) -> tuple[Loop, State]:
    optimizer = new_optimizer(recipe, model)

    def loop(on_step: OnStep, first_step: int, run: Path) -> None:
        train_sft(model, tokenizer, optimizer, recipe, on_step=on_step, first_step=first_step, seed=seed)

    return loop, {"optimizer": optimizer}


def preference_loop(
    recipe: Recipe, start: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel, seed: int
) -> tuple[Loop, State]:
    ref_model = start if preference_loss_of(recipe).reference else None
    require_preference(recipe, ref_model)
    optimizer = new_optimizer(recipe, model)

    def loop(on_step: OnStep, first_step: int, run: Path) -> None:
        pool = None if recipe.online else pairs_of(start, tokenizer, recipe, seed)
        train_preference(
            model, tokenizer, optimizer, recipe, on_step=on_step, first_step=first_step, ref_model=ref_model,
            pool=pool, seed=seed,
        )  # fmt: skip

    return loop, {"optimizer": optimizer}


def reward_loop(
    recipe: Recipe, start: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel, seed: int
) -> tuple[Loop, State]:
    require_reward_recipe(recipe)
    optimizer = new_optimizer(recipe, model)

    def loop(on_step: OnStep, first_step: int, run: Path) -> None:
        pool = pairs_of(start, tokenizer, recipe, seed)
        train_reward_model(
            model, tokenizer, optimizer, recipe, on_step=on_step, first_step=first_step, policy=start,
            pool=pool, seed=seed,
        )  # fmt: skip

    return loop, {"optimizer": optimizer}


def pairs_of(start: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, recipe: Recipe, seed: int) -> Pairs:
    """The pairs of an offline run. Drawing them takes a minute in which nothing is trained: a signal may cut it."""
    with route_signals(stop):
        return draw_pool(start, tokenizer, recipe, seed=seed)


def last_kl_coef(run: Path, recipe: Recipe, first_step: int) -> float | None:
    """Where an adaptive coefficient had got to when the run stopped: the log has it."""
    if recipe.kl_target is None or first_step == 0:
        return None
    rows = read_metrics(run)
    if not rows or rows[-1]["step"] != first_step:
        raise InputError(
            f"{run}/metrics.jsonl does not reach step {first_step}, and with it is gone where kl_coef had got to: put the "
            "log back, or start a new run with --model"
        )
    return rows[-1]["kl_coef"]


def load_policy(source: str | Path, device: Any) -> PreTrainedModel:
    return load(source, device=device)[0]


def load_rewards(source: str | Path, device: Any) -> PreTrainedModel:
    return load_reward_model(source, device=device)


class RunKind(NamedTuple):
    """What the runs of one kind of recipe have in common."""

    load: Callable  # (source, device) -> the model that is trained
    loop: Callable  # (recipe, start, tokenizer, model, seed) -> its loop, and what is saved beside the model
    measure: Callable  # (recipe, options, start, tokenizer, model) -> its accuracy
    accuracy: type
    panels: dict[str, str]


KINDS = {
    "rl": RunKind(load_policy, rl_loop, measure_policy, Accuracy, PANELS["rl"]),
    "sft": RunKind(load_policy, sft_loop, measure_policy, Accuracy, PANELS["sft"]),
    "preference": RunKind(load_policy, preference_loop, measure_policy, Accuracy, PANELS["preference"]),
    "reward": RunKind(load_rewards, reward_loop, measure_reward_model, PairAccuracy, PANELS["reward"]),
}


def kind_of(recipe: Recipe) -> RunKind:
    """What the runs of this recipe have in common with others: with tools another measure, and more curves; with a proxy
    or a teacher its curve."""
    kind = KINDS[recipe.kind]
    if recipe.teacher is not None:
        kind = kind._replace(panels=kind.panels | TEACHER)
    if is_proxy(recipe):
        return kind._replace(panels=kind.panels | PROXY)
    if recipe.task != "tools":
        return kind
    panels = kind.panels | (TOOLS if recipe.kind == "rl" else {})
    return kind._replace(measure=measure_tools, accuracy=ToolUse, panels=panels)
