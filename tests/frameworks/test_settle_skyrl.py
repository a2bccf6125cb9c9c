"""Where one option of SkyRL decides whether another counts, and when two configs are the same."""

import pytest

from reference.configs.option import ConfigRead, Option
from reference.frameworks.explain import Explanation, explain
from reference.frameworks.told import side_by_side

ALGORITHM = "trainer.algorithm."


def skyrl(**algorithm: object) -> Explanation:
    options = {f"{ALGORITHM}{name}": Option(value, str(value), 1, "a.sh") for name, value in algorithm.items()}
    return explain(ConfigRead("skyrl", "main_base", options, []), name="a.sh")


def test_without_a_critic_s_model_there_is_no_value_head():
    assert skyrl().answers["value head"] == "none"
    critic = {"trainer.critic.model.path": Option("m", "m", 1, "a.sh")}
    assert (
        explain(ConfigRead("skyrl", "main_base", critic, [])).answers["value head"]
        == "a critic on returns, clipped at 0.2"
    )


@pytest.mark.parametrize(
    ("estimator", "advantage"), [("grpo", "group_mean"), ("rloo", "leave_one_out"), ("maxrl", "maxrl")]
)
def test_the_std_is_an_option_of_grpo_alone(estimator, advantage):
    assert skyrl(advantage_estimator=estimator, grpo_norm_by_std=False).columns["advantage"] == advantage


def test_only_the_loss_with_a_dual_clip_reads_its_bound():
    assert skyrl(clip_ratio_c=4.0).columns["dual_clip"] is None
    assert skyrl(clip_ratio_c=4.0, policy_loss_type="dual_clip").columns["dual_clip"] == 4.0


def test_a_number_is_the_same_however_it_is_written():
    table = side_by_side(skyrl(gamma=1), skyrl(gamma=1.0))
    assert table.startswith("no difference in any column")
    assert "gamma" in side_by_side(skyrl(gamma=1), skyrl(gamma=0.9)).splitlines()[1]
