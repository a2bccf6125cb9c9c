"""Files that are no configs: a sentence each, and no wait."""

import pytest

from reference.configs.option import UNEVALUATED
from reference.configs.read_config import read_config
from reference.objectives.shapes import InputError
from tests.configs.written import read, values

ALIASES = "a: &a [1, 1]\n" + "".join(
    f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.sh", b"", "is empty"),
        ("a.yaml", b" \n", "is empty"),
        ("a.sh", b"\x7fELF\0\1", "is binary"),
        ("a.yaml", b"a: 1\nb: \xff\xfe\n", "a bad byte is in line 2"),
        ("a.yaml", b"#" * (4 * 2**20 + 1), "more than 4 MB"),
        ("a.yaml", b"- a\n- b\n", "has no options"),
        ("a.yaml", b"a: 1\nb: [1, 2\nc: 3\n", "in line 3"),
        ("a.json", b'{"beta": 0.1, ', "a.json is not JSON that can be read"),
        ("a.yaml", ALIASES.encode(), "with its aliases written out"),
        ("a.yaml", b"a: &a\n  b: *a\n", "nested more than 40 deep"),
        ("a.yaml", b"compute_environment: LOCAL\nnum_machines: 1\n", "not those of a known framework"),
        ("a.py", b"from trl import GRPOConfig\nGRPOConfig(\n  beta=1,\n", r"'\(' was never closed in line 2"),
        ("a.py", b"  GRPOConfig(\n", "unexpected indent in line 1"),
        ("a.py", b"x = " + b"(" * 3000 + b")" * 3000, "nested too deep"),
        ("a.sh", b"echo hello\n", "starts no program"),
        ("a.sh", b"echo '\n", "a quote, bracket or here-document begins there and does not end"),
        ("a.ipynb", b"{}", "not a notebook that can be read"),
        ("a.ipynb", b'{"cells": [1]}', "not a notebook that can be read"),
    ],
)
def test_refusals(tmp_path, name, data, words):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(InputError, match=words):
        read_config(path)


def test_a_folder_and_nothing(tmp_path):
    with pytest.raises(InputError, match="is a folder: name a file in it"):
        read_config(tmp_path)
    with pytest.raises(InputError, match="there is no file"):
        read_config(tmp_path / "gone.sh")


VERL = "python -m verl.trainer.main_ppo a.b=1"


@pytest.mark.parametrize(
    "text",
    [
        "A=xx\n" + 'A="$A$A"\n' * 60 + f"{VERL} c.d=$A\n",
        "A=(x)\n" + 'A=("${A[@]}" "${A[@]}")\n' * 60 + f"{VERL}\n",
        f"fi\ndone\nesac\n}}\n;;\n{VERL}\n",
        f'eval "eval \\"$A\\""\n{VERL}\n',
        f"{VERL}\necho 'cut",
    ],
)
def test_what_grows_or_is_broken_does_not_stop_the_reading(tmp_path, text):
    assert values(read(tmp_path, "a.sh", text))["a.b"] == 1


def test_windows_lines_and_other_encodings(tmp_path):
    (tmp_path / "a.sh").write_bytes(b"python -m verl.trainer.main_ppo \\\r\n  a.b=1 \\\r\n  c.d=2\r\n")
    assert values(read_config(tmp_path / "a.sh")) == {"a.b": 1, "c.d": 2}
    (tmp_path / "a.yaml").write_bytes("loss_fn: {x: 1}\n".encode("utf-16"))
    assert values(read_config(tmp_path / "a.yaml")) == {"loss_fn.x": 1}


def test_a_name_without_an_end_is_tried_as_a_script_and_as_yaml(tmp_path):
    assert read(tmp_path, "script", f"{VERL}\n").framework == "verl"
    assert read(tmp_path, "config", "stage: dpo\nfinetuning_type: lora\n").framework == "llama-factory"


def test_the_value_before_a_quote_that_does_not_end_is_not_known(tmp_path):
    config = read(tmp_path, "a.sh", "trl grpo --beta 0.1 \\\n  --num_generations 4'\n")
    assert values(config) == {"beta": 0.1, "num_generations": UNEVALUATED}
    assert config.options["num_generations"].text == "4'"
    assert "line 2: a quote" in config.notes[0]


def test_an_empty_word_is_no_note(tmp_path):
    assert read(tmp_path, "a.sh", 'python -m verl.trainer.main_ppo a.b=1 ""\n').notes == []
