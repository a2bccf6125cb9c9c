"""Logs that the frameworks wrote, in fixtures/ (record_logs.py made them), and logs with their names."""

import json
import math
from pathlib import Path

import pytest

from reference.doctor.diagnose import diagnose
from reference.doctor.logs import read_log
from reference.doctor.report import report

FIXTURES = Path(__file__).parent / "fixtures"


def history(name):
    return json.loads((FIXTURES / name).read_text())["log_history"]


def jsonl(tmp_path, *rows):
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_grpo_with_a_kl_and_two_passes():
    log, rows = read_log(FIXTURES / "trl_grpo.json"), history("trl_grpo.json")
    assert log.framework == "trl" and log.steps == (1, 2, 3, 4)
    assert log.scalars["reward"][0] == rows[0]["reward"] == 0.375
    assert math.isnan(log.scalars["reward"][1])  # the second pass over the same completions
    assert log.scalars["kl_ref"] == tuple(row["kl"] for row in rows[:4])
    assert log.named["clip_frac"] == "clip_ratio/region_mean" and "ratio" not in log.scalars
    assert "reward_std" not in log.scalars and log.scalars["reward_spread"][0] == rows[0]["reward_std"]


def test_the_row_at_the_end_of_training_holds_the_scalars_of_the_steps_that_were_left():
    log, rows = read_log(FIXTURES / "trl_grpo_two.json"), history("trl_grpo_two.json")
    assert "train_runtime" in rows[-1] and log.steps == (2, 4, 5)
    assert log.scalars["reward"] == tuple(row["reward"] for row in rows)
    assert math.isnan(log.scalars["policy_loss"][2])  # train_loss is the mean over the whole run
    assert any(note.startswith("A row stands for 2 steps") for note in log.notes)
    assert log.scalars["dead_groups"] == (0.25, 0.0, 0.5)


def test_rloo_does_not_see_dead_groups_once_there_is_a_kl():
    rows, log = history("trl_rloo.json"), read_log(FIXTURES / "trl_rloo.json")
    assert [row["frac_reward_zero_std"] for row in rows[:3]] == [0.5, 0.0, 0.0] and rows[0]["kl"] == 0
    assert "dead_groups" not in log.scalars and "dead_groups" not in log.named
    assert any("as RLOO writes it" in note for note in log.notes)


def test_dpo_starts_at_ln_2_and_its_rewards_are_times_beta():
    log = read_log(FIXTURES / "trl_dpo.json")
    assert log.scalars["loss"][0] == pytest.approx(math.log(2), abs=1e-6)
    assert log.named["reward_margin"] == "rewards/margins" and "margin" not in log.scalars
    # one kind of pair, so that the mean loss is the loss of the mean margin
    assert log.scalars["loss"] == pytest.approx(
        [math.log1p(math.exp(-m)) for m in log.scalars["reward_margin"]], abs=1e-4
    )
    assert log.scalars["accuracy"] == (0, 1, 1)


def test_kto_has_a_reference_point_that_is_no_kl_per_token():
    log = read_log(FIXTURES / "trl_kto.json")
    assert log.named["kto_kl"] == "kl" and "kl_ref" not in log.scalars and "accuracy" not in log.scalars


def test_a_reward_model_has_a_margin_of_rewards():
    log = read_log(FIXTURES / "trl_reward.json")
    assert log.named["margin"] == "margin" and log.scalars["accuracy"] == (0, 1, 1)
    assert "reward" not in log.scalars


def test_evaluations_between_the_rows_of_sft_are_no_steps():
    rows, log = history("trl_sft.json"), read_log(FIXTURES / "trl_sft.json")
    assert any("eval_loss" in row for row in rows) and log.steps == (2, 4)
    assert log.scalars["loss"] == tuple(row["loss"] for row in rows if "loss" in row)
    assert log.named["token_accuracy"] == "mean_token_accuracy" and log.framework == "trl"


def test_of_a_folder_of_checkpoints_the_newest_is_read(tmp_path):
    for step, rows in ((5, 1), (10, 2)):
        (tmp_path / f"checkpoint-{step}").mkdir()
        state = {
            "log_history": [{"step": n + 1, "loss": 1.0, "learning_rate": 0.1, "grad_norm": 1.0} for n in range(rows)]
        }
        (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text(json.dumps(state))
    log = read_log(tmp_path)
    assert log.steps == (1, 2) and "The log of this folder is checkpoint-10/trainer_state.json." in log.notes
    assert read_log(tmp_path / "checkpoint-5").steps == (1,)


def test_logs_of_what_builds_on_the_trainer(tmp_path):
    swift = {"loss": 0.5, "grad_norm": 1.0, "learning_rate": 1e-4, "token_acc": 0.75, "global_step/max_steps": "3/10"}
    log = read_log(jsonl(tmp_path, swift))
    assert log.steps == (3,) and log.scalars["token_accuracy"] == (0.75,)
    old = {
        "step": 1,
        "loss": 0.01,
        "reward": 0.5,
        "kl": 0.1,
        "learning_rate": 1e-6,
        "epoch": 0.1,
        "completion_length": 9,
    }
    assert set(read_log(jsonl(tmp_path, old)).scalars) == {"policy_loss", "reward", "kl_ref", "learning_rate", "length"}
    factory = {
        "current_steps": 5,
        "total_steps": 10,
        "loss": 0.5,
        "lr": 1e-4,
        "accuracy": 0.6,
        "elapsed_time": "0:00:01",
    }
    log = read_log(jsonl(tmp_path, factory, {"current_steps": 10, "total_steps": 10, "eval_loss": 0.5}))
    assert log.framework == "trl" and log.steps == (5,)
    assert log.scalars == {"loss": (0.5,), "learning_rate": (1e-4,), "reward_accuracy": (0.6,)}


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ({"accuracy": 0.6}, "preferences"),  # only DPO and its relatives have the scalar that LLaMA-Factory calls so
        ({}, "its scalars do not tell the kind of run"),  # fine-tuning, pre-training and a reward model look alike
    ],
)
def test_the_report_of_llama_factory_s_log_begins_with_the_kind_of_run_or_says_that_it_cannot_tell(
    tmp_path, more, wanted
):
    rows = [{"current_steps": step, "total_steps": 4, "loss": 0.5, "lr": 1e-4, **more} for step in range(1, 5)]
    assert report(diagnose(read_log(jsonl(tmp_path, *rows)))).split(": ", 1)[1].startswith(f"{wanted}, 4 steps, 1 to 4")


@pytest.mark.parametrize("name", ["verl.jsonl", "verl_console.txt"])
def test_file_and_console_of_verl(name):
    log = read_log(FIXTURES / name)
    assert log.framework == "verl" and log.steps == (1, 2, 3)
    assert log.scalars["reward"] == (0.25, 0.5, 0.75)  # 1, 2 and 3 of 4 completions have a score of 1
    assert log.scalars["advantage_mean"] == (0.5, 0.5, 0.5) and log.scalars["length"] == (3.5, 3.5, 3.5)
    assert log.scalars["ppo_kl_k1"] == (-0.01, -0.01, -0.01) and "approx_kl" not in log.scalars
    assert math.isnan(log.scalars["grad_norm"][2])  # NaN, which the file holds as null
    assert "grad_norm is no finite number at 1 step, the first 3." in log.notes
    assert log.scalars["truncated"] == (0.25, 0.25, 0.25)


def test_verl_s_share_of_the_longest_is_not_that_of_truncated_ones(tmp_path):
    row = {"step": 1, "data": {"response_length/clip_ratio": 0.25, "training/num_turns/mean": 2, "actor/lr": 1e-6}}
    log = read_log(jsonl(tmp_path, row))
    assert log.scalars == {"longest_share": (0.25,), "learning_rate": (1e-6,)}
    assert log.named["longest_share"] == "response_length/clip_ratio"
    assert [("full budget" in note, "longest of the batch" in note) for note in log.notes].count((False, True)) == 1


def test_numbers_as_numpy_2_prints_them_and_lines_of_others_between(tmp_path):
    path = tmp_path / "console.txt"
    path.write_text("(TaskRunner pid=7) step:3 - actor/lr:np.float64(1e-06) - actor/entropy:0.25\nother\n")
    log = read_log(path)
    assert log.steps == (3,) and log.scalars == {"learning_rate": (1e-6,), "entropy": (0.25,)}


def test_openrlhf_of_wandb(tmp_path):
    path = tmp_path / "wandb.csv"
    path.write_text(
        '"Step","train/global_step","my - run - train/ppo_kl","my - run - train/logprobs_diff","my - run - train/kl",'
        '"my - run - train/kl__MIN","my - run - train/kl__MAX","my - run - train/group_reward_std"\n'
        "0,1,0.0,0.0,0.0,0,0,0.5\n7,2,-0.001,0.01,0.02,0,0,0.25\n"
    )
    log = read_log(path)
    assert log.framework == "openrlhf" and log.steps == (1, 2)  # not wandb's count of its calls
    assert log.scalars == {
        "ppo_kl_k1": (0, -0.001), "kl_k1": (0, 0.01), "kl_ref": (0, 0.02), "reward_std": (0.5, 0.25),
    }  # fmt: skip


def test_a_kl_that_openrlhf_and_nemo_did_not_measure_is_not_read(tmp_path):
    rows = [{"train/global_step": n, "train/kl": 0.0, "train/logprobs_diff": 0.0, "train/ppo_kl": 0.1} for n in (1, 2)]
    log = read_log(jsonl(tmp_path, *rows))
    assert set(log.scalars) == {"ppo_kl_k1"} and any("no reference is loaded" in note for note in log.notes)
    log = read_log(jsonl(tmp_path, {"step": 1, "train": {"kl_penalty": 0, "probs_ratio": 1.0, "approx_entropy": 2.0}}))
    assert set(log.scalars) == {"ratio", "entropy"} and any("without a penalty" in note for note in log.notes)


def test_nemo_s_sums_over_the_optimizer_steps_of_a_row_are_divided(tmp_path):
    row = {"probs_ratio": 4.02, "approx_entropy": 2.0, "kl_penalty": 0.04, "num_valid_samples": 512, "reward": 0.5}
    row |= {"global_valid_seqs": 128, "grad_norm": 1.5, "loss": 0.4}
    log = read_log(jsonl(tmp_path, {"step": 1, "train": row}))
    assert log.framework == "nemo"
    assert {name: values[0] for name, values in log.scalars.items()} == pytest.approx(
        {"ratio_mean": 1.005, "entropy": 0.5, "kl_ref": 0.01, "reward": 0.5, "grad_norm": 1.5, "policy_loss": 0.1}
    )
    row |= {"num_valid_samples": 128, "probs_ratio": 1.0}
    assert read_log(jsonl(tmp_path, {"step": 1, "train": row})).scalars["ratio"] == (1.0,)
    assert "ratio" not in read_log(jsonl(tmp_path, {"step": 1, "train": row | {"probs_ratio": -0.5}})).scalars


def test_nemo_s_dpo_has_no_beta_in_its_rewards(tmp_path):
    row = {
        "loss": 0.6,
        "preference_loss": 0.6,
        "accuracy": 1.0,
        "rewards_chosen_mean": 0.5,
        "rewards_rejected_mean": -0.5,
    }
    log = read_log(jsonl(tmp_path, {"step": 1, **{f"train/{name}": value for name, value in row.items()}}))
    assert log.scalars["chosen"] == (0.5,) and log.scalars["rejected"] == (-0.5,)
    del row["preference_loss"]  # a reward model, whose rewards are the head's
    log = read_log(jsonl(tmp_path, {"step": 1, **row, "global_valid_toks": 9}))
    assert "chosen" not in log.scalars and log.scalars["chosen_reward"] == (0.5,)


def test_skyrl(tmp_path):
    row = {"reward/avg_raw_reward": 0.5, "policy/loss_metrics/clip_ratio": 0.1, "policy/response_length": 512.0}
    row |= {"generate/avg_num_tokens": 100.0, "loss/avg_final_rewards": 0.4, "trainer/global_step": 3}
    log = read_log(jsonl(tmp_path, row))
    assert log.framework == "skyrl" and log.steps == (3,)
    assert log.scalars == {"reward": (0.5,), "reward_after_kl": (0.4,), "length": (100.0,), "clip_frac": (0.1,)}
