"""What the lesson says of its four configs, worked out by hand from the files and from docs/FRAMEWORKS.md."""

import pytest

from reference import play
from reference.lessons.codebases.divisors import MODES, divisor
from reference.lessons.codebases.figures import figure_choices
from reference.lessons.codebases.figures_divisors import divisors_of, figure_divisors
from reference.lessons.codebases.recipes_of import (
    COLUMNS,
    CONFIGS,
    config_path,
    config_text,
    explained,
    numbered,
    recipe_of_config,
)
from reference.lessons.codebases.settled import settle_options
from reference.lessons.codebases.silent import silent_columns, without_effect
from reference.lessons.codebases.training import given_and_defaults, recipe_with
from reference.objectives.shapes import InputError
from reference.teaching.show import description

BY_HAND = {  # in the order of COLUMNS
    "verl": ("group", "k3", "loss", 0.01, "token_mean", 0.2, 0.2, 3.0),
    "trl": ("group", "k3_unbiased", "loss", 0.02, "token_mean", None, 5.0 - 1, None),
    "openrlhf": ("group", "k1", "loss", 0.001, "token_mean", 0.2, 0.28, None),
    "skyrl": ("leave_one_out", "k3", "reward", 0.001, "sequence_mean", 0.2, 0.28, None),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_explain_finds_what_was_worked_out_by_hand(name):
    assert recipe_of_config(name) == dict(zip(COLUMNS, BY_HAND[name], strict=True))


@pytest.mark.parametrize("name", CONFIGS)
def test_every_option_is_understood_and_the_framework_is_named(name):
    one = explained(name)
    assert one.framework.name == name and one.strange == {}


@pytest.mark.parametrize(
    ("name", "silent"),
    [
        ("verl", ["advantage", "kl", "aggregation", "clip_low", "clip_high", "dual_clip"]),
        ("trl", ["advantage", "kl", "dual_clip"]),
        ("openrlhf", ["kl", "aggregation", "dual_clip"]),
        ("skyrl", ["advantage", "kl", "kl_coef", "clip_low", "clip_high", "dual_clip"]),
    ],
)
def test_the_columns_that_silent_defaults_decide(name, silent):
    # verl: norm_adv_by_std_in_grpo, kl_loss_type, loss_agg_mode, clip_ratio_low, _high and _c do not stand in the file.
    assert silent_columns(name) == silent


@pytest.mark.parametrize(
    ("name", "idle"),
    [
        ("verl", {"algorithm.kl_ctrl.kl_coef": "0.05", "actor_rollout_ref.actor.clip_ratio": "0.1"}),
        ("trl", {"epsilon": "0.1"}),
        ("openrlhf", {"--algo.advantage.no_std_norm": "true", "--actor.eps_clip": "0.1"}),
        ("skyrl", {"trainer.algorithm.grpo_norm_by_std": "true", "trainer.algorithm.clip_ratio_c": "10.0"}),
    ],
)
def test_the_options_that_change_no_answer_and_their_lines(name, idle):
    found = without_effect(name)
    assert {option: value.split(", line ")[0] for option, value in found.items()} == idle
    lines = config_text(name).splitlines()
    for option, value in found.items():
        assert option.rsplit(".")[-1].lstrip("-") in lines[int(value.split(", line ")[1]) - 1]


def test_an_unknown_config_is_refused_with_those_that_there_are():
    with pytest.raises(InputError, match="no config is called 'nemo': choose one of verl, trl, openrlhf, skyrl"):
        config_path("nemo")


def test_lines_are_numbered_as_explain_names_them():
    (setting,) = [s for s in explained("trl").settings if s.cell.option == "beta"]
    assert f"{setting.option.line:2}      beta=0.02," in numbered("trl").splitlines()


def test_figure_choices_says_every_answer_and_which_are_silent():
    figure = figure_choices()
    assert figure.axes[0].get_title(loc="left").startswith("18 of 32 answers")
    assert description(figure).count("(silent)") == 18
    assert "OpenRLHF: advantage group, kl k1 (silent), kl_place loss, kl_coef 0.001" in description(figure)


# --- settle_options ---


def test_given_counts_before_the_default_and_later_before_earlier():
    defaults = {"n": 1, "beta": 0.04, "high": 0.28}
    assert settle_options([("n", 8), ("beta", 0.0), ("n", 16), ("high", None)], defaults) == {
        "n": 16,
        "beta": 0.0,
        "high": None,
    }
    assert defaults == {"n": 1, "beta": 0.04, "high": 0.28}


def test_an_option_that_the_framework_does_not_have_is_refused():
    with pytest.raises(InputError, match="has no option 'betta', only n, beta"):
        settle_options([("betta", 0.1)], {"n": 1, "beta": 0.0})


# --- divisor ---


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("dapo", 3 + 7 + 2 + 8),
        ("bnpo", 2 * (2 + 8)),  # two micro-batches; the token's has 10 tokens
        ("grpo", 4 * 8),  # four completions; its own has 8 tokens
        ("dr_grpo", 4 * 12),
        ("seq-mean-token-sum-norm", 4 * 9),
    ],
)
def test_the_divisors_of_two_micro_batches_of_two_by_hand(mode, expected):
    assert divisor([[3, 7], [2, 8]], mode=mode, micro=1, row=1, width=9, budget=12) == expected


def test_divisors_are_the_inverse_weights_of_the_losses_that_are_divided():
    import torch

    from reference.objectives import fixed_length, sequence_mean, token_mean

    lengths = [[3, 7], [2, 8]]
    losses = torch.ones(4, 8, dtype=torch.float64, requires_grad=True)
    mask = torch.arange(8) < torch.tensor([3, 7, 2, 8])[:, None]
    parts = [(losses[:2], mask[:2]), (losses[2:], mask[2:])]
    steps = {
        "dapo": token_mean(losses, mask),
        "bnpo": sum(token_mean(*part) for part in parts) / 2,
        "grpo": sum(sequence_mean(*part) for part in parts) / 2,
        "dr_grpo": sum(fixed_length(*part, max_length=12) for part in parts) / 2,
        "seq-mean-token-sum-norm": fixed_length(losses, mask, max_length=8),
    }
    assert steps.keys() == set(MODES)
    for mode, loss in steps.items():
        (weights,) = torch.autograd.grad(loss, losses)
        for micro, row in ((0, 0), (0, 1), (1, 0), (1, 1)):
            by = divisor(lengths, mode=mode, micro=micro, row=row, width=8, budget=12)
            assert float(weights[2 * micro + row, 0]) == pytest.approx(1 / by), (mode, micro, row)


def test_another_mode_is_refused():
    with pytest.raises(InputError, match="mode 'mean' is not known: choose one of dapo"):
        divisor([[1]], mode="mean", micro=0, row=0, width=1, budget=1)


# --- a config that trains ---


def test_a_config_becomes_a_recipe_with_its_columns():
    given, defaults = given_and_defaults("verl")
    recipe = recipe_with("verl", settle_options(given, defaults))
    assert {column: getattr(recipe, column) for column in COLUMNS} == recipe_of_config("verl")
    stronger = settle_options([*given, ("actor_rollout_ref.actor.kl_loss_coef", 1.0)], defaults)
    assert recipe_with("verl", stronger).kl_coef == 1.0


# --- the widget ---


def test_figure_divisors_by_hand():
    """Completion 1 has 3 tokens: all 20; its micro-batch of 10 or 11, twice; 4 times 3; 4 times 12; 4 times 7 or 8."""
    assert divisors_of([3, 7, 8, 2], budget=12) == {
        "dapo": (20, 20), "bnpo": (20, 22), "grpo": (12, 12), "dr_grpo": (48, 48), "seq-mean-token-sum-norm": (28, 32),
    }  # fmt: skip
    figure = figure_divisors([3, 7, 8, 2])
    assert figure.axes[0].get_title(loc="left") == "2 of 5 modes depend on the cut"
    assert "cut as 3+7 | 8+2 and as 3+8 | 7+2. dapo 20 and 20; bnpo 20 and 22" in description(figure)
    assert figure_divisors([3, 7, 7, 2]).axes[0].get_title(loc="left") == "0 of 5 modes depend on the cut"


@pytest.mark.slow
def test_the_widget_redraws_over_its_whole_range(panel_of, pictures_at_the_ends):
    panel = panel_of(play.divisors)
    panel.children[0].children = panel.children[0].children[:2]  # of four sliders of lengths two will do
    assert len(pictures_at_the_ends(panel)) >= 2
