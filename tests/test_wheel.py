"""The wheel works without the repository: built from the source archive, as ``python -m build`` does, and run elsewhere."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
# What is built from: the source archive shows whether MANIFEST.in names everything.
FILES = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "CITATION.cff", "CHANGELOG.md")
FOLDERS = ("reference", "notebooks", "docs", "findings", "figures")
BUILD = "from setuptools import build_meta; print(build_meta.build_{}({!r}))"
IN_AN_EMPTY_FOLDER = """
import json
from pathlib import Path
import reference
from reference.lessons import FILES
from reference.lessons.codebases.recipes_of import FOLDER
from reference.lessons.kl_place.own import notebook_file
from reference.runs.recorded_runs import RUNS, recorded_logs
print(json.dumps({
    "package": reference.__file__,
    "runs": sorted(path.parent.name for path in RUNS.glob("*/metrics.jsonl")),
    "missing files": sorted(name for name in FILES if not list(RUNS.parent.glob(f"*/{name}.json*"))),
    "logs": [len(log) for log in recorded_logs({"grpo": "grpo"})["grpo"]],
    "configs": len(list(FOLDER.glob("*.*"))),
    "earlier notebook": notebook_file("04_clipping", None).is_file(),
}))
"""


def run(code: str, folder: Path, *arguments: str, path: Path | None = None) -> str:
    """What the code prints, run in ``folder``; ``path`` is where it finds the package."""
    environment = {**os.environ, "PYTHONPATH": str(path or ""), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    pytest.importorskip("setuptools", minversion="77", reason="a wheel is built with setuptools 77 or newer")
    folder = tmp_path_factory.mktemp("build")
    source = folder / "source"
    source.mkdir()
    for name in FILES:
        shutil.copy(ROOT / name, source)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "checkpoints", ".*"))
    archive = run(BUILD.format("sdist", str(folder)), source).splitlines()[-1]
    with tarfile.open(folder / archive) as opened:
        opened.extractall(folder / "unpacked", filter="data")
    name = run(BUILD.format("wheel", str(folder)), next((folder / "unpacked").iterdir())).splitlines()[-1]
    return folder / name


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(folder)
    return folder


def test_it_holds_the_whole_package_and_what_the_lessons_read(installed):
    package = {
        path for path in (ROOT / "reference").rglob("*.*") if path.is_file() and path.suffix not in (".pyc", ".md")
    }
    for path in package:
        assert (installed / path.relative_to(ROOT)).read_bytes() == path.read_bytes(), path
    tracked = [path for pattern in ("notebooks/[0-9]*.ipynb", "docs/*.md", "findings/*.*", "figures/*/*.json*",
                                    "figures/runs/*/*.json*") for path in ROOT.glob(pattern)]  # fmt: skip
    assert len(tracked) > 700
    for path in tracked:
        assert (installed / "reference" / "course" / path.relative_to(ROOT)).read_bytes() == path.read_bytes(), path


def test_it_carries_no_tests_and_stays_small_enough_to_download(wheel, installed):
    assert {path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")} == {"reference"}
    assert wheel.stat().st_size < 25e6


def test_in_an_empty_folder_it_finds_the_recorded_runs(installed, tmp_path):
    found = json.loads(run(IN_AN_EMPTY_FOLDER, tmp_path, path=installed))
    assert found["package"].startswith(str(installed))
    assert found["missing files"] == []
    assert found["runs"] == sorted(path.parent.name for path in (ROOT / "figures" / "runs").glob("*/metrics.jsonl"))
    assert found["logs"] == [40, 40, 40]
    assert found["configs"] == 4 and found["earlier notebook"]


def test_it_copies_the_same_lessons_as_a_clone(installed, tmp_path):
    from reference.lessons.copying import lesson_files

    code = "import sys; from reference.__main__ import main; sys.exit(main(sys.argv[1:]))"
    run(code, tmp_path, "lessons", "course", path=installed)
    copied = {path.relative_to(tmp_path / "course").as_posix(): path for path in (tmp_path / "course").rglob("*.*")}
    assert {name: path.read_bytes() for name, path in copied.items() if path.is_file()} == lesson_files()
