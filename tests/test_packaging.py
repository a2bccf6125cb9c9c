"""The two lists of packages agree, and what the package reads when it runs is shipped with it."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

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
