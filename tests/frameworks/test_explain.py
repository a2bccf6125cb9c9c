"""Small configs whose silent defaults matter, explained: the answers are worked by hand. And the command."""

import json

import pytest

from reference.__main__ import main
from reference.algorithms.recipes import RECIPES
from reference.configs.option import UNEVALUATED
from reference.configs.read_config import read_config
from reference.frameworks.defaults import framework_named
from reference.frameworks.explain import Explanation, alike, effective, explain, kind_of, likeness, nearest_recipe
from reference.frameworks.told import told
from reference.objectives.shapes import InputError

TRL = "from trl import GRPOConfig\nconfig = GRPOConfig({})\n"
VERL = "python3 -m verl.trainer.main_ppo {}\n"


def explained(folder, name: str, text: str, framework: str | None = None) -> Explanation:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return explain(read_config(path, framework), name=name)


def trl(folder, options: str = "") -> Explanation:
    return explained(folder, "train.py", TRL.format(options))


def verl(folder, *options: str) -> Explanation:
    return explained(folder, "run.sh", VERL.format(" ".join(options)))


# --- silent defaults ---


def test_a_silent_config_of_trl_is_dapo_s_loss_without_its_clip(tmp_path):
    """GRPOConfig says nothing: dapo's mean over tokens, both clips 0.2, no KL, 8 completions, one step per rollout."""
    one = trl(tmp_path)
    expected = {"advantage": "group", "loss": "ppo_clip", "aggregation": "token_mean", "clip_low": 0.2, "clip_high": 0.2,
                "kl": None, "kl_place": None, "group_size": 8, "minibatches": 1, "dual_clip": None}  # fmt: skip
    assert {name: one.columns[name] for name in expected} == expected
    assert (
        one.differs["aggregation"] == ("sequence_mean", "token_mean")
        if one.nearest == "grpo"
        else one.nearest == "dapo"
    )
    assert any("one optimizer step per rollout" in s.text for s in one.surprises)


def test_a_silent_config_of_verl_is_ppo_with_a_dual_clip(tmp_path):
    """main_ppo says nothing: GAE and a critic, no KL, dual clip 3, group of 1, 1024 prompts in steps of 256."""
    one = verl(tmp_path, "trainer.nnodes=1")
    assert one.nearest == "ppo" and one.differs["dual_clip"] == (None, 3.0) and one.differs["kl_coef"] == (0.001, 0.0)
    assert one.columns["minibatches"] == 4 and one.columns["critic"] == "separate" and one.columns["group_size"] == 1
    assert one.columns["lr"] == 1e-6  # a text in its YAML


def test_an_estimator_alone_leaves_the_rest_to_the_defaults(tmp_path):
    one = verl(tmp_path, "algorithm.adv_estimator=grpo")
    assert one.columns["aggregation"] == "token_mean" and one.columns["critic"] is None
    assert any("raw reward" in s.text for s in one.surprises)  # rollout.n is 1
    assert one.answers["value head"] == "none"


def test_a_silent_kl_of_openrlhf_is_in_the_reward(tmp_path):
    one = explained(tmp_path, "run.sh", "python3 -m openrlhf.cli.train_ppo_ray --algo.advantage.estimator group_norm\n")
    assert (one.columns["kl"], one.columns["kl_place"], one.columns["kl_coef"]) == ("k1", "reward", 0.01)
    assert one.answers["KL"].startswith("k1 in the reward, 0.01 times")


def test_a_silent_dpo_of_trl(tmp_path):
    one = explained(tmp_path, "train.py", "from trl import DPOConfig\nconfig = DPOConfig()\n")
    assert (one.nearest, one.differs) == ("dpo", {}) and one.answers["beta"].startswith("0.1: ")
    assert one.answers["advantage"].startswith("none: no policy gradient")


def test_a_silent_grpo_of_nemo_rl_takes_the_std_of_the_others(tmp_path):
    one = explained(tmp_path, "grpo.yaml", "grpo:\n  max_num_steps: 5\nloss_fn:\n  ratio_clip_max: 0.28\n")
    assert one.columns["advantage"] == "group_of_others" and one.columns["clip_high"] == 0.28
    assert one.columns["kl"] == "k3_unbiased" and one.columns["kl_coef"] == 0.01  # 32 x 16 rows in one step of 512


# --- what is not understood ---


def test_an_option_of_another_version_is_told_with_the_nearest(tmp_path):
    one = trl(tmp_path, "num_generation=4, beta=0.1")
    assert one.strange == {"num_generation": "num_generations"} and one.columns["group_size"] == 8


def test_an_option_that_is_given_twice_counts_once_and_is_noted(tmp_path):
    one = verl(tmp_path, "actor_rollout_ref.rollout.n=4", "actor_rollout_ref.rollout.n=8")
    assert one.columns["group_size"] == 8
    assert any("actor_rollout_ref.rollout.n is given twice" in note for note in one.notes)


def test_a_value_that_the_shell_computes_is_known_later(tmp_path):
    one = explained(tmp_path, "run.sh", VERL.format("actor_rollout_ref.rollout.n=$N algorithm.adv_estimator=grpo"))
    assert one.columns["group_size"] is UNEVALUATED and "group_size" not in one.differs
    (setting,) = [s for s in one.settings if s.cell.option == "actor_rollout_ref.rollout.n"]
    assert not setting.known and "not known before it runs" in setting.words


def test_a_version_that_is_not_recorded_is_refused(tmp_path):
    path = tmp_path / "a.py"
    path.write_text(TRL.format(""))
    with pytest.raises(InputError, match=r"TRL 0\.1 is not recorded, only"):
        explain(read_config(path), version="0.1")


# --- which recipe is nearest ---


@pytest.mark.parametrize(
    ("entry", "kind"),
    [("GRPOConfig", "rl"), ("RLOOConfig", "rl"), ("DPOConfig", "preference"), ("KTOConfig", "preference"), ("CPOConfig", "preference"),
     ("SFTConfig", "sft"), ("RewardConfig", "reward-model"), ("run_dpo.py", "preference"), ("run_grpo.py", "rl"), ("main_sft", "sft"),
     ("RWTrainer", "reward-model"), ("supervised", "sft"), ("rl: kto", "preference"), ("megatron dpo", "preference"), ("", "rl")],
)  # fmt: skip
def test_what_a_trainer_does_is_in_its_name(entry, kind):
    assert kind_of(entry) == kind


def test_a_recipe_is_nearest_to_itself_and_differs_in_what_is_changed():
    gspo = {"advantage": "group", "loss": "gspo", "aggregation": "sequence_mean", "clip_high": 4e-4, "kl_place": None}
    assert nearest_recipe(gspo, "rl") == ("gspo", {})
    assert nearest_recipe(gspo | {"clip_low": 0.2}, "rl") == ("gspo", {"clip_low": (3e-4, 0.2)})


def test_what_nobody_can_name_is_none_of_ours():
    nearest, differs = nearest_recipe({"loss": "gspo", "aggregation": "sequence_mean"}, "rl")
    assert nearest == "gspo" and differs == {"advantage": ("group", "one without a name here")}


def test_the_shape_is_weighed():
    """GRPO: advantage 4 and loss 4, no critic 2, aggregation 1; half of the 4 for an advantage that is nearly it."""
    columns = {
        "advantage": "group",
        "loss": "ppo_clip",
        "critic": None,
        "aggregation": "sequence_mean",
        "clip_low": 0.2,
    }
    assert likeness(RECIPES["grpo"], columns, "rl") == (11, 1)
    assert likeness(RECIPES["grpo"], columns | {"advantage": "group_of_others"}, "rl") == (9, 1)
    assert likeness(RECIPES["dr-grpo"], columns, "rl") == (6, 1)


def test_a_kl_of_weight_0_is_none_and_no_discount_is_1():
    assert effective(RECIPES["grpo"], "kl") is None and effective(RECIPES["rloo"], "kl") == "k1"
    assert effective(RECIPES["grpo"], "gamma") == 1.0
    assert effective(RECIPES["simpo"], "average_logprobs") and not effective(RECIPES["dpo"], "average_logprobs")


def test_numbers_are_alike_up_to_rounding():
    assert alike(0.1 + 0.2, 0.3) and not alike(0.3, 0.31) and alike("a", "a") and not alike(None, 0.0) and alike(1.0, 1)


# --- the command ---


def test_the_command_explains(tmp_path, capsys):
    path = tmp_path / "run.sh"
    path.write_text(VERL.format("algorithm.adv_estimator=grpo actor_rollout_ref.rollout.n=8"))
    assert main(["explain", str(path)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"run.sh: verl {framework_named('verl').version}, main_ppo\nnearest recipe: ")
    assert main(["explain", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["columns"]["group_size"] == 8 and found["entry"] == "main_ppo"


def test_two_configs_are_compared(tmp_path, capsys):
    one, other = tmp_path / "a.sh", tmp_path / "b.py"
    one.write_text(VERL.format("algorithm.adv_estimator=grpo actor_rollout_ref.rollout.n=8"))
    other.write_text(TRL.format("num_generations=8, beta=0.1"))
    assert main(["explain", str(one), str(other)]) == 0
    said = capsys.readouterr().out
    assert "a.sh (verl)" in said and "b.py (TRL)" in said and "kl_coef" in said.split("the same in both")[0]
    assert "group_size" in said.split("the same in both")[1]
    assert main(["explain", str(one), str(other), "--json"]) == 0
    assert [each["framework"] for each in json.loads(capsys.readouterr().out)] == ["verl", "trl"]


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.sh", b"", "is empty"),
        ("a.sh", b"\x7fELF\0", "is binary"),
        ("a.yaml", b"#" * (4 * 2**20 + 1), "more than 4 MB"),
        ("a.py", b"from trl import GRPOConfig\nGRPOConfig(\n", "is not Python that can be read"),
        ("a.yaml", b"grpo: [1, 2\n", "in line"),
        ("a.ipynb", b'{"cells": [1]}', "not a notebook that can be read"),
        ("a.yaml", b"colour: red\n", "name one with --framework"),
        ("a.py", b"from trl import GKDConfig\nGKDConfig(beta=1)\n", "this config is for GKDConfig"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(name, data, said, tmp_path, capsys):
    path = tmp_path / name
    path.write_bytes(data)
    assert main(["explain", str(path)]) == 2
    told = capsys.readouterr()
    assert said in told.err and told.err.startswith("reference: ") and told.err.count("\n") == 1 and told.out == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["gone.sh"], "there is no file"),
        (["a.py", "--framework", "trlx"], "--framework trlx is not known"),
        (["a.py", "--framework-version", "9.9"], "TRL 9.9 is not recorded"),
        (["a.py", "a.py", "a.py"], "one config, or two to compare: 3 were given"),
    ],
)
def test_a_wrong_call_is_one_sentence(arguments, said, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.py").write_text(TRL.format("beta=0.1"))
    assert main(["explain", *arguments]) == 2
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1


def test_a_notebook_is_explained(tmp_path, capsys):
    cells = [{"cell_type": "code", "source": TRL.format("num_generations=4"), "metadata": {}, "outputs": []}]
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    assert main(["explain", str(path)]) == 0
    assert "completions per prompt: 4" in capsys.readouterr().out


def test_what_the_table_has_no_line_about_is_no_difference():
    _, differs = nearest_recipe({"loss": "ppo_clip"}, "rl", slots=("ratio",))
    assert "advantage" not in differs and "aggregation" not in differs


def test_a_recipe_is_not_guessed_where_its_advantage_is_known_later(tmp_path):
    one = explained(tmp_path, "run.sh", VERL.format("algorithm.adv_estimator=$ESTIMATOR"))
    assert one.nearest is None and one.differs == {}
    assert "depends on what is known only when it runs: advantage" in told(one)
