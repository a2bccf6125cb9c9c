"""What Colab and Kaggle ship fits the package's own ranges, and the files that Binder and Codespaces read hold together."""

import json
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from fresh import HOSTS, LESSONS, parse
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WANTED = {canonicalize_name(found.name): found.specifier for found in map(Requirement, PROJECT["dependencies"])}
ENVIRONMENT = yaml.safe_load((ROOT / ".binder" / "environment.yml").read_text())
DEVCONTAINER = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
PAGE = (ROOT / "docs" / "HOSTS.md").read_text()


def shipped(host: str) -> dict[str, str]:
    text = (Path(__file__).parent / f"{host}.txt").read_text()
    return {canonicalize_name(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+)$", text, re.M)}


@pytest.mark.parametrize("host", HOSTS)
def test_pip_replaces_nothing_of_what_a_host_ships(host):
    versions = shipped(host)
    assert {name for name, wanted in WANTED.items() if name in versions and versions[name] not in wanted} == set()
    assert WANTED.keys() - versions.keys() == {"jaxtyping"}  # what comes with the first cell


@pytest.mark.parametrize("host", HOSTS)
def test_the_page_states_the_versions_of_the_list(host):
    (row,) = re.findall(rf"^\| {host.capitalize()} \|.+\|(.+)\|$", PAGE, re.M)
    said = dict(re.findall(r"(\w+) (\d[\d.]*\d)", row))
    assert len(said) > 6
    assert {name: version for name, version in said.items() if name != "Python"} == {
        name: shipped(host)[canonicalize_name(name)] for name in said if name != "Python"
    }


def test_binder_and_codespaces_get_a_torch_and_a_python_that_the_package_accepts():
    wanted = {re.match(r"[\w-]+", line)[0]: line for line in ENVIRONMENT["dependencies"]}
    assert Requirement(wanted["pytorch-cpu"]).specifier == WANTED["torch"]
    python = Version(wanted["python"].partition("=")[2])
    assert python in Requirement(f"python{PROJECT['requires-python']}").specifier


def test_binder_installs_the_package_from_the_repository():
    path = ROOT / ".binder" / "postBuild"
    assert os.access(path, os.X_OK)
    assert subprocess.run(["bash", "-n", path]).returncode == 0
    assert "pip install" in path.read_text() and "--editable ." in path.read_text()


def test_codespaces_makes_the_environment_of_binder_and_opens_the_first_lesson():
    assert "--file .binder/environment.yml" in DEVCONTAINER["onCreateCommand"]
    assert "--editable ." in DEVCONTAINER["onCreateCommand"]
    python = DEVCONTAINER["customizations"]["vscode"]["settings"]["python.defaultInterpreterPath"]
    assert (
        python.split("/")[-3] == ENVIRONMENT["name"]
        and Path(python).parent.as_posix() in DEVCONTAINER["remoteEnv"]["PATH"]
    )
    (opened,) = DEVCONTAINER["customizations"]["codespaces"]["openFiles"]
    assert (ROOT / opened).is_file() and opened.startswith("notebooks/00_")


def test_the_commands_of_the_page_are_read_with_their_lessons():
    commands = re.findall(r"^python tests/hosted/fresh.py (.+)$", PAGE, re.M)
    assert len(commands) == 2
    for command in commands:
        host, option, python, *lessons = command.split()
        options = parse([host, option, python, *lessons])
        assert (options.host, options.python, options.lessons) == (host, python, lessons)
    assert parse(["colab"]).lessons == LESSONS
