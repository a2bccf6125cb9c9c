"""Run folders whose files were edited or damaged: each is named in one sentence, and nothing is changed by asking."""

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from model_folders import change_json
from small_runs import last_weights, metrics_without_seconds, refusal, write_config

from reference.__main__ import main, parser
from reference.algorithms.checks import require_rl
from reference.algorithms.limits import require_limits
from reference.algorithms.recipes import recipe_from
from reference.algorithms.unread_options import without_unread
from reference.cli.parser import command_parser
from reference.cli.resume import parse_options
from reference.evaluation.accuracy import Accuracy
from reference.evaluation.tool_use import ToolUse
from reference.lessons import EXPERIMENTS
from reference.objectives.shapes import InputError
from reference.runs.files import read_json, write_atomically
from reference.runs.folder import read_metrics, read_options, require_log, rewind_metrics
from reference.runs.measure import read_accuracy
from reference.runs.proxy import is_proxy, named

DEEP = "[" * 100_000


def options_of_run(capsys, run) -> str:
    return refusal(capsys, "train", "grpo", "--resume", str(run))


# ---- config.json -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", ["steps", "seed", "model", "lr", "kl", "bf16", "save_every", "eval_samples"])
def test_an_option_that_is_missing_is_not_taken_from_the_defaults(mine, capsys, name):
    # without "steps" the run used to go on to 40
    options = json.loads((mine / "config.json").read_text())
    del options[name]
    (mine / "config.json").write_text(json.dumps(options))
    assert f"config.json does not say what {name} is: restore it, or start a new run" in options_of_run(capsys, mine)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("steps", "a", "steps is \"a\", and 'a' is not a number"),
        ("steps", "6", 'steps is "6", which is no value for it'),
        ("steps", 3.5, "steps is 3.5, and 3.5 is not a whole number"),
        ("steps", True, "steps is true, and"),
        ("steps", 0, "steps is 0, and 0 is not above 0"),
        ("steps", None, "steps is null, and"),
        ("seed", -1, "seed is -1, and -1 is not a seed"),
        ("lr", float("inf"), "lr is Infinity, and Infinity is not finite"),
        ("lr", float("nan"), "lr is NaN, and NaN is not finite"),
        ("lr", 10**400, "lr is 1000"),
        ("kl_coef", None, "kl_coef is null, and"),
        ("kl", "k9", "kl is \"k9\", and 'k9' is not one of k1, k2, k3, abs, k3_unbiased, none"),
        ("kl", 3, "kl is 3, and '3' is not one of"),
        ("loss", "dpo", "loss is \"dpo\", and 'dpo' is not one of reinforce, ppo_clip, gspo, cispo"),
        ("advantage", None, "advantage is null, and"),
        ("engine", "other", 'engine is "other", which is no value for it'),
        ("bf16", "yes", 'bf16 is "yes", which is not true or false'),
        ("bf16", 1, "bf16 is 1, which is not true or false"),
        ("model", "", 'model is "", and the name is empty'),
        ("model", 3, "model is 3, which is no value for it"),
        ("model", ["base"], 'model is ["base"], which is no value for it'),
        ("device", None, "device is null, which is no value for it"),
        ("group_size", {"a": 1}, 'group_size is {"a": 1}, and'),
        ("colour", 1, "has colour, which is no option of grpo"),
        ("recipe", 3, "names no recipe"),
        ("recipe", ["grpo"], "names no recipe"),
        ("recipe", "dapo", "is a run of dapo, not of grpo"),
    ],
)
def test_a_bad_value_is_named_with_its_file_and_not_as_an_argument(mine, capsys, name, value, why):
    change_json(mine / "config.json", **{name: value})
    message = options_of_run(capsys, mine)
    assert why in message and "argument --" not in message
    assert "config.json" in message or "is a run of dapo" in message


def test_values_that_a_reader_may_have_rewritten_are_fine(mine):
    from reference.__main__ import parser
    from reference.cli.resume import options_of_run as with_options

    change_json(mine / "config.json", gamma=1, kl="k2", dual_clip=None)  # 1 for 1.0
    args = with_options(parser().parse_args(["train", "grpo", "--resume", str(mine)]), {"resume"}, parser())
    assert (args.gamma, args.kl, args.dual_clip, args.steps) == (1.0, "k2", None, 4)


def test_a_number_that_nothing_reads_in_the_config_of_an_older_run_is_passed_over(mine, monkeypatch):
    from reference.runs import launch

    asked = []
    monkeypatch.setattr(launch, "run_recipe", lambda recipe, options, **_: asked.append(recipe) or True)
    options = read_options(mine) | {"gamma": 1.0, "gae_lambda": 1.0, "critic_lr": 0.001, "clip_low": 0.1}
    (mine / "config.json").write_text(json.dumps(options))
    assert main(["train", "grpo", "--resume", str(mine)]) == 0
    (recipe,) = asked
    assert (recipe.gamma, recipe.gae_lambda, recipe.critic_lr, recipe.clip_low) == (None, None, None, 0.1)


@pytest.mark.parametrize(("recipe", "told"), [("grpo", False), ("tool-rl", True)])
def test_the_options_of_tools_may_be_missing_in_an_older_run_but_not_in_one_with_tools(recipe, told):
    train = command_parser(parser(), ["train", recipe])
    options = {action.dest: action.default for action in train._actions} | {"recipe": recipe}
    for name in ("task", "help", "out", "resume"):
        del options[name]
    if told:  # it would go on with chains
        with pytest.raises(InputError, match="does not say what task is: restore it"):
            parse_options(options, Path("config.json"), train)
    else:
        assert parse_options(options, Path("config.json"), train)["task"] == "chains"


def test_a_recorded_run_that_starts_with_another_is_made_again_by_record(tmp_path, capsys):
    run = tmp_path / "tools-sft-dpo-rl-seed-0"
    run.mkdir()
    write_config(run, "train", "tool-rl", model="{tool-dpo-seed-0}")
    message = refusal(capsys, "train", "tool-rl", "--resume", str(run))
    assert f"{run} starts with the model of the experiment tool-dpo-seed-0, which is not here" in message
    assert "python -m reference record tools-sft-dpo-rl-seed-0 makes both again" in message


RECORDED = sorted(path.parent for path in (Path(__file__).parents[2] / "figures" / "runs").glob("*-seed-*/config.json"))


@pytest.mark.parametrize("run", RECORDED, ids=lambda run: run.name)
def test_the_config_of_every_recorded_run_is_still_a_recipe(run):
    options = read_options(run)
    known = parse_options(options, run / "config.json", command_parser(parser(), ["train", options["recipe"]]))
    recipe = without_unread(recipe_from({**known, "recipe": options["recipe"]}))
    if is_proxy(recipe):  # the reward models of experiments, which lie where they were recorded
        assert all(name.strip("{}") in EXPERIMENTS for name in named(recipe))
        recipe = replace(recipe, reward="success", ensemble="mean")
    if recipe.teacher is not None:
        assert recipe.teacher.strip("{}") in EXPERIMENTS
        recipe = replace(recipe, teacher=torch.nn.Identity())
    require_limits(recipe)
    if recipe.kind == "rl":
        require_rl(recipe, object(), object())


@pytest.mark.parametrize("text", [DEEP, "{", "\udcff", "", "nul"])
def test_what_is_not_json_is_told_as_such(mine, capsys, text):
    (mine / "config.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert "config.json is damaged: restore it" in options_of_run(capsys, mine)


# ---- metrics.jsonl ---------------------------------------------------------------------------------------------------


def log(run, *lines: str, end: str = "\n") -> None:
    (run / "metrics.jsonl").write_text("\n".join(lines) + end)


def row(step, **values) -> str:
    return json.dumps({"step": step, "reward": 0.5, **values})


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("null", "not the numbers of a step"),
        ("7", "not the numbers of a step"),
        (DEEP, "not the numbers of a step"),
        ("{", "not the numbers of a step"),
        ('{"reward": 1}', "it names no step"),
        ('{"step": Infinity}', "its step is Infinity"),
        ('{"step": NaN}', "its step is NaN"),
        ('{"step": null}', "its step is null"),
        ('{"step": "2"}', 'its step is "2"'),
        ('{"step": 2.0}', "its step is 2.0"),
        ('{"step": true}', "its step is true"),
        ('{"step": 0}', "its step is 0"),
        ('{"step": -1}', "its step is -1"),
        (row(2, reward=None), "reward of step 2 is null, not a number"),
        (row(2, reward="high"), 'reward of step 2 is "high", not a number'),
        (row(2, reward=[1]), "reward of step 2 is [1], not a number"),
        (row(2, reward=True), "reward of step 2 is true, not a number"),
        (row(2, reward=10**400), "reward of step 2 is 1000"),
        ('{"step": 2}', "step 2 has no numbers"),
        (row(3), "step 3 comes after step 1"),
        (row(1), "step 1 comes after step 1"),
    ],
)
def test_a_line_that_is_not_the_next_step_is_named(tmp_path, bad, why):
    log(tmp_path, row(1), bad, row(3))
    with pytest.raises(InputError) as refused:
        read_metrics(tmp_path)
    assert f"metrics.jsonl is damaged at line 2 ({why}" in str(refused.value)
    log(tmp_path, row(1), bad)  # also where it is the last one: it ends like a line, so nothing cut it short
    with pytest.raises(InputError, match="damaged at line 2"):
        read_metrics(tmp_path)


@pytest.mark.parametrize("cut", ['{"step": 2, "rew', "{", '{"st', '{"step": '])
def test_a_last_line_that_a_crash_cut_short_is_left_out(tmp_path, cut):
    log(tmp_path, row(1), cut, end="")
    assert [r["step"] for r in read_metrics(tmp_path)] == [1]


def test_numbers_that_a_run_may_really_have(tmp_path):
    log(tmp_path, row(1, ratio=float("inf")), row(2, ratio=float("nan")), row(3, ratio=-2))
    assert [str(r["ratio"]) for r in read_metrics(tmp_path)] == ["inf", "nan", "-2"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["reward", "loss", "grad_norm", "seconds"])
@pytest.mark.parametrize(("text", "shown"), [("NaN", "NaN"), ("-Infinity", "-Infinity"), ("1e999", "Infinity")])
def test_a_number_that_no_run_writes_is_not_resumed_over(mine, capsys, name, text, shown):
    lines = (mine / "metrics.jsonl").read_text().splitlines()
    values = {key: value for key, value in json.loads(lines[2]).items() if key != name}
    log(mine, *lines[:2], json.dumps(values)[:-1] + f', "{name}": {text}}}', lines[3])
    message = f"metrics.jsonl is damaged at line 3 ({name} of step 3 is {shown}, and no run writes that)"
    assert message in options_of_run(capsys, mine)


def test_a_ratio_that_overflowed_is(mine):
    lines = (mine / "metrics.jsonl").read_text().splitlines()
    log(
        mine,
        lines[0],
        json.dumps({**json.loads(lines[1]), "ratio": float("inf"), "approx_kl": float("inf")}),
        *lines[2:],
    )
    require_log(mine, 4)


def test_a_hole_is_not_resumed_over(mine, capsys):
    lines = (mine / "metrics.jsonl").read_text().splitlines()
    log(mine, *lines[:1], *lines[2:])
    before = (mine / "metrics.jsonl").read_text()
    assert "metrics.jsonl is damaged at line 2 (step 3 comes after step 1)" in options_of_run(capsys, mine)
    log(mine, *lines[:3])  # whole, but the newest checkpoint is of step 4: the next line would be step 5
    assert "metrics.jsonl has no step 4, where the newest checkpoint is" in options_of_run(capsys, mine)
    log(mine, *lines)
    assert before != (mine / "metrics.jsonl").read_text()


def test_a_log_that_was_moved_away_is_begun_again_and_that_is_said(tmp_path, capsys):
    require_log(tmp_path, 10)
    assert "metrics.jsonl begins at step 11: what was logged before is gone" in capsys.readouterr().out
    log(tmp_path, row(11), row(12))
    require_log(tmp_path, 12)
    assert "begins at step 11" in capsys.readouterr().out
    log(tmp_path, row(1), row(2), row(3))
    require_log(tmp_path, 2)
    rewind_metrics(tmp_path, 2)
    assert capsys.readouterr().out == ""
    assert [r["step"] for r in read_metrics(tmp_path)] == [1, 2]
    assert json.loads((tmp_path / "metrics.old.jsonl").read_text())["step"] == 3


@pytest.mark.slow
def test_following_the_advice_works(mine, finished):
    shutil.rmtree(mine / "checkpoints" / "step-000004")
    (mine / "metrics.jsonl").rename(mine / "away.jsonl")
    assert main(["train", "grpo", "--resume", str(mine)]) == 0
    assert metrics_without_seconds(mine) == metrics_without_seconds(finished)[2:]
    assert last_weights(mine) == last_weights(finished)


# ---- accuracy.json ---------------------------------------------------------------------------------------------------

SHARES = {"sampled": 0.5, "greedy": 0.5, "pass_at_k": 1.0, "problems": 4, "samples": 2}


@pytest.mark.parametrize(
    "text",
    [
        DEEP, "{", "null", "[]", "3", '"before"', '{"before": null}', '{"before": {"x": 1}}', '{"seconds": 3}',
        '{"seconds": {"before": "long"}}', '{"seconds": {"before": null}}', '{"seconds": {"before": NaN}}',
        *(json.dumps({"before": {**SHARES, **bad}}) for bad in (
            {"sampled": None}, {"sampled": "half"}, {"sampled": float("inf")}, {"sampled": float("nan")},
            {"sampled": True}, {"greedy": [0.5]}, {"pass_at_k": 7.0}, {"pass_at_k": -0.5}, {"problems": 0}, {"problems": 10**400}, {"more": 1},
        )),
        json.dumps({"after": {k: v for k, v in SHARES.items() if k != "greedy"}}),
    ],
)  # fmt: skip
def test_a_damaged_accuracy_is_told(tmp_path, text):
    (tmp_path / "accuracy.json").write_text(text)
    with pytest.raises(InputError, match=r"accuracy.json is damaged: delete it, and the accuracy is measured again"):
        read_accuracy(tmp_path)


TOOL_USE = asdict(ToolUse(0.5, 1.0, 0.5, 0.0, 0.75, 0.25, 1.0, 0.5, 0.0, 1.5, problems=4, samples=2))


@pytest.mark.parametrize(
    "change",
    [
        {"success": 1.5},
        {"recall": 71.0},
        {"made_up": -0.1},
        {"valid": None},
        {"problems": 0},
        SHARES,
        {"recall": "all"},
    ],
)
def test_a_damaged_accuracy_of_a_run_with_tools_is_told(tmp_path, change):
    (tmp_path / "accuracy.json").write_text(json.dumps({"before": TOOL_USE}))
    assert read_accuracy(tmp_path, ToolUse) == {"before": TOOL_USE}
    (tmp_path / "accuracy.json").write_text(json.dumps({"before": TOOL_USE | change}))
    with pytest.raises(InputError, match=r"accuracy.json is damaged: delete it, and the accuracy is measured again"):
        read_accuracy(tmp_path, ToolUse)


def test_a_folder_in_the_place_of_a_file_is_told(tmp_path):
    (tmp_path / "accuracy.json").mkdir()
    with pytest.raises(InputError, match=r"accuracy.json cannot be read \(Is a directory\)"):
        read_accuracy(tmp_path)
    (tmp_path / "metrics.jsonl").mkdir()
    with pytest.raises(InputError, match=r"metrics.jsonl cannot be read \(Is a directory\)"):
        read_metrics(tmp_path)


def test_a_whole_accuracy_is_read(tmp_path):
    known = {"before": SHARES, "seconds": {"before": 1.5}}
    (tmp_path / "accuracy.json").write_text(json.dumps(known))
    assert read_accuracy(tmp_path) == known and Accuracy(**known["before"]).samples == 2


def test_a_draft_that_cannot_be_written_is_not_left_behind(tmp_path):
    with pytest.raises(UnicodeEncodeError):
        write_atomically(tmp_path / "a.json", "\ud800")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match=r"a.json cannot be read \(No such file or directory\): go home"):
        read_json(tmp_path / "a.json", "go home")
