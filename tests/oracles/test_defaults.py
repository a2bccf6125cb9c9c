"""The recorded defaults: read by name from a source, the same as their cells say, and TRL's as it is installed."""

import json
from importlib import import_module
from pathlib import Path
from sysconfig import get_paths

import pytest

from reference.frameworks.defaults import read
from reference.frameworks.slots import SLOTS

from .defaults import names
from .defaults.cells import OTHER, as_stored, cell, fixed, inert, read_all, value
from .defaults.source import Found, NotFound, argument, code, field, given, parameter, yaml_value
from .frameworks import CELLS, DEFAULTS, RECORDED, recorded_version
from .record_defaults import cells_of, record

RL = (
    "advantage",
    "dead groups",
    "kl",
    "clip",
    "ratio",
    "aggregation",
    "entropy",
    "sampling",
    "correction",
    "optimizer",
)
NO_TRAINER: dict[str, str] = {  # frameworks without a trainer of reinforcement learning, and why
    "liger_kernel": "losses for the trainers of others, from hidden states; it samples nothing and has no advantages",
    "llamafactory": "its PPO is that of TRL up to 0.9.6, which the package itself does not allow",
}

PYTHON = """
class Config(Base):
    eps: float = 0.2
    high: float | None = field(default=None, metadata={"help": "x"})
    kinds: list[str] = field(default_factory=lambda: ["sigmoid"])
    nested: Other = field(default_factory=Other)
    betas = (0.9, 0.95)
    mode: Mode = Mode.GRPO

    def loss(self, x, clip=0.1, *, agg: str = "mean"):
        return x / (std + 1e-4)

def arguments(parser):
    parser.add_argument("--kl", type=float, default=0.01)
    parser.add_argument("--use", action="store_true")
    parser.add_argument("--flag", action="store_true", default=True)
"""
TYPED = "class A(B):\n    x: int = 1\n    y: str = 'a'\n    z = 2\n"
INHERITED = """
class Base(Elsewhere):
    y: str = "a"
class A(Base):
    x: int = 1
    more: Inner | None = None
    z = 2
class Inner(Base):
    up: A | None = None
"""
YAML = """
algorithm:
  gae:
    lam: 1.0
  name: null  # none
list: [0.5, 2]
lr: 1e-6
"""


@pytest.fixture
def root(tmp_path) -> Path:
    (tmp_path / "a.py").write_text(PYTHON)
    (tmp_path / "a.yaml").write_text(YAML)
    return tmp_path


@pytest.mark.parametrize(
    ("reader", "found"),
    [
        (field("a.py", "Config.eps"), Found(0.2, "a.py:3")),
        (field("a.py", "Config.high"), Found(None, "a.py:4")),
        (field("a.py", "Config.kinds"), Found(["sigmoid"], "a.py:5")),
        (field("a.py", "Config.nested"), Found("Other()", "a.py:6")),
        (field("a.py", "Config.betas"), Found([0.9, 0.95], "a.py:7")),
        (field("a.py", "Config.mode"), Found("Mode.GRPO", "a.py:8")),
        (parameter("a.py", "Config.loss.clip"), Found(0.1, "a.py:10")),
        (parameter("a.py", "Config.loss.agg"), Found("mean", "a.py:10")),
        (argument("a.py", "--kl"), Found(0.01, "a.py:14")),
        (argument("a.py", "--use"), Found(False, "a.py:15")),
        (argument("a.py", "--flag"), Found(True, "a.py:16")),
        (yaml_value("a.yaml", "algorithm.gae.lam"), Found(1.0, "a.yaml:4")),
        (yaml_value("a.yaml", "algorithm.name"), Found(None, "a.yaml:5")),
        (yaml_value("a.yaml", "list"), Found([0.5, 2], "a.yaml:6")),
        (yaml_value("a.yaml", "lr"), Found(1e-6, "a.yaml:7")),
        (code("a.py", "1e-4", of="Config.loss"), Found(None, "a.py:11")),
        (given(1e-4, code("a.py", "1e-4")), Found(1e-4, "a.py:11")),
    ],
)
def test_a_default_is_found_where_it_is_stated(root, reader, found):
    assert reader(root) == found


@pytest.mark.parametrize(
    ("reader", "said"),
    [
        (field("a.py", "Config.gone"), "no Config.gone"),
        (field("a.py", "Gone.eps"), "no Gone"),
        (field("b.py", "Config.eps"), "there is no b.py"),
        (parameter("a.py", "Config.loss.x"), "no default for Config.loss.x"),
        (argument("a.py", "--gone"), "no argument --gone"),
        (yaml_value("a.yaml", "algorithm.lam"), "no algorithm.lam"),
        (code("a.py", "add_argument"), "3 lines"),
        (code("a.py", "add_argument", of="Config.loss"), "0 lines"),
    ],
)
def test_what_is_gone_or_there_twice_is_named(root, reader, said):
    with pytest.raises(NotFound, match=said):
        reader(root)


def test_all_names_are_those_that_a_user_writes(root):
    (root / "b.py").write_text(TYPED)
    assert names.fields("b.py", "A", "grpo.")(root) == ["grpo.x", "grpo.y"]
    (root / "c.py").write_text("class Top:\n    a: int = 1\n    b: A | None = None\n    c = 3\n")
    assert names.nested_fields("c.py", "b.py", owner="Top")(root) == ["a", "b", "b.x", "b.y"]
    (root / "d.py").write_text(INHERITED)
    assert names.nested_fields("d.py", owner="A")(root) == ["y", "x", "more", "more.y", "more.up"]
    assert names.arguments("a.py")(root) == ["--kl", "--use", "--flag"]
    assert names.parameters("a.py", "Config.loss")(root) == ["x", "clip", "agg"]
    assert names.yaml_keys("a.yaml")(root) == [
        "algorithm",
        "algorithm.gae",
        "algorithm.gae.lam",
        "algorithm.name",
        "list",
        "lr",
    ]
    assert names.yaml_keys("a.yaml", "b.", under="algorithm.gae")(root) == ["b.lam"]


def test_a_cell_is_stored_with_its_words_and_what_cannot_be_read_is_told(root):
    cells = [
        cell("kl", "--kl", argument("a.py", "--kl"), "{value} times k1", column="kl_coef"),
        cell("clip", "mode", field("a.py", "Config.mode"), {"ppo": value("clipped", loss="ppo_clip")}),
        fixed("advantage", code("a.py", "1e-4"), "1e-4 is added", columns={"eps": 1e-4}),
        inert("clip", "clip", parameter("a.py", "Config.loss.clip"), "nobody reads it"),
        cell("kl", "gone", field("a.py", "Config.gone"), "x"),
    ]
    stored, lost = read_all(cells, root)
    where = {"entry": "", "where": "a.py:14"}
    assert (
        stored[0]
        == {"slot": "kl", "option": "--kl", "default": 0.01, "says": "{value} times k1", "column": "kl_coef"} | where
    )
    assert stored[1]["values"] == [["ppo", "clipped", {"loss": "ppo_clip"}]]
    assert stored[2]["values"] == [[None, "1e-4 is added", {"eps": 1e-4}]]
    assert stored[3]["acts"] is False and len(stored) == 4
    assert lost == ["mode: the default is 'Mode.GRPO', and there are no words for it", "gone: a.py has no Config.gone"]


def test_a_list_is_a_tuple_in_a_cell_and_any_other_value_has_words_too(root):
    cells = [
        cell("clip", "kinds", field("a.py", "Config.kinds"), {("sigmoid",): "DPO"}),
        cell("clip", "high", field("a.py", "Config.high"), {0.3: "high", OTHER: "{value}"}),
    ]
    stored, lost = read_all(cells, root)
    assert stored[0]["values"] == [[["sigmoid"], "DPO", {}]]
    assert stored[1]["values"] == [[0.3, "high", {}], ["{value}", "{value}", {}]]
    assert not lost


@pytest.mark.parametrize("wrong", [("clips", "x"), ("clip", "clip_lowest")])
def test_slots_and_columns_are_those_that_there_are(root, wrong):
    slot, column = wrong
    with pytest.raises(ValueError):
        cell(slot, "x", argument("a.py", "--kl"), "x", column=column if column != "x" else "")
    with pytest.raises(ValueError):
        value("x", columns={"clip_lowest": 1})


# --- what is committed ---


@pytest.mark.parametrize("framework", DEFAULTS)
def test_the_file_has_the_cells_of_the_framework_and_every_default_has_words(framework):
    (path,) = CELLS.glob(f"{framework}-*.json")
    stored = json.loads(path.read_text())
    cells = cells_of(framework)
    assert len(cells) == len(stored["cells"]), f"record the defaults of {framework} again"
    for one, its in zip(cells, stored["cells"], strict=True):
        expected = as_stored(one, Found(its["default"], its["where"]))
        assert its == json.loads(json.dumps(expected)), f"record the defaults of {framework} again"
    assert stored["title"] == DEFAULTS[framework]
    assert {one.option for one in cells if one.option} <= set(stored["names"])
    for one in read(path).cells:
        assert one.words(one.default), f"{framework}: no words for {one.option} = {one.default!r}"
        assert len(one.words(one.default).split()) <= 32, f"{framework}, {one.option}: one short sentence"


@pytest.mark.parametrize("framework", DEFAULTS)
def test_every_slot_of_a_recipe_is_there(framework):
    (path,) = CELLS.glob(f"{framework}-*.json")
    missing = set(RL) - {one.slot for one in read(path).cells}
    assert not missing or framework in NO_TRAINER, f"{framework} says nothing about {sorted(missing)}"


def test_every_framework_with_records_has_defaults_of_the_same_version():
    for name, framework in RECORDED.items():
        assert name in DEFAULTS
        assert recorded_version(name) in framework.package or "@" in framework.package


def test_trl_as_it_is_installed_is_the_recorded_one(tmp_path):
    """The file and line may be others in another version; here they are the same, as the version is."""
    version = recorded_version("trl")
    if import_module("trl").__version__ != version:
        pytest.skip(f"TRL {version} is recorded, another one is installed: make oracles compares them")
    path, lost = record("trl", source=Path(get_paths()["purelib"]), of_version=version, folder=tmp_path)
    assert not lost
    assert path.read_text() == (CELLS / path.name).read_text(), "python -m oracles.record_defaults trl, in tests/"


def test_the_slots_of_this_test_are_slots():
    assert set(RL) <= SLOTS.keys()
