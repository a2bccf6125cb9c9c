"""What a Trainer prints, as it stands in the file of a job: no steps in the lines, a progress bar, other words before."""

import pytest

from reference.doctor.logs import read_log
from reference.objectives.shapes import InputError

LINES = [
    f"{{'loss': {loss}, 'grad_norm': '1.5', 'learning_rate': 1e-06, 'reward': {reward}, 'reward_std': 0.5, 'epoch': {epoch}}}"
    for loss, reward, epoch in [(0.0, 0.25, 0.1), (0.5, 0.5, 0.2), (0.25, 0.75, 0.3)]
]
BAR = (
    "  0%|          | 0/90 [00:00<?, ?it/s]\r  1%|▏         | 1/90 [00:05<3:20]\r 33%|███       | 30/90 [02:00<4:00]\n"
)


def written(tmp_path, text):
    path = tmp_path / "job.log"
    path.write_text(text)
    return path


@pytest.mark.parametrize("first", ["", "[2025-02-04 23:52:34] [INFO] started\n", "Loading weights: 2/2 [00:00]\n"])
def test_the_lines_are_counted_and_the_bar_says_how_many_steps_there_were(tmp_path, first):
    log = read_log(written(tmp_path, first + LINES[0] + "\n" + BAR + "\n".join(LINES[1:]) + "\n"))
    assert (log.framework, log.steps) == ("trl", (10, 20, 30))
    assert log.scalars["reward"] == (0.25, 0.5, 0.75) and log.scalars["grad_norm"] == (1.5, 1.5, 1.5)
    assert "3 lines and a progress bar up to 30 make 10 steps a line" in log.notes[0]


def test_evaluation_has_a_bar_and_lines_of_its_own(tmp_path):
    evaluation = "100%|██████| 4/4 [00:01<00:00]\n{'eval_loss': 0.5, 'eval_runtime': 1.0, 'epoch': 0.3}\n" * 5
    log = read_log(written(tmp_path, BAR + "\n".join(LINES) + "\n" + evaluation))
    assert log.steps == (10, 20, 30) and log.scalars["policy_loss"] == (0.0, 0.5, 0.25)


def test_without_a_bar_the_steps_are_not_guessed(tmp_path):
    with pytest.raises(InputError, match="without the steps: pass trainer_state"):
        read_log(written(tmp_path, "\n".join(LINES)))
