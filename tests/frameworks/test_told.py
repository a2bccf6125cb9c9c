"""An explanation in words: every part where there is something to say, and none where there is nothing."""

import json

from reference.configs.read_config import read_config
from reference.frameworks.explain import Explanation, explain
from reference.frameworks.questions import QUESTIONS, answers_of
from reference.frameworks.told import as_json, heading, in_the_code, side_by_side, silent, told


def explained(folder, options: str = "", name: str = "train.py", entry: str = "GRPOConfig") -> Explanation:
    path = folder / name
    path.write_text(f"from trl import {entry}\nconfig = {entry}(\n    {options}\n)\n")
    return explain(read_config(path), name=name)


def test_the_parts_are_in_their_order(tmp_path):
    text = told(explained(tmp_path, "beta=0.1, num_generation=4, logging_steps=5"))
    heads = ["train.py: TRL", "nearest recipe: ", "in short", "what it says", "left silent, so the defaults of TRL", "surprises",
             "not understood", "says nothing about these questions"]  # fmt: skip
    places = [text.index(head) for head in heads]
    assert places == sorted(places)
    assert "num_generation: no option of TRL" in text and "did you mean num_generations?" in text
    assert "1 options (--all names them)" in text


def test_all_names_what_says_nothing(tmp_path):
    assert "logging_steps" in told(explained(tmp_path, "logging_steps=5"), all_options=True)


def test_what_is_said_has_its_line_and_what_is_not_its_place_in_the_source(tmp_path):
    text = " ".join(told(explained(tmp_path, "beta=0.1")).split())
    assert "- its coefficient is 0.1; with 0 no KL is computed [beta = 0.1, line 3]" in text
    assert "[epsilon = 0.2, trl/trainer/grpo_config.py:" in text


def test_an_option_is_silent_or_said_and_not_both(tmp_path):
    one = explained(tmp_path, "beta=0.1")
    lines = " ".join(silent(one)[0].split())
    assert "[beta = " not in lines and "[epsilon = " in lines
    given = {s.cell.option for s in one.settings if s.option}
    assert given == {"beta"}


def test_an_option_that_does_nothing_is_said_to(tmp_path):
    one = explained(tmp_path, "label_smoothing=0.1", entry="DPOConfig")
    assert "does nothing: read by robust" in " ".join(told(one).split())
    assert "label_smoothing" not in " ".join(silent(explained(tmp_path, "", entry="DPOConfig")))


def test_a_config_that_says_nothing_is_all_defaults(tmp_path):
    assert "it says nothing about these questions: every answer is a default" in told(
        explained(tmp_path, "output_dir='x'")
    )


def test_the_heading_tells_what_differs(tmp_path):
    lines = heading(explained(tmp_path, "beta=0.1, loss_type='grpo', num_generations=8")).split("\n")
    assert lines[1] == "nearest recipe: grpo"
    assert "  kl_coef: 0.1, where grpo has 0.0" in lines and "  minibatches: 1, where grpo has 2" in lines


def test_what_no_option_changes_is_the_code(tmp_path):
    text = " ".join(in_the_code(explained(tmp_path))[0].split())
    assert "the std has ddof 1 [trl/trainer/grpo_trainer.py:" in text and "[epsilon" not in text


def test_json_is_the_same_for_programs(tmp_path):
    one = explained(tmp_path, "beta=0.1")
    found = json.loads(json.dumps(as_json(one)))
    (beta,) = [setting for setting in found["settings"] if setting["option"] == "beta"]
    assert (beta["value"], beta["given"], beta["line"], beta["default"]) == (0.1, True, 3, 0.0)
    assert found["differs"]["minibatches"] == {"recipe": 2, "config": 1} and found["nearest"] == one.nearest
    assert {surprise["lesson"].split(",")[0].split("/")[0] for surprise in found["surprises"]} == {"notebooks"}


def test_two_configs_side_by_side(tmp_path):
    one, other = explained(tmp_path, "beta=0.1", "a.py"), explained(tmp_path, "beta=0.2, num_generation=2", "b.py")
    text = side_by_side(one, other)
    table, rest = text.split("\n\n", 1)
    assert [line.split() for line in table.split("\n")[1:]] == [["kl_coef", "0.1", "0.2"]]
    assert "the same in both" in rest and "not understood in b.py" in rest and "not understood in a.py" not in rest
    assert side_by_side(one, one).startswith("no difference in any column")


def test_a_column_that_one_does_not_have(tmp_path):
    one, other = explained(tmp_path, "beta=0.1", "a.py"), explained(tmp_path, "", "b.py", "DPOConfig")
    assert ["beta", "not", "said", "0.1"] in [line.split() for line in side_by_side(one, other).split("\n")]


# --- the questions ---


def test_every_question_has_an_answer_whatever_is_known():
    for columns, kind in (({}, "rl"), ({}, "preference"), ({}, "sft"), ({"advantage": "other"}, "rl")):
        assert tuple(answers_of(columns, kind)) == QUESTIONS and all(answers_of(columns, kind).values())


def test_the_answers_by_hand():
    columns = {"advantage": "group", "ddof": 1, "eps": 1e-6, "kl": "k3", "kl_place": "loss", "kl_coef": 0.1,
               "aggregation": "token_mean", "processes": True, "critic": "separate", "value_clip": 0.2, "tool_loss": False}  # fmt: skip
    found = answers_of(columns, "rl")
    assert found["advantage"].endswith("divided by the group's std (ddof 1, eps 1e-06)")
    assert found["KL"] == "k3 in the loss, 0.1 times; in expectation its gradient is that of KL(reference || policy)"
    assert found["aggregation"] == "the sum over all tokens, divided by how many there are, counted over all processes"
    assert (
        found["value head"] == "a critic on returns, clipped at 0.2"
        and found["tools"] == "what tools write is not trained on"
    )
    pairs = answers_of({"beta": 0.1, "average_logprobs": True}, "preference")
    assert pairs["beta"].startswith("0.1: ") and pairs["aggregation"].startswith("means of log-probs")
    assert pairs["KL"] == "in the loss by way of the reference's log-probs, with no estimator"
