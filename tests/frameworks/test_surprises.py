"""Every surprise: where it appears, and where it does not. Its lesson is a section that there is."""

import ast
import inspect
import json
import re
from pathlib import Path

import pytest

from reference.frameworks import surprises as general
from reference.frameworks import surprises_own as own
from reference.frameworks.surprises import surprises_of

ROOT = Path(__file__).parents[2]
ACTOR = "actor_rollout_ref.actor"
A = "trainer.algorithm"


def texts(name="other", entry="", options=None, columns=None) -> str:
    return "\n".join(one.text for one in surprises_of(name, entry, (options or {}).get, columns or {}))


# What is said, the columns in which it is, and those in which it is not.
OF_COLUMNS = [
    ("no KL is charged", {"advantage": "group", "kl_place": None}, {"advantage": "group", "kl_place": "loss"}),
    ("k1 in the loss", {"kl": "k1", "kl_place": "loss"}, {"kl": "k1", "kl_place": "reward"}),
    ("k3 in the loss", {"kl": "k3", "kl_place": "loss"}, {"kl": "k3_unbiased", "kl_place": "loss"}),
    ("k2 in the reward", {"kl": "k2", "kl_place": "reward"}, {"kl": "k2", "kl_place": "loss"}),
    ("the group has one completion", {"advantage": "group", "group_size": 1}, {"advantage": "gae", "group_size": 1}),
    ("a std over 2 completions", {"advantage": "group", "group_size": 2}, {"advantage": "group_mean", "group_size": 2}),
    ("a lone success a large advantage", {"advantage": "group", "group_size": 8}, {"advantage": "group_mean", "group_size": 8}),
    ("the std is that of the other completions", {"advantage": "group_of_others", "group_size": 8}, {"advantage": "group", "group_size": 8}),
    ("divided twice", {"advantage": "group_whitened", "group_size": 8}, {"advantage": "group", "group_size": 8}),
    ("one optimizer step per rollout", {"minibatches": 1, "inner_epochs": 1, "loss": "ppo_clip"}, {"minibatches": 2, "inner_epochs": 1, "loss": "ppo_clip"}),
    ("a ratio of sequences is a mean", {"loss": "gspo", "clip_low": 0.2}, {"loss": "gspo", "clip_low": 3e-4}),
    ("the dual clip is on", {"dual_clip": 3.0}, {"dual_clip": None}),
    ("the cap of the CISPO weight is 0.2", {"cap": 0.2}, {"cap": 5.0}),
    ("a token of a long one counts less", {"aggregation": "sequence_mean"}, {"aggregation": "token_mean"}),
    ("half of Dr.GRPO", {"advantage": "group_mean", "aggregation": "token_mean"}, {"advantage": "group_mean", "aggregation": "fixed_length"}),
    ("sampled at temperature 0.7", {"temperature": 0.7}, {"temperature": 1}),
    ("what tools wrote is trained on", {"tool_loss": True, "advantage": "group"}, {"tool_loss": True}),
    ("Dr.GRPO's divisor with the group's std", {"advantage": "group", "aggregation": "fixed_length"}, {"advantage": "group_mean", "aggregation": "fixed_length"}),
    ("SimPO has no such term", {"loss": "simpo", "sft_coef": 1.0}, {"loss": "simpo", "sft_coef": 0.0}),
    ("IPO on averaged log-probs", {"loss": "ipo", "average_logprobs": True}, {"loss": "ipo", "average_logprobs": False}),
]  # fmt: skip
# The same for the options of one framework: what is said, its trainer, options with it and without.
OF_OPTIONS = [
    ("trl", "GRPOConfig", "refuses fewer than 2", {"num_generations": 1}, {"num_generations": 2}),
    ("verl", "main_ppo", "is below ppo_mini_batch_size", {"data.train_batch_size": 16, f"{ACTOR}.ppo_mini_batch_size": 256},
     {"data.train_batch_size": 256, f"{ACTOR}.ppo_mini_batch_size": 256}),
    ("openrlhf", "train_ppo_ray", "one completion per prompt: this version refuses", {"--algo.advantage.estimator": "rloo", "--rollout.n_samples_per_prompt": 1},
     {"--algo.advantage.estimator": "reinforce", "--rollout.n_samples_per_prompt": 1}),
    ("trl", "GRPOConfig", "bnpo divides each micro-batch", {"loss_type": "bnpo"}, {"loss_type": "dapo"}),
    ("trl", "DPOConfig", "label_smoothing changes nothing", {"label_smoothing": 0.1, "loss_type": ["sigmoid"]},
     {"label_smoothing": 0.1, "loss_type": ["robust"]}),
    ("verl", "main_ppo", "charged twice", {"algorithm.use_kl_in_reward": True, f"{ACTOR}.use_kl_loss": True}, {f"{ACTOR}.use_kl_loss": True}),
    ("verl", "main_ppo", "clip_ratio changes nothing", {f"{ACTOR}.clip_ratio": 0.3}, {f"{ACTOR}.clip_ratio": 0.2}),
    ("verl", "main_ppo", "actor.grad_clip is read by nobody", {f"{ACTOR}.grad_clip": 0.5}, {f"{ACTOR}.grad_clip": 1.0}),
    ("verl", "main_ppo", "divided by the padded width", {f"{ACTOR}.loss_agg_mode": "seq-mean-token-sum-norm"},
     {f"{ACTOR}.loss_agg_mode": "seq-mean-token-sum-norm", f"{ACTOR}.loss_scale_factor": 512}),
    ("nemo_rl", "run_grpo.py", "no KL is charged", {"loss_fn.use_kl_in_reward": True, "grpo.adv_estimator.name": "grpo"},
     {"loss_fn.use_kl_in_reward": True, "grpo.adv_estimator.name": "reinforce_plus_plus"}),
    ("skyrl", "main_base", "turns the sign of the loss", {f"{A}.use_tis": True, f"{A}.tis_imp_ratio_cap": -1.0}, {f"{A}.use_tis": True, f"{A}.tis_imp_ratio_cap": 2.0}),
    ("skyrl", "main_base", "zero_variance_filter masks", {f"{A}.zero_variance_filter": True}, {f"{A}.zero_variance_filter": False}),
    ("areal", "PPOTrainer", "not those that were sampled", {"actor.reward_norm.mean_level": "group", "actor.reward_norm.group_size": 1, "gconfig.n_samples": 4},
     {"actor.reward_norm.mean_level": "group", "actor.reward_norm.group_size": 4, "gconfig.n_samples": 4}),
    ("llamafactory", "dpo", "pref_loss hinge does not reach", {"pref_loss": "hinge"}, {"pref_loss": "sigmoid"}),
    ("ms_swift", "megatron dpo", "loss_type ipo does not reach", {"loss_type": "ipo"}, {"loss_type": "sigmoid"}),
]  # fmt: skip


@pytest.mark.parametrize(("said", "with_it", "without"), OF_COLUMNS, ids=[one[0] for one in OF_COLUMNS])
def test_a_surprise_of_every_framework(said, with_it, without):
    assert said in texts(columns=with_it) and said not in texts(columns=without)


@pytest.mark.parametrize(
    ("name", "entry", "said", "with_it", "without"), OF_OPTIONS, ids=[one[2] for one in OF_OPTIONS]
)
def test_a_surprise_of_one_framework(name, entry, said, with_it, without):
    assert said in texts(name, entry, with_it) and said not in texts(name, entry, without)
    assert said not in texts("other", entry, with_it)


def test_surprises_that_need_columns_too():
    """TRL's reference, RLOO's ratio, verl's group of one, and what OpenRLHF does not read."""
    assert "loaded again" in texts("trl", "GRPOConfig", columns={"kl_place": "loss"}) and "loaded again" in texts(
        "trl", "DPOConfig"
    )
    assert "loaded again" not in texts("trl", "GRPOConfig", columns={"kl_place": None})
    assert "the product over their tokens" in texts("trl", "RLOOConfig") and "the product over" not in texts(
        "trl", "GRPOConfig"
    )
    assert "keeps the raw reward" in texts("verl", "", {"algorithm.adv_estimator": "grpo"}, {"group_size": 1})
    assert "raw reward" not in texts("verl", "", {"algorithm.adv_estimator": "gae"}, {"group_size": 1})
    no_std = {"--algo.advantage.no_std_norm": True}
    assert "no_std_norm changes nothing" in texts("openrlhf", "", no_std, {"advantage": "group"})
    assert "no_std_norm changes nothing" not in texts("openrlhf", "", no_std, {"advantage": "gae"})
    rows = {"--actor.loss_agg_mode": "seq-mean-token-mean"}
    assert "stays a mean over tokens" in texts("openrlhf", "", rows, {"kl_place": "loss"})
    assert "stays a mean over tokens" not in texts("openrlhf", "", rows, {"kl_place": "reward"})


def calls() -> list[ast.Call]:
    """Every surprise in the source."""
    trees = [ast.parse(inspect.getsource(module)) for module in (general, own)]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    return [
        node
        for node in nodes
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Surprise"
    ]


def test_every_surprise_is_in_a_test_here():
    assert len(calls()) == len(OF_COLUMNS) + len(OF_OPTIONS) + 5


def test_every_lesson_is_a_section_that_there_is():
    for call in calls():
        notebook, section = (ast.literal_eval(argument) for argument in call.args[1:])
        cells = json.loads((ROOT / "notebooks" / f"{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
        assert re.search(rf"^## {section} ", text, re.MULTILINE), f"{notebook} has no section {section}"


def test_a_surprise_names_its_lesson():
    (one,) = surprises_of("other", "", {}.get, {"tool_loss": True, "advantage": "gae"})
    assert one.lesson == "notebooks/09_tool_use.ipynb, section 7"
