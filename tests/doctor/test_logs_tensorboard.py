"""TensorBoard folders: several files, restarts, a file that was cut off, and what TRL's trainer writes into one."""

import pytest
from torch.utils.tensorboard import SummaryWriter

from reference.doctor.logs import read_log
from reference.objectives.shapes import InputError
from tests.doctor.record_logs import trl_log


def write(folder, steps, *, value, tag="train/ppo_kl", **options):
    with SummaryWriter(str(folder), filename_suffix=f".{value}") as board:
        for step in steps:
            board.add_scalar(tag, value + step / 100, step, walltime=100 * value + step, **options)


def test_scalars_of_several_files(tmp_path):
    write(tmp_path, (1, 2, 3), value=1)
    write(tmp_path, (1, 2, 3), value=2, tag="train/group_reward_std")
    log = read_log(tmp_path)
    assert log.framework == "openrlhf" and log.steps == (1, 2, 3)
    assert log.scalars["ppo_kl_k1"] == pytest.approx((1.01, 1.02, 1.03))
    assert log.scalars["reward_std"] == pytest.approx((2.01, 2.02, 2.03))


def test_a_run_that_was_resumed_in_another_file(tmp_path):
    write(tmp_path, (1, 2, 3, 4), value=1)
    write(tmp_path, (3,), value=2)
    log = read_log(tmp_path)
    assert log.steps == (1, 2, 3) and log.scalars["ppo_kl_k1"] == pytest.approx((1.01, 1.02, 2.03))
    assert any("from step 4 to 3" in note for note in log.notes)


def test_tags_of_one_step_are_one_row_and_tensors_are_scalars_too(tmp_path):
    write(tmp_path, (1, 2), value=1, new_style=True)
    assert read_log(tmp_path).scalars["ppo_kl_k1"] == pytest.approx((1.01, 1.02))


def test_a_file_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path):
    write(tmp_path, range(1, 20), value=1)
    [file] = tmp_path.glob("*tfevents*")
    file.write_bytes(file.read_bytes()[:-100])
    steps = read_log(tmp_path).steps
    assert 10 < len(steps) < 19 and steps == tuple(range(1, len(steps) + 1))
    assert read_log(file).steps == steps


def test_a_folder_below_is_found_and_of_several_one_must_be_named(tmp_path):
    write(tmp_path / "runs" / "a", (1, 2), value=1)
    assert read_log(tmp_path).steps == (1, 2)
    write(tmp_path / "runs" / "b", (1, 2), value=2)
    with pytest.raises(InputError, match=r"2 TensorBoard runs .*runs/a, runs/b.*: name one"):
        read_log(tmp_path)


def test_a_file_without_a_scalar_is_refused(tmp_path):
    with SummaryWriter(str(tmp_path)) as board:
        board.add_text("note", "nothing")
    with pytest.raises(InputError, match="no rows of a log"):
        read_log(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["GRPO", "SFT"])
def test_trl_s_own_board_holds_what_its_state_holds(tmp_path, monkeypatch, kind):
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "board"))
    out = trl_log(kind, str(tmp_path / "out"), max_steps=3, report_to="tensorboard")
    board, state = read_log(tmp_path / "board"), read_log(out)
    assert board.framework == state.framework == "trl" and board.steps == state.steps == (1, 2, 3)
    assert board.scalars.keys() == state.scalars.keys()
    assert all(board.scalars[name] == pytest.approx(state.scalars[name], rel=1e-6) for name in state.scalars)
    assert board.named["grad_norm"] == "train/grad_norm"
