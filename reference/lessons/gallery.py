"""The pictures of the README, drawn from the recorded runs and the shipped model: python -m reference figures"""

from pathlib import Path

from reference.algorithms.recipes import RECIPES
from reference.doctor.confusion import figure_confusion, recorded_answers
from reference.lessons.advantages.figures import figure_successes
from reference.lessons.aggregation.figures import figure_split
from reference.lessons.alignment.figures import figure_walk
from reference.lessons.clipping.figures import figure_quadrants
from reference.lessons.codebases.figures import figure_choices
from reference.lessons.debug_lab.experiments import HELD_OUT
from reference.lessons.evaluation.figures_scores import figure_ranks
from reference.lessons.evaluation.recorded import rank_scores
from reference.lessons.kl.figures import figure_kl_follow
from reference.lessons.masking.figures import figure_weights
from reference.lessons.named import SOLUTION, figure_named, verdict_on
from reference.lessons.over_optimisation.experiments import BASIS, ONE_PROXY
from reference.lessons.over_optimisation.figures import figure_over_optimisation
from reference.lessons.over_optimisation.figures_trade import figure_trade
from reference.lessons.over_optimisation.recorded import recorded_choices, recorded_climbs, stopped_runs
from reference.lessons.over_optimisation.steering import plain_curves, steered_curves
from reference.lessons.preference.figures import figure_beta
from reference.lessons.tool_use.experiments import PRICED
from reference.lessons.tool_use.figures_recorded import figure_tradeoff
from reference.lessons.tool_use.recorded import points_of, recorded_use
from reference.lessons.value.figures import figure_lambda
from reference.runs.recorded_runs import all_runs, runs_of
from reference.teaching.example import example
from reference.teaching.run_figures import figure_engines, figure_others, figure_recipes, figure_seeds

OTHERS = ("sft", "reward-model", "dpo", "dpo-online")


def draw_gallery(folder: Path) -> list[Path]:
    """Draw every picture into ``folder``, which must hold the recorded runs in ``runs/``. Returns what was written."""
    runs = all_runs(folder / "runs")
    pictures = {
        "named.png": figure_named(SOLUTION, verdict_on(SOLUTION, "token_logprobs")),
        "weights.png": figure_weights([2, 8, 5]),
        "walk.png": figure_walk(example(), position=12),
        "kl.png": figure_kl_follow(samples=0),
        "lambda.png": figure_lambda(),
        "clip.png": figure_quadrants(),
        "successes.png": figure_successes(8),
        "split.png": figure_split([2, 8, 3, 7]),
        "beta.png": figure_beta(),
        "ranks.png": figure_ranks(rank_scores()),
        "choices.png": figure_choices(),
    }
    if prices := points_of(
        recorded_use({f"{price:g} per call": run for price, run in PRICED.items()}, folder=folder / "runs")
    ):
        pictures["prices.png"] = figure_tradeoff(prices, title="RL with a price per call")
    if climbs := recorded_climbs(folder=folder / "runs"):
        pictures["climbs.png"] = figure_over_optimisation(climbs, recorded_choices(folder=folder / "best_of_n"))
    if steered := steered_curves(ONE_PROXY, folder=folder / "runs"):
        plain = plain_curves(steered, folder=folder / "runs")
        pictures["steering.png"] = figure_trade(plain, steered, stopped=stopped_runs(BASIS, folder=folder / "runs"))
    if "grpo" in runs:
        title = f"GRPO from the shipped base, {len(runs['grpo'])} seeds"
        pictures["grpo.png"] = figure_seeds(runs["grpo"], title=title)
        if theirs := runs_of(folder / "runs", RECIPES["grpo"], engine="trl"):
            pictures["engines.png"] = figure_engines(runs["grpo"], theirs)
    if reinforcing := [
        same for same in runs.values() if same[0].recipe.kind == "rl" and same[0].recipe.task == "chains"
    ]:
        pictures["recipes.png"] = figure_recipes(reinforcing)
    if others := {name: runs[name] for name in OTHERS if name in runs}:
        pictures["others.png"] = figure_others(others)
    if any((folder / "runs").glob("bug-*")):
        pictures["doctor.png"] = figure_confusion(recorded_answers(folder / "runs", seeds=HELD_OUT))
    for name, figure in pictures.items():
        figure.savefig(folder / name, dpi=120, metadata={"Software": None})
    return [folder / name for name in pictures]
