"""What is exported is taken by the framework itself: TRL's classes are filled, and the parsers of verl, OpenRLHF and NeMo-RL run.

TRL is installed. verl's config, OpenRLHF's program and NeMo-RL's loader are read in the environments that ``make oracles`` makes, or in those
that ``EXPORT_ENVIRONMENTS`` names: folders with a ``bin/python`` and the package, a colon between them. Without one of them
those tests are skipped.
"""

import json
import os
import re
import subprocess
from itertools import chain
from pathlib import Path

import pytest

from reference.algorithms.recipes import RECIPES, ROWS
from reference.frameworks.export import export, text_of
from reference.frameworks.exporters.write_trl import COMMANDS
from reference.objectives.shapes import InputError

ROOT = Path(__file__).parents[2]
GIVEN = filter(None, os.environ.get("EXPORT_ENVIRONMENTS", "").split(":"))
ENVIRONMENTS = [*map(Path, GIVEN), *sorted((ROOT / ".oracles").glob("*"))]
HYDRA = """
import json, sys
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
folder, overrides = sys.argv[1], json.loads(sys.argv[2])
with initialize_config_dir(folder, version_base=None):
    config = compose("ppo_trainer", overrides=overrides)
print(json.dumps({name: OmegaConf.select(config, name) for name in json.loads(sys.argv[3])}))
"""
# The loader of NeMo-RL, without the package around it. Its parent has every other option.
LOADER = """
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("loader", sys.argv[1])
loader = importlib.util.module_from_spec(spec)
spec.loader.exec_module(loader)
from omegaconf import OmegaConf
loader.register_omegaconf_resolvers()
config = loader.load_config(sys.argv[2])
found = {name: OmegaConf.select(config, name) for name in json.loads(sys.argv[3])}
print(json.dumps({name: OmegaConf.to_container(x) if OmegaConf.is_config(x) else x for name, x in found.items()}))
"""
# The lines of the program up to its parser's answer; what they import is not needed for that.
ARGPARSE = """
import ast, argparse, json, sys
from datetime import datetime
program, arguments = sys.argv[1], json.loads(sys.argv[2])
tree = ast.parse(open(program).read())
main = next(node for node in tree.body if isinstance(node, ast.If) and "__main__" in ast.unparse(node.test))
stop = next(i for i, node in enumerate(main.body) if "parse_args" in ast.unparse(node))
lines = [node for node in main.body[:stop] if not isinstance(node, (ast.Import, ast.ImportFrom))]
names = {"argparse": argparse, "datetime": datetime}
exec(compile(ast.Module(lines, []), program, "exec"), names)
print(json.dumps(vars(names["parser"].parse_args(arguments))))
"""


def exported(to: str) -> list[str]:
    """The recipes that the framework can express."""
    names = []
    for row in ROWS:
        try:
            export(row, to)
        except InputError:
            continue
        names.append(row.name)
    return names


def folder_with(package: str) -> Path:
    """site-packages that hold a package, in one of the environments; else the test is skipped."""
    for place in chain.from_iterable(one.glob("lib/python*/site-packages") for one in ENVIRONMENTS):
        if (place / package).is_dir():
            return place
    pytest.skip(f"no environment holds {package}: make oracles makes one")


def python_with(module: str) -> Path:
    for one in ENVIRONMENTS:
        if any(one.glob(f"lib/python*/site-packages/{module}")):
            return one / "bin" / "python"
    pytest.skip(f"no environment holds {module}: make oracles makes one")


def checkout_of_nemo_rl() -> Path:
    for place in (one / name for one in ENVIRONMENTS for name in ("checkout", "src")):
        if (place / "nemo_rl/utils/config.py").is_file():
            return place
    pytest.skip("no environment holds NeMo-RL's repository: make oracles makes one")


def answer(python: Path | str, program: str, *arguments: str) -> dict:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([python, "-c", program, *arguments], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def words_of(script: str, variables: dict[str, str], folder: Path) -> list[str]:
    """The words of the command that a script would start."""
    *lines, last = script.rstrip("\n").split("\n")
    assert last.endswith('"${options[@]}" "$@"')
    path = folder / "words.sh"
    path.write_text("\n".join([*lines, 'printf "%s\\0" "${options[@]}"']))
    done = subprocess.run(["bash", path], env={"PATH": os.environ["PATH"], **variables}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.rstrip("\0").split("\0")


def filled(recipe, to: str, folder: Path) -> tuple[list[str], dict]:
    found = export(recipe, to)
    words = words_of(text_of(found), {one.variable: "x" for one in found.placeholders}, folder)
    return words, found.options


def test_a_script_stops_where_something_is_not_filled_in(tmp_path):
    path = tmp_path / "run.sh"
    path.write_text(text_of(export(RECIPES["grpo"], "verl")))
    done = subprocess.run(["bash", path], env={"PATH": os.environ["PATH"]}, capture_output=True, text=True)
    assert done.returncode != 0 and "MODEL: the model to start from" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", exported("trl"))
def test_the_config_of_trl_is_built(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = export(RECIPES[name], "trl")
    script = (
        text_of(found)
        .replace("= ...  #", "= None  #")
        .replace(f"config = {found.entry}(", f"config = {found.entry}(use_cpu=True,")
    )
    names: dict = {}
    exec(compile(script.split("\ntrainer = ")[0], f"{name}.py", "exec"), names)
    for option, value in found.options.items():
        built = getattr(names["config"], option)
        assert built == value or (option == "generation_batch_size" and value is None), option


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in exported("trl") if export(RECIPES[name], "trl").entry in COMMANDS])
def test_the_yaml_of_trl_is_parsed_by_its_parser(name, tmp_path):
    import trl

    found = export(RECIPES[name], "trl")
    path = tmp_path / "config.yaml"
    path.write_text(text_of(found, ".yaml", model="a/model") + "use_cpu: true\n")
    parser = trl.TrlParser((trl.ScriptArguments, getattr(trl, found.entry), trl.ModelConfig))
    _, config, model = parser.parse_args_and_config(["--config", str(path)], fail_with_unknown_args=True)
    assert model.model_name_or_path == "a/model"
    for option, value in found.options.items():
        built = getattr(config, option)
        assert built == value or (option == "generation_batch_size" and value is None), option


@pytest.mark.slow
@pytest.mark.parametrize("name", exported("verl"))
def test_the_overrides_of_verl_are_taken_by_its_config(name, tmp_path):
    words, options = filled(RECIPES[name], "verl", tmp_path)
    folder, python = folder_with("verl/trainer/config"), python_with("hydra")
    config = answer(python, HYDRA, str(folder / "verl/trainer/config"), json.dumps(words), json.dumps([*options]))
    assert {option: config[option] for option in options} == options


@pytest.mark.slow
@pytest.mark.parametrize("name", exported("openrlhf"))
def test_the_flags_of_openrlhf_are_taken_by_its_parser(name, tmp_path):
    words, options = filled(RECIPES[name], "openrlhf", tmp_path)
    folder = folder_with("openrlhf/cli")
    program = folder / "openrlhf/cli" / f"{export(RECIPES[name], 'openrlhf').entry}.py"
    parsed = answer(python_with("openrlhf"), ARGPARSE, str(program), json.dumps(words))
    assert {option: parsed[option.removeprefix("--")] for option in options} == options


@pytest.mark.slow
@pytest.mark.parametrize("name", exported("nemo"))
def test_the_yaml_of_nemo_rl_is_taken_by_its_loader(name, tmp_path):
    found, folder = export(RECIPES[name], "nemo"), checkout_of_nemo_rl()
    text = text_of(found, ".yaml")
    (parent,) = re.findall(r"FILL IN defaults: where (\S+) of NeMo-RL lies", text)
    path = tmp_path / "config.yaml"
    path.write_text(f"defaults: {folder}/examples/configs/{parent}\n{text}")
    loader = folder / "nemo_rl/utils/config.py"
    config = answer(python_with("hydra"), LOADER, str(loader), str(path), json.dumps([*found.options]))
    assert {option: config[option] for option in found.options} == found.options


@pytest.mark.slow
@pytest.mark.parametrize("name", exported("trl"))
def test_what_is_exported_to_trl_is_what_the_engine_sets(name):
    """The engine's options are compared with our own training, step by step; where both set one, they agree."""
    from reference.engines.trl.config import trl_options

    found = export(RECIPES[name], "trl")
    trainer, options = trl_options(RECIPES[name])
    assert found.entry == f"{trainer}Config"
    mine = found.options | {option: value for option, (_, value) in found.extras.items()}
    # What differs and means the same: lengths that the engine's data keep to, prompts that both leave out, a synchronisation
    # that is off, and micro-batches, whose product is compared below.
    alike = {"max_length", "completion_only_loss", "ref_model_sync_steps", "gradient_accumulation_steps",
             "per_device_train_batch_size", "steps_per_generation"}  # fmt: skip
    alike |= {"epsilon_high"} if trainer == "RLOO" else set()  # with one step the ratio is 1
    shared = (options.keys() & mine.keys()) - alike
    assert len(shared) > 5
    assert {option: mine[option] for option in shared} == {option: options[option] for option in shared}
    rows = [each["per_device_train_batch_size"] * each["gradient_accumulation_steps"] for each in (mine, options)]
    assert rows[0] == rows[1]
    if RECIPES[name].kind == "rl":
        steps = [each["steps_per_generation"] / each["gradient_accumulation_steps"] for each in (mine, options)]
        assert steps[0] == steps[1]
