"""Python source and notebooks: the config that a trainer of TRL gets, parsed and never run."""

import json

import pytest

from reference.configs.option import UNEVALUATED
from tests.configs.written import read, values

HEAD = "import os\nfrom trl import GRPOConfig, GRPOTrainer, SFTConfig\n"


def python(tmp_path, text):
    return read(tmp_path, "train.py", HEAD + text)


def test_the_keywords_of_the_call(tmp_path):
    config = python(tmp_path, "args = GRPOConfig(\n    beta=0.04,\n    output_dir='x',\n)\n")
    assert (config.framework, config.entry) == ("trl", "GRPOConfig")
    assert values(config) == {"beta": 0.04, "output_dir": "x"}
    assert config.options["beta"].line == 4


def test_the_text_is_the_one_of_the_file(tmp_path):
    config = python(tmp_path, "GRPOConfig(lr=5.0e-7, name='ü' + \"x\", many=[\n    1])\n")
    texts = {key: option.text for key, option in config.options.items()}
    assert texts == {"lr": "5.0e-7", "name": "'ü' + \"x\"", "many": "[1]"}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("-1", -1),
        ("1e-6", 1e-6),
        ("None", None),
        ("float('inf')", float("inf")),
        ("-math.inf", -float("inf")),
        ("float(X)", UNEVALUATED),
        ("not True", False),
        ("LENGTH // 4 - 1", 255),
        ("f'run-{LENGTH}'", "run-1024"),
        ("['a', LENGTH]", ["a", 1024]),
        ("CHANGED", UNEVALUATED),
        ("os.cpu_count()", UNEVALUATED),
        ("os.environ['X']", UNEVALUATED),
        ("10 ** 10 ** 10", UNEVALUATED),
        ("1 / 0", UNEVALUATED),
        ("[LENGTH, os.cpu_count()]", UNEVALUATED),
    ],
)
def test_values(tmp_path, written, value):
    config = python(tmp_path, f"LENGTH = 1024\nCHANGED = 1\nCHANGED = 2\nGRPOConfig(it={written})\n")
    assert values(config) == {"it": value}


def test_a_parameter_is_no_name_with_a_value(tmp_path):
    text = "beta = 0.1\ndef main(beta):\n    GRPOConfig(beta=beta)\n"
    assert values(python(tmp_path, text)) == {"beta": UNEVALUATED}


def test_dictionaries(tmp_path):
    text = "KW = dict(beta=1, model={'dtype': 'bf16'})\nGRPOConfig(**KW, opts={'x': 1}, **load())\n"
    config = python(tmp_path, text)
    assert values(config) == {"beta": 1, "model.dtype": "bf16", "opts.x": 1}
    assert any("**load() holds more options" in note for note in config.notes)


def test_a_dictionary_that_is_changed_later_is_not_known(tmp_path):
    config = python(tmp_path, "KW = {'beta': 1}\nKW['beta'] = 2\nGRPOConfig(**KW, x=1)\n")
    assert values(config) == {"x": 1}


def test_what_is_set_behind_the_call(tmp_path):
    config = python(tmp_path, "args = GRPOConfig(beta=1)\nargs.beta = 2\nother.beta = 3\n")
    assert values(config) == {"beta": 2}
    assert "beta is given twice (lines 3 and 4); the last counts: 2, not 1" in config.notes


def test_the_config_of_the_trainer_is_chosen(tmp_path):
    text = "a = SFTConfig(x=1)\nb = GRPOConfig(x=2)\nc = GRPOConfig(x=3)\nGRPOTrainer(args=b)\n"
    config = python(tmp_path, text)
    assert values(config) == {"x": 2}
    assert any("line 3: SFTConfig(...) is another config" in note for note in config.notes)


def test_the_default_of_the_script_s_own_option_is_told(tmp_path):
    text = "parser.add_argument('--lr', default=1e-5)\nGRPOConfig(learning_rate=args.lr)\n"
    config = python(tmp_path, text)
    assert values(config) == {"learning_rate": UNEVALUATED}
    assert "line 4: learning_rate is an option of the script itself, with the default 1e-05" in config.notes


def test_a_parser_has_a_class_and_no_options(tmp_path):
    config = python(tmp_path, "parser = TrlParser((ScriptArguments, GRPOConfig))\n")
    assert (config.entry, config.options) == ("GRPOConfig", {})
    assert any("come from a command line or a YAML file" in note for note in config.notes)


def test_a_class_of_another_library_is_not_trl_s(tmp_path):
    with pytest.raises(ValueError, match="fills no class of a known framework"):
        read(tmp_path, "train.py", "from ray.rllib import PPOConfig\nPPOConfig(lr=1)\n")


def test_a_statement_that_cannot_be_parsed_spoils_itself_only(tmp_path):
    config = python(tmp_path, "x = 1 +* 2\nargs = GRPOConfig(beta=1)\n")
    assert values(config) == {"beta": 1}
    assert any("line 3: invalid syntax" in note for note in config.notes)


def test_nothing_is_executed(tmp_path):
    python(tmp_path, f"open({str(tmp_path / 'made')!r}, 'w')\nGRPOConfig(x=open({str(tmp_path / 'made')!r}, 'w'))\n")
    assert not (tmp_path / "made").exists()


def notebook(tmp_path, *sources):
    return read(
        tmp_path, "n.ipynb", json.dumps({"cells": [{"cell_type": "code", "source": source} for source in sources]})
    )


def test_the_python_of_a_notebook(tmp_path):
    tools = "# tools\n!pip install trl \\\n   --upgrade\nif True:\n    !ls\n    %cd x"
    config = notebook(tmp_path, tools, ["from trl import DPOConfig\n", "DPOConfig(beta=1)"])
    assert (config.entry, values(config), config.options["beta"].line) == ("DPOConfig", {"beta": 1}, 8)
    assert len(config.notes) == 1


@pytest.mark.parametrize(
    "source",
    [
        "!accelerate launch grpo.py \\\n --num_generations 8 --beta 0.1",
        "%%bash\ntrl grpo --num_generations 8 --beta 0.1",
    ],
)
def test_the_command_lines_of_a_notebook(tmp_path, source):
    config = notebook(tmp_path, "x = 1", source)
    assert (config.framework, config.entry) == ("trl", "GRPOConfig")
    assert values(config) == {"num_generations": 8, "beta": 0.1}
