"""YAML: leaves with lines, parents, interpolation, duplicates."""

import pytest

from reference.configs.option import UNEVALUATED
from tests.configs.written import read, values


def test_leaves_and_their_lines(tmp_path):
    text = "rl: grpo\nbase_model: m\ntrl:\n  beta: 1e-3\n  funcs: [a, b]\n  empty: {}\ndatasets:\n  - path: p\n"
    config = read(tmp_path, "c.yml", text)
    assert config.framework == "axolotl"
    assert values(config) == {
        "rl": "grpo",
        "base_model": "m",
        "trl.beta": 1e-3,
        "trl.funcs": ["a", "b"],
        "datasets": [{"path": "p"}],
    }
    assert (config.options["trl.beta"].line, config.options["trl.beta"].text) == (4, "1e-3")


def test_a_key_given_twice(tmp_path):
    config = read(tmp_path, "c.yaml", "loss_fn:\n  a: 1\n  a: 2\ngrpo:\n  b: 1\ngrpo:\n  c: 1\n")
    assert values(config) == {"loss_fn.a": 2, "grpo.b": 1, "grpo.c": 1}
    assert any("loss_fn.a is given twice (lines 2 and 3)" in note for note in config.notes)
    assert any("grpo stands in lines 4 and 6" in note for note in config.notes)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("${policy.n}", 4),
        ("${.n}", 3),
        ("${..policy.n}", 4),
        ("x-${policy.n}", "x-4"),
        ("${chain}", 4),
        ("${nowhere}", UNEVALUATED),
        ("${oc.env:HOME}", UNEVALUATED),
        ("'${loss_fn.it}'", UNEVALUATED),
    ],
)
def test_interpolation(tmp_path, written, value):
    text = f"loss_fn:\n  n: 3\n  it: {written}\npolicy:\n  n: 4\nchain: ${{policy.n}}\n"
    assert values(read(tmp_path, "c.yaml", text))["loss_fn.it"] == value


def test_what_is_merged_in_counts_less_than_what_stands_beside_it(tmp_path):
    text = "base: &b\n  x: 1\n  y: {p: 1, q: 2}\nloss_fn:\n  y: {p: 5}\n  <<: *b\n"
    config = read(tmp_path, "c.yaml", text)
    assert values(config) == {"base.x": 1, "base.y.p": 1, "base.y.q": 2, "loss_fn.x": 1, "loss_fn.y.p": 5}
    assert config.notes == []


def test_parents_are_read_and_overridden(tmp_path):
    (tmp_path / "far.yaml").write_text("loss_fn: {a: 0, b: 0, c: 0}\ngrpo: {n: '${loss_fn.c}'}\n")
    (tmp_path / "near.yaml").write_text("defaults: far.yaml\nloss_fn: {b: 1, c: 1}\n")
    config = read(tmp_path, "c.yaml", "defaults: near.yaml\nloss_fn: {c: 2}\n")
    assert values(config) == {"loss_fn.a": 0, "loss_fn.b": 1, "loss_fn.c": 2, "grpo.n": 2}
    assert {key: option.where for key, option in config.options.items()}["loss_fn.b"] == "near.yaml"


def test_a_parent_that_is_not_there_and_one_that_is_the_file(tmp_path):
    config = read(tmp_path, "c.yaml", "defaults: [gone.yaml, c.yaml, _self_]\nloss_fn: {c: 2}\n")
    assert values(config) == {"loss_fn.c": 2}
    assert any("gone.yaml, which is not here" in note for note in config.notes)
    assert "c.yaml takes in itself" in config.notes


def test_a_config_behind_a_command_line_counts_less_than_the_command_line(tmp_path):
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "c.yaml").write_text("grpo: {n: 1, m: 1}\nloss_fn: {x: 1}\n")
    config = read(tmp_path, "run.sh", "uv run examples/run_grpo.py --config $HERE/conf/c.yaml grpo.n=2\n")
    assert (config.framework, config.entry) == ("nemo-rl", "examples/run_grpo.py")
    assert {key: value for key, value in values(config).items() if key != "--config"} == {
        "grpo.n": 2,
        "grpo.m": 1,
        "loss_fn.x": 1,
    }


def test_a_bare_name_is_looked_for_beside_the_file_only(tmp_path):
    (tmp_path / "c.yaml").write_text("grpo: {m: 1}\n")
    (tmp_path / "below").mkdir()
    config = read(tmp_path / "below", "run.sh", "uv run examples/run_grpo.py --config c.yaml grpo.n=2\n")
    assert values(config) == {"--config": "c.yaml", "grpo.n": 2}
    assert any("c.yaml, which is not here" in note for note in config.notes)


def test_no_tag_runs_anything(tmp_path):
    text = "loss_fn:\n  a: !!python/object/apply:os.mkdir ['made']\n  b: !thing 1\n"
    config = read(tmp_path, "c.yaml", text)
    assert not (tmp_path / "made").exists()
    assert values(config)["loss_fn.b"] is UNEVALUATED
