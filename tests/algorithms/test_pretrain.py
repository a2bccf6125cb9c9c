"""The command that made the base model: what it draws, that it learns, and that it can be stopped and taken up again."""

import json
import random
from pathlib import Path

import pytest
import torch

from reference.__main__ import main, parser
from reference.algorithms.pretrain import BATCHES, draw_batches, pretrain
from reference.algorithms.step import learning_rate
from reference.objectives.shapes import InputError
from reference.runs.folder import checkpoints, read_metrics
from reference.world.model import load, new_model
from reference.world.tokenizer import train_tokenizer

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
TINY = ["--batch-size", "8", "--device", "cpu", "--save-every", "5"]


def losses(run: Path) -> list[float]:
    return [row["loss"] for row in read_metrics(run)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    run = tmp_path_factory.mktemp("pretrain") / "whole"
    assert main(["pretrain", "--out", str(run), "--steps", "48", *TINY]) == 0
    return run


def test_the_loss_falls(whole):
    assert len(losses(whole)) == 3 * BATCHES
    # batches of one pool share a denominator, so only the mean over a pool is a loss per token
    first, second, third = (sum(losses(whole)[i : i + BATCHES]) / BATCHES for i in (0, BATCHES, 2 * BATCHES))
    assert first > second > third and third < 0.7 * first


def test_the_result_is_a_model_like_any_other(whole):
    model, tokenizer = load(checkpoints(whole)[-1])
    assert model.config.vocab_size == len(tokenizer) and tokenizer.chat_template


def test_it_goes_on_bit_for_bit(whole, tmp_path):
    import shutil

    run = tmp_path / "run"
    shutil.copytree(whole, run)
    shutil.rmtree(run / "checkpoints" / "step-000048")  # back to step 45, in the middle of a pool
    assert main(["pretrain", "--resume", str(run)]) == 0
    assert losses(run) == losses(whole)
    first, second = ((checkpoints(r)[-1] / "model.safetensors").read_bytes() for r in (run, whole))
    assert first == second


def test_the_recorded_run_that_made_the_base_begins_as_the_code_does_today():
    # Its first steps, taken again: the corpus, the initial weights and the loop are those of the shipped checkpoint.
    recorded = losses(ROOT / "figures" / "runs" / "pretrain")
    options = json.loads((ROOT / "figures" / "runs" / "pretrain" / "config.json").read_text())
    defaults = vars(parser().parse_args(["pretrain"]))
    assert options == {name: defaults[name] for name in options}
    tokenizer = train_tokenizer(seed=options["seed"])
    model = new_model(tokenizer, seed=options["seed"])
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.98), weight_decay=0.01)
    taken: list[float] = []

    def on_step(step: int, metrics: dict[str, float]) -> bool:
        taken.append(metrics["loss"])
        return step == 8

    pretrain(
        model, tokenizer, optimizer, steps=options["steps"], on_step=on_step,
        seed=options["seed"], batch_size=options["batch_size"], lr=options["lr"],
    )  # fmt: skip
    assert taken == pytest.approx(recorded[:8], rel=1e-4)  # float32, perhaps on another processor


def test_batches_share_one_denominator_and_cover_the_pool(base):
    pool = draw_batches(base[1], random.Random(0), 4)
    assert len(pool) == BATCHES and len({num for *_, num in pool}) == 1
    kept = [int(mask.sum()) for _, mask, _ in pool]
    assert pool[0][2] == sum(kept) // BATCHES
    assert max(kept) > 2 * min(kept)  # cut by length, so the batches differ; hence the common denominator
    for tokens, mask, _ in pool:
        assert tokens.shape == mask.shape and len(tokens) == 4
        assert torch.equal(tokens[mask.bool()] == base[1].pad_token_id, torch.zeros(int(mask.sum()), dtype=torch.bool))


def test_the_learning_rate_warms_up_and_ends_at_zero():
    rates = [learning_rate(step, steps=100, peak=1.0) for step in range(100)]
    assert rates[0] == pytest.approx(0.2) and rates[4] == pytest.approx(1.0)  # 5 % of 100 steps
    assert rates[-1] == pytest.approx(0.0, abs=1e-12) and rates == sorted(rates[:5]) + sorted(rates[5:], reverse=True)


def test_a_gradient_that_is_not_finite_changes_no_weight(base):
    model = new_model(base[1])
    model.lm_head.weight.register_hook(lambda gradient: gradient * float("nan"))
    before = [weight.clone() for weight in model.parameters()]
    with pytest.raises(
        InputError, match=r"the gradient is nan \(in 1 of \d+ weights, the first model.embed_tokens.weight\)"
    ):
        pretrain(
            model, base[1], torch.optim.SGD(model.parameters(), lr=1.0), steps=1, batch_size=2,
            on_step=lambda step, metrics: False,
        )  # fmt: skip
    assert all(torch.equal(weight, old) for weight, old in zip(model.parameters(), before, strict=True))


def test_a_folder_that_cannot_be_written_is_told_before_training(capsys, tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert main(["pretrain", "--out", str(tmp_path / "file" / "run"), *TINY]) == 2
    assert "cannot write to" in capsys.readouterr().err


def test_a_run_of_another_recipe_is_not_resumed(capsys, whole):
    assert main(["train", "grpo", "--resume", str(whole)]) == 2
    assert "is a run of pretrain, not of grpo" in capsys.readouterr().err
