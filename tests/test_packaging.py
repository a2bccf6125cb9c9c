"""The two lists of packages agree, what the package reads when it runs is shipped with it, and the pages for people hold."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from reference.lessons import BUGS

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ASKED, BROUGHT = (ROOT / "requirements.txt").read_text().split("# what those bring with them\n")


def pins(lines: str) -> dict[str, str]:
    """Package -> version, by the names that pip compares."""
    return {canonicalize_name(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+)$", lines, re.M)}


def test_every_range_of_pyproject_holds_the_version_that_the_tests_run_with():
    extras = PROJECT["project"]["optional-dependencies"].values()
    wanted = map(Requirement, [*PROJECT["project"]["dependencies"], *(name for names in extras for name in names)])
    asked = pins(ASKED)
    for requirement in wanted:
        assert asked[canonicalize_name(requirement.name)] in requirement.specifier, requirement


def test_every_package_is_pinned_once():
    lines = [line for line in (ASKED + BROUGHT).splitlines() if line and not line.startswith(("#", "-e"))]
    assert len(pins(ASKED + BROUGHT)) == len(lines)
    assert not pins(ASKED).keys() & pins(BROUGHT).keys()


def test_every_file_of_the_package_that_is_no_code_is_shipped():
    package = ROOT / "reference"
    data = {path for path in package.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc", ".md")}
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["reference"]
    assert package / "py.typed" in data
    assert data == {path for pattern in patterns for path in package.glob(pattern)}


def test_the_citation_names_what_pyproject_names():
    citation, project = yaml.safe_load((ROOT / "CITATION.cff").read_text()), PROJECT["project"]
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()  # what the format asks for
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
    assert citation["authors"][0]["name"] in (ROOT / "LICENSE").read_text()
    assert (ROOT / "README.md").read_text().startswith(f"# {citation['title']}\n")


FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml"))  # config.yml is no form


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_an_issue_form_has_what_github_asks_of_one(path):
    form = yaml.safe_load(path.read_text())
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert form["name"] and form["description"] and fields
    assert (
        len({field["id"] for field in fields}) == len({field["attributes"]["label"] for field in fields}) == len(fields)
    )
    for field in fields:
        assert field["type"] in ("textarea", "input", "dropdown") and ("options" in field["attributes"]) == (
            field["type"] == "dropdown"
        )


def test_the_form_for_verdicts_asks_for_what_check_printed_and_for_the_function():
    form = {field.get("id"): field for field in yaml.safe_load((FORMS[-1]).read_text())["body"]}
    assert FORMS[-1].stem == "verdict"
    assert all(form[name]["validations"]["required"] for name in ("verdict", "function", "wrong", "versions"))
    mistake = next(bug.mistake for bug in BUGS if bug.mistake in form["verdict"]["attributes"]["placeholder"])
    assert f"token_logprobs: {mistake}" in form["verdict"]["attributes"]["placeholder"]
