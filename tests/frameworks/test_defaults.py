"""The table of defaults: what is looked up, how it is told, and the page that is made of it."""

import json

import pytest

from reference.__main__ import main
from reference.cli.frameworks import PAGE
from reference.frameworks.defaults import (
    Cell,
    Value,
    framework_named,
    newest,
    recorded,
    release,
    same,
    slot_named,
    spelled,
)
from reference.frameworks.slots import SLOTS
from reference.frameworks.text import as_json, default_columns, glance, page, report
from reference.objectives.shapes import InputError

CHOICE = Cell(
    "clip", "", "mode", "ppo", "a.py:1", values=(Value("ppo", "clipped", {"loss": "ppo_clip"}), Value(1, "one", {}))
)
OPEN = Cell(
    "clip", "", "high", None, "a.py:3", column="clip_high",
    values=(Value(None, "as low", {}), Value("{value}", "1 + {value}", {}), Value(["a"], "a list", {})),
)  # fmt: skip
NUMBER = Cell("clip", "", "eps", 0.2, "a.py:2", says="1 - {value}", column="clip_low")


def test_a_value_has_words_and_columns():
    assert CHOICE.words("ppo") == "clipped" and CHOICE.words("dppo") is None
    assert CHOICE.columns("ppo") == {"loss": "ppo_clip"} and CHOICE.columns("dppo") == {}
    assert NUMBER.words(0.3) == "1 - 0.3" and NUMBER.columns(0.3) == {"clip_low": 0.3}
    assert NUMBER.words(None) == "1 - none" and NUMBER.columns(None) == {}


def test_a_value_without_words_of_its_own_has_those_of_any_other():
    assert OPEN.words(None) == "as low" and OPEN.words(0.28) == "1 + 0.28" and OPEN.words(["a"]) == "a list"
    assert OPEN.columns(None) == {} and OPEN.columns(0.28) == {"clip_high": 0.28}


def test_true_is_not_one():
    assert same(1, 1.0) and same(True, True) and not same(True, 1) and not same(0, False)
    assert CHOICE.words(1) == "one" and CHOICE.words(True) is None


@pytest.mark.parametrize(
    ("value", "text"), [(None, "none"), (True, "true"), (0.2, "0.2"), ([0.5, None], "[0.5, none]"), ("a", "a")]
)
def test_values_are_spelled_as_in_a_config(value, text):
    assert spelled(value) == text


def test_versions_are_ordered_as_numbers():
    assert release("1.16.0") > release("1.9.2") and release("0.9.1") < release("0.11.2")


def test_the_newest_version_of_each_is_used():
    assert {one.name for one in recorded()} == newest().keys()
    for name, one in newest().items():
        assert framework_named(name) is one
        assert framework_named(one.title) is one
        assert framework_named(name, one.version) is one


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: framework_named("trll"), "no framework is called 'trll'; did you mean trl"),
        (lambda: framework_named("trl", "0.1"), "TRL 0.1 is not recorded, only 1"),
        (lambda: slot_named("agregation"), "did you mean 'aggregation'"),
        (lambda: slot_named("xyz"), "There are: advantage, "),
    ],
)
def test_what_is_not_there_is_refused_with_what_there_is(call, said):
    with pytest.raises(InputError, match=said):
        call()


def test_the_defaults_of_trl_are_a_recipe():
    """By hand from GRPOConfig: group std with ddof 1, no KL, clips of 0.2, a mean over all tokens."""
    columns = default_columns(framework_named("trl"), "GRPOConfig")
    expected = {"advantage": "group", "ddof": 1, "eps": 1e-4, "kl": None, "kl_place": None, "kl_coef": 0.0,
                "clip_low": 0.2, "dual_clip": None, "ratio": "token", "aggregation": "token_mean", "group_size": 8}  # fmt: skip
    assert {name: columns[name] for name in expected} == expected
    assert columns["clip_high"] == 0.2  # none stands for epsilon


def test_an_option_that_does_nothing_sets_no_column():
    assert not default_columns(framework_named("trl"), "DPOConfig").keys() & {"label_smoothing"}


# --- how it is told ---


def test_a_report_has_the_words_the_option_and_the_line():
    text = report([framework_named("trl")], ["entropy"])
    assert text.startswith("entropy: Is entropy in the loss")
    assert "[entropy_coef = 0.0; trl/trainer/grpo_config.py:" in text.replace("\n      ", " ")


def test_a_framework_that_says_nothing_about_a_slot_is_named():
    text = report([framework_named("trl")], ["value"])
    assert text.endswith("not recorded of TRL")


def test_json_has_the_same_cells():
    found = as_json([framework_named("trl")], ["kl"])["trl"]["cells"]
    assert [one["option"] for one in found] == [one.option for one in framework_named("trl").about("kl")]


def test_the_page_is_what_the_files_say():
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m reference frameworks --write"


def test_the_page_tells_every_cell_once():
    text = page()
    for framework in newest().values():
        for cell in framework.cells:
            assert f"`{cell.where}`" in text
    assert all(f"## {slot.capitalize()}" in text for slot in SLOTS)


def test_a_glance_has_a_row_for_each_and_as_many_cells_as_the_head():
    head, rule, *rows = glance(list(newest().values()))[5:]
    assert len(rows) == len(newest())
    assert {line.count("|") for line in (head, rule, *rows)} == {head.count("|")}


# --- the command ---


def test_the_command_answers_a_question(capsys):
    assert main(["frameworks", "verl", "--slot", "clip"]) == 0
    said = capsys.readouterr().out
    assert "the dual clip is on" in said.replace("\n      ", " ")
    assert main(["frameworks", "verl", "--slot", "clip", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verl"]["cells"][0]["slot"] == "clip"


def test_without_names_it_says_what_there_is(capsys):
    assert main(["frameworks"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in [*newest(), *SLOTS])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["frameworks", "verll"], "did you mean verl?"), (["frameworks", "--version", "1.0"], "belongs to one framework")],
)
def test_a_wrong_name_is_one_sentence(arguments, said, capsys):
    assert main(arguments) == 2
    assert said in capsys.readouterr().err
