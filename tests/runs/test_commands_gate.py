"""Every command that samples asks first whether the model can be sampled."""

import json

import pytest
from architectures import small
from model_folders import model_folder
from small_runs import PATIENCE, fork

from reference.__main__ import main

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "command",
    [
        "train grpo --steps 1 --out",
        "train sft --steps 1 --out",
        "evaluate",
        "bench --model",
        "best-of-n nowhere --model",
    ],
)
@pytest.mark.parametrize("name", ["rwkv", "bert", "short"])
def test_a_model_that_cannot_be_sampled_is_refused_by_every_command_that_samples(name, command, capsys, tmp_path, base):
    model = small("mpt", max_seq_len=32) if name == "short" else small(name)
    model_folder(tmp_path / name, model, base[1])
    arguments = command.split()
    if arguments[0] == "train":
        arguments += [str(tmp_path / "run"), "--model"]
    assert main([*arguments, str(tmp_path / name)]) == 2
    message = capsys.readouterr().err
    assert ("the model has 32" if name == "short" else "another log-prob when it is scored") in message
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["mamba", "falcon_h1"])
def test_recurrent_and_hybrid_models_are_evaluated_and_trained_without_a_cache(name, capsys, tmp_path, base):
    model_folder(tmp_path / name, small(name), base[1])
    with pytest.warns(UserWarning, match="keeps no key-value cache"):
        assert (
            main(["evaluate", str(tmp_path / name), "--problems", "2", "--samples", "2", "--max-new-tokens", "8"]) == 0
        )
        run = ["--out", str(tmp_path / "r"), "--steps", "1", "--prompts-per-step", "2", "--group-size", "2"]
        few = ["--max-new-tokens", "8", "--eval-problems", "2", "--eval-samples", "2"]
        assert main(["train", "grpo", "--model", str(tmp_path / name), *run, *few]) == 0
    row = json.loads((tmp_path / "r" / "metrics.jsonl").read_text())
    assert row["ratio"] == pytest.approx(1, abs=1e-4)


def test_a_warning_is_one_sentence(tmp_path, base):
    """As the program prints it: no path, no line of code."""
    model_folder(tmp_path, small("mamba"), base[1])
    few = ["--problems", "1", "--samples", "1", "--max-new-tokens", "2", "--show", "0"]
    process = fork("evaluate", str(tmp_path), *few)
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, output
    lines = [line for line in output.splitlines() if "MambaForCausalLM" in line]
    assert len(lines) == 1 and lines[0].startswith("reference: MambaForCausalLM keeps no key-value cache")
    assert "UserWarning" not in output and "require_sampler(" not in output
