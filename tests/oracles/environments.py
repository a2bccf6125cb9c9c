"""An environment for one framework: made once, in .oracles/, by venv and pip."""

import os
import subprocess
import sys
from pathlib import Path
from sysconfig import get_paths

from .frameworks import NEEDS, RECORDED, recorded_version

FOLDER = Path(__file__).parents[2] / ".oracles"
TESTS = Path(__file__).parents[1]
GIT, SOURCE = " @ git+", "source"  # how a package that comes from a repository is written, and where that goes


class NotRecorded(Exception):
    """Why there is nothing to compare, in one sentence."""


def package_named(name: str, version: str | None) -> str:
    """What pip is asked for, as ``skyrl==0.3.0`` or ``nemo-rl @ git+...``. Raises ``NotRecorded``."""
    package = RECORDED[name].package if name in RECORDED else f"{name.replace('_', '-')}=={recorded_version(name)}"
    if version is None:
        return package
    if "==" not in package:
        raise NotRecorded(
            f"{package} is not on the package index: another commit goes into tests/oracles/frameworks.py"
        )
    return f"{package.partition('==')[0]}=={version}"


def version_of(name: str, package: str) -> str:
    return package.partition("==")[2] or recorded_version(name)


def environment(name: str, package: str) -> Path:
    """The folder of the environment that holds this package; made if it is not there yet."""
    folder = FOLDER / f"{name}-{version_of(name, package)}"
    ready = folder / "ready"
    if ready.exists():
        return folder
    attempt([sys.executable, "-m", "venv", "--clear", str(folder)], f"no environment could be made in {folder}")
    borrowed = get_paths()["purelib"]  # torch and transformers, which need not be installed once more
    (site_packages(folder) / "borrowed.pth").write_text(borrowed + "\n")
    pip = [str(python(folder)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # what is borrowed counts as installed, and the framework itself must be here
    own = [package, *NEEDS.get(name, ())]
    if GIT in package:
        check_out(folder, own.pop(0))
    if own:
        attempt([*pip, "--no-deps", "--ignore-installed", *own], f"pip cannot install {' and '.join(own)}")
    if name in RECORDED and RECORDED[name].needs:
        attempt([*pip, *RECORDED[name].needs], f"pip cannot install what {package} needs")
    ready.touch()
    return folder


def check_out(folder: Path, package: str) -> None:
    """A repository beside the environment, which imports it from there.

    pip is not asked: a wheel of NeMo-RL holds none of its subpackages, and wants a newer Python than its formulas need.
    """
    url, _, commit = package.partition(GIT)[2].rpartition("@")
    git = ["git", "-C", str(folder)]
    attempt([*git, "clone", "--quiet", "--filter=blob:none", "--no-checkout", url, SOURCE], f"git cannot clone {url}")
    attempt([*git, "-C", SOURCE, "checkout", "--quiet", commit], f"{url} has no commit {commit}")
    (site_packages(folder) / f"{SOURCE}.pth").write_text(f"{folder / SOURCE}\n")


def root_of(folder: Path) -> Path:
    """The folder that holds the package."""
    return folder / SOURCE if (folder / SOURCE).exists() else site_packages(folder)


def run(folder: Path, *command: str) -> None:
    """A module of ours, in that environment. Raises ``NotRecorded`` with the last line that it printed."""
    search = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    attempt([str(python(folder)), *command], f"{command[1]} failed", PYTHONPATH=search, TORCH_COMPILE_DISABLE="1")


def attempt(command: list[str], why: str, **variables: str) -> None:
    done = subprocess.run(command, cwd=TESTS, env={**os.environ, **variables}, capture_output=True, text=True)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["it said nothing"]
        raise NotRecorded(f"{why}: {lines[-1].strip().rstrip('.')}")


def python(folder: Path) -> Path:
    return folder / "bin" / "python"


def site_packages(folder: Path) -> Path:
    return Path(get_paths(vars={"base": str(folder), "platbase": str(folder)})["purelib"])
