"""The five questions, where a config is of another kind or cannot know: what is said, and what is not."""

import pytest

from reference.configs.option import UNEVALUATED
from reference.frameworks.questions import LATER, NOT_OURS, UNKNOWN, answers_of


@pytest.mark.parametrize(
    ("loss", "kl", "beta", "over"),
    [
        ("dpo", "in the loss by way of the reference's log-probs", "the tie to the reference", "pairs"),
        ("simpo", "none: there is no reference", "ties to nothing", "pairs"),
        ("orpo", "none: there is no reference", "weight of the odds ratio", "pairs"),
        ("cpo", "none: there is no reference", "ties to nothing", "pairs"),
        ("kto", "the point of comparison; it has no gradient", "the tie to the reference", "completions"),
    ],
)
def test_losses_on_preferences_differ_in_reference_beta_and_pairs(loss, kl, beta, over):
    found = answers_of({"loss": loss, "beta": 0.1}, "preference")
    assert kl in found["KL"] and beta in found["beta"] and found["aggregation"].endswith(f"a mean over {over}")


def test_what_is_not_recorded_is_not_called_none():
    found = answers_of({}, "rl")
    assert found["KL"] == found["value head"] == UNKNOWN
    assert answers_of({"loss": "dpo"}, "preference")["beta"] == UNKNOWN
    assert answers_of({}, "sft")["aggregation"] == UNKNOWN


def test_what_the_course_has_no_name_for_points_to_its_sentence():
    assert answers_of({"kl_place": None}, "rl")["advantage"] == NOT_OURS.format("advantage")


def test_what_is_known_only_later_is_told_so():
    later = {"advantage": UNEVALUATED, "aggregation": UNEVALUATED, "kl": "k3", "kl_place": UNEVALUATED, "critic": None}
    found = answers_of(later, "rl")
    assert found["advantage"] == found["aggregation"] == found["KL"] == LATER
    assert answers_of({"beta": UNEVALUATED}, "preference")["beta"] == LATER
    coefficient = answers_of({"kl": "k3", "kl_place": "loss", "kl_coef": UNEVALUATED}, "rl")["KL"]
    assert coefficient.startswith(f"k3 in the loss, how often is {LATER}")


def test_sums_over_tokens_are_not_called_a_fixed_length():
    found = answers_of({"aggregation": "fixed_length", "sums_over_tokens": True, "advantage": "leave_one_out"}, "rl")
    assert found["aggregation"] == "each completion's sum over its tokens, then a mean over completions"


def test_a_slot_without_a_line_in_the_table_is_not_recorded():
    found = answers_of({"kl_place": None}, "rl", slots=("kl",))
    assert found["advantage"] == found["aggregation"] == UNKNOWN
