"""Runs that a reward model rewards: started, resumed, recorded, refused."""

import json
import os
import random
import shutil

import pytest
import torch
from small_runs import TINY, assert_same_run, refusal, write_config

from reference.__main__ import main
from reference.algorithms.pairs import encode_pairs
from reference.algorithms.reward_model import load_reward_model
from reference.evaluation.by_length import Bucket
from reference.runs.best_of_n import Samples, right_against_wrong, same_for_equal
from reference.runs.folder import read_metrics
from reference.runs.record import record, starts_of, with_starts
from reference.world.model import BASE
from reference.world.tasks import draw_problem
from reference.world.weights import fingerprint

REWARDED = ["--kl-place", "measure", *TINY]
OF_PAIRS = [*TINY[:8], "--device", "cpu"]  # measured on pairs: no samples


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    """The run of a reward model, two steps on what people prefer."""
    run = tmp_path_factory.mktemp("judge") / "run"
    few = ["--raters", "people", "--pool", "8", "--steps", "2", "--max-new-tokens", "48"]
    assert main(["train", "reward-model", "--out", str(run), *OF_PAIRS, *few]) == 0
    return run


def test_the_experiments_that_a_command_needs():
    assert starts_of("grpo --seed 0") == {}
    assert starts_of("tool-rl --model {a} --seed 0") == {"model": ["a"]}
    assert starts_of("grpo --reward {b} --model {a}") == {"reward": ["b"], "model": ["a"]}
    assert starts_of("{a} --prompt bare") == {"model": ["a"]}
    assert starts_of("grpo --reward {b} {c} --model {a} --steps 2") == {"reward": ["b", "c"], "model": ["a"]}


def test_both_are_recorded_first_unless_their_models_are_there(tmp_path):
    experiments = {"last": "grpo --reward {b} --model {a}", "b": "reward-model --model {a}", "a": "sft"}
    assert with_starts(["last"], experiments, tmp_path) == ["a", "b", "last"]
    (tmp_path / ".models" / "a").mkdir(parents=True)
    assert with_starts(["last"], experiments, tmp_path) == ["b", "last"]
    several = {"last": "grpo --reward {a} {b} {c}", **dict.fromkeys("bc", "reward-model")}
    assert with_starts(["last"], several, tmp_path) == ["b", "c", "last"]


@pytest.mark.slow
def test_a_run_names_its_reward_model_logs_both_and_goes_on_bit_for_bit(judge, tmp_path, capsys):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    command = ["train", "grpo", "--reward", os.path.relpath(judge), *REWARDED]
    assert main([*command, "--out", str(whole), "--steps", "2"]) == 0
    assert main([*command, "--out", str(parts), "--steps", "1"]) == 0
    assert main(["train", "grpo", "--resume", str(parts), "--steps", "2"]) == 0
    assert_same_run(whole, parts)
    row = read_metrics(whole)[-1]
    assert {"reward", "proxy", "kl_k1", "kl_k3"} <= row.keys() and 0 <= row["reward"] <= 1
    config = json.loads((parts / "config.json").read_text())
    named = config["reward"]
    assert named == os.path.realpath(judge / "checkpoints" / "step-000002")
    assert config["weights"] == {"model": [fingerprint(BASE)], "reward": [fingerprint(named)]}
    assert f"reward   {named}" in capsys.readouterr().out


@pytest.mark.slow
def test_a_recorded_run_names_the_experiment_that_rewarded_it(tmp_path):
    experiments = {
        "judge-seed-0": " ".join(["reward-model", *OF_PAIRS, "--pool", "8", "--steps", "2", "--raters", "people"]),
        "run-seed-0": " ".join(["grpo", "--reward", "{judge-seed-0}", "--steps", "1", *TINY]),
    }
    assert record(["run"], experiments, tmp_path, main) == 0
    config = json.loads((tmp_path / "run-seed-0" / "config.json").read_text())
    assert config["reward"] == "{judge-seed-0}" and "weights" not in config
    assert "proxy" in read_metrics(tmp_path / "run-seed-0")[0]


@pytest.fixture(scope="module")
def other(judge, tmp_path_factory):
    """A folder of another reward model: the same with other weights in its head."""
    place = tmp_path_factory.mktemp("other") / "model"
    shutil.copytree(
        judge / "checkpoints" / "step-000002", place, ignore=shutil.ignore_patterns("state.pt", "checksums*")
    )
    model = load_reward_model(place)
    torch.nn.init.normal_(model.score.weight, generator=torch.Generator().manual_seed(1))
    model.save_pretrained(place)
    return place


@pytest.mark.slow
def test_a_run_names_all_its_reward_models_and_goes_on_bit_for_bit(judge, other, tmp_path, capsys):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    command = ["train", "grpo", "--reward", str(judge), str(other), "--ensemble", "worst", *REWARDED]
    assert main([*command, "--out", str(whole), "--steps", "2"]) == 0
    assert main([*command, "--out", str(parts), "--steps", "1"]) == 0
    assert main(["train", "grpo", "--resume", str(parts), "--steps", "2"]) == 0
    assert_same_run(whole, parts)
    assert read_metrics(whole)[-1]["proxy_spread"] > 0
    config = json.loads((whole / "config.json").read_text())
    members = [os.path.realpath(judge / "checkpoints" / "step-000002"), os.path.realpath(other)]
    assert (config["reward"], config["ensemble"]) == (members, "worst")
    assert f"reward   worst of {', '.join(members)}" in capsys.readouterr().out

    on_trl = refusal(capsys, *command, "--engine", "trl", "--out", str(tmp_path / "trl"))
    assert f"reward is the reward models {', '.join(members)}, which TRL is not given here" in on_trl
    refused = ["train", "grpo", "--resume", str(parts), "--steps", "3"]
    for reward, words in (
        (["{judge-seed-0}", members[1]], "is rewarded by the model of the experiment judge-seed-0, which is not here"),
        ([members[0], str(tmp_path / "gone")], "there is no folder of a reward model at"),
        ([members[0]], "config.json: reward is"),
        ([members[0], 3], "config.json: reward is"),
    ):
        (parts / "config.json").write_text(json.dumps(config | {"reward": reward}))
        assert words in refusal(capsys, *refused)


@pytest.mark.slow
def test_a_recorded_run_names_all_experiments_that_rewarded_it(tmp_path):
    of_judge = " ".join(["reward-model", *OF_PAIRS, "--pool", "8", "--steps", "2", "--raters", "people"])
    experiments = {f"judge-seed-{seed}": f"{of_judge} --seed {seed}" for seed in (0, 1)}
    experiments["run-seed-0"] = " ".join(
        ["grpo", "--reward", "{judge-seed-0}", "{judge-seed-1}", "--steps", "1", *TINY]
    )
    assert record(["run"], experiments, tmp_path, main) == 0
    config = json.loads((tmp_path / "run-seed-0" / "config.json").read_text())
    assert (config["reward"], config["ensemble"]) == (["{judge-seed-0}", "{judge-seed-1}"], "mean")


def test_several_that_are_no_reward_models_or_one_twice_are_refused(capsys, tmp_path):
    out = ["--out", str(tmp_path / "run")]
    (tmp_path / "a").mkdir()
    for rewards, words in (
        (["success", "rubric"], "'success' is no folder of a reward model: only several reward models are combined"),
        ([str(tmp_path / "a"), "rubric"], "'rubric' is no folder of a reward model"),
        ([str(tmp_path / "a"), str(tmp_path / "." / "a") + "/"], "twice, which would count it double: name it once"),
        ([str(tmp_path / "a"), "--ensemble", "worst"], "nothing reads --ensemble here, since there is one reward"),
        ([str(tmp_path / "a"), "--ensemble", "least"], "'least' is not one of mean, worst"),
    ):
        assert words in refusal(capsys, "train", "grpo", "--reward", *rewards, *out)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_evaluate_says_what_a_reward_model_has_learned_by_length(judge, capsys):
    assert main(["evaluate", str(judge), "--problems", "12", "--show", "1", "--device", "cpu"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("the right one ") == 5 and "[preferred, reward" in printed and "[rejected, reward" in printed


@pytest.mark.slow
def test_best_of_n_prints_a_line_for_each_n_and_keeps_the_numbers(judge, tmp_path, capsys):
    few = ["--problems", "3", "--samples", "8", "--max-new-tokens", "48", "--device", "cpu"]
    out = tmp_path / "new" / "best.json"
    assert main(["best-of-n", str(judge), *few, "--out", str(out)]) == 0
    curve, by_length = capsys.readouterr().out.strip().split("\n\n")
    lines = curve.splitlines()
    found = json.loads(out.read_text())
    assert [int(line.split()[0]) for line in lines[1:]] == [1, 2, 4] == [row["n"] for row in found["rows"]]
    assert found["problems"] == 3 and found["samples"] == 8
    assert found["reward"] == judge.name and found["model"] == "base"
    assert [row["proxy"] for row in found["rows"]] == sorted(row["proxy"] for row in found["rows"])
    assert by_length.splitlines()[1:] == [str(Bucket(**bucket)) for bucket in found["by_length"]]
    assert found["rows"][0]["kl"] == pytest.approx(0, abs=1e-6) == found["rows"][0]["kl_bound"]
    assert "is there: name another file" in refusal(capsys, "best-of-n", str(judge), *few, "--out", str(out))
    few = ["--problems", "3", "--samples", "1"]
    assert "samples is 1, expected at least 2" in refusal(capsys, "best-of-n", str(judge), *few)


def test_best_of_n_samples_nothing_for_a_file_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    said = refusal(capsys, "best-of-n", str(tmp_path / "no-model"), "--out", str(tmp_path / "file" / "best.json"))
    assert str(tmp_path / "file") in said and "no-model" not in said


def test_an_interrupted_best_of_n_does_not_speak_of_resumption(monkeypatch, capsys):
    def interrupted(args):
        raise KeyboardInterrupt

    monkeypatch.setattr("reference.cli.best_of_n.choose_best", interrupted)
    assert main(["best-of-n", "anything"]) == 130
    assert capsys.readouterr().err == "\nreference: interrupted\n"


def test_a_right_and_a_wrong_sample_of_each_problem_are_compared_by_length():
    """Problem 1: right 30 tokens at 9, wrong 10 at 1. Problem 2: right 10 at 0, wrong 40 at 3. Problem 3 has no wrong one."""
    proxy = torch.tensor([[9.0, 2.0, 1.0], [3.0, 7.0, 0.0], [1.0, 2.0, 3.0]])
    gold = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 1.0, 1.0]])
    lengths = torch.tensor([[30.0, 11.0, 10.0], [40.0, 5.0, 10.0], [1.0, 1.0, 1.0]])
    buckets = right_against_wrong(Samples(proxy, gold, -proxy, lengths))
    assert [(bucket.pairs, bucket.share) for bucket in buckets] == [(1, 0.0), (0, None), (0, None), (1, 1.0), (0, None)]


@pytest.mark.slow
def test_equal_completions_have_equal_rewards_in_any_company(base):
    problems = [draw_problem(random.Random(0)), draw_problem(random.Random(1))]
    rows = encode_pairs(base[1], problems, [("1+1=2\nAnswer: 2", "Answer: 3")] * 2).completions.rows(
        torch.tensor([0, 1, 2, 0, 3, 1])
    )
    proxy = torch.tensor([0.5, 1.0, 2.0, 0.51, 3.0, 0.99])
    assert same_for_equal(proxy, rows).tolist() == [0.5, 1.0, 2.0, 0.5, 3.0, 1.0]


def test_a_name_that_is_no_reward_is_refused(capsys, tmp_path):
    said = refusal(capsys, "train", "grpo", "--reward", "sucess")
    assert "Did you mean success? The folder of a reward model may stand there too" in said
    assert "there is no folder of a reward model at" in refusal(
        capsys, "train", "grpo", "--reward", str(tmp_path / "gone")
    )


def test_a_run_of_another_kind_and_one_without_a_checkpoint_are_refused(capsys, tmp_path):
    for recipe, words in (("sft", "is a run of sft, which gives no rewards"), ("reward-model", "no checkpoint yet")):
        (tmp_path / recipe / "checkpoints").mkdir(parents=True)
        write_config(tmp_path / recipe, "train", recipe)
        assert words in refusal(capsys, "train", "grpo", "--reward", str(tmp_path / recipe))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["tool-rl"], "has read chains only, and task is 'tools'"),
        (["dapo"], "set max_rounds to 1"),
        (["grpo", "--engine", "trl"], "which TRL is not given here"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_a_reward_model_cannot_stand_for_is_refused(arguments, words, judge, capsys, tmp_path):
    out = ["--out", str(tmp_path / "run"), "--device", "cpu"]
    assert words in refusal(capsys, "train", *arguments, "--reward", str(judge), *out)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_run_whose_reward_model_is_gone_says_so_when_resumed(judge, tmp_path, capsys):
    shutil.copytree(judge, tmp_path / "judge")
    run = tmp_path / "run"
    command = ["train", "grpo", "--reward", str(tmp_path / "judge"), *REWARDED, "--steps", "1", "--out", str(run)]
    assert main(command) == 0
    shutil.rmtree(tmp_path / "judge")
    said = refusal(capsys, "train", "grpo", "--resume", str(run), "--steps", "2")
    assert "config.json: reward is" in said and "there is no folder of a reward model at" in said
    config = json.loads((run / "config.json").read_text()) | {"reward": "{judge-seed-0}"}
    (run / "config.json").write_text(json.dumps(config))
    said = refusal(capsys, "train", "grpo", "--resume", str(run), "--steps", "2")
    assert "is rewarded by the model of the experiment judge-seed-0, which is not here" in said
