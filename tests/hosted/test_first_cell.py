"""The first cell of a lesson, run where everything is installed but our package, without the network.

Which versions the hosts ship is another question, which `fresh.py` beside this file answers.
"""

import json
import os
import subprocess
import sysconfig
import venv
from pathlib import Path

import pytest
from fresh import archive, environment, hosted_copy, served

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
OURS = ("reference", "__editable__")  # the ways in which an installed package of ours is seen
# What a learner does: a cell of their own first, the first cell, once more, and then a picture of recorded runs.
SESSION = """
import json, os, sys
from pathlib import Path
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

shell = InteractiveShell.instance(config=Config(HistoryManager={"enabled": False}))
cells = json.loads(Path(sys.argv[1]).read_text())["cells"]
earlier, first = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"][:2]
shell.run_cell(earlier).raise_error()
assert "torch" in sys.modules and "reference" not in sys.modules
shell.run_cell(first).raise_error()
shell.system = None  # a second install would fail
shell.run_cell(first).raise_error()
shell.run_cell(sys.argv[2]).raise_error()
"""
DRAW = """
import reference
from reference.runs.recorded_runs import RUNS, recorded_logs
print("package", reference.__file__)
print("runs", len(list(RUNS.glob("*/metrics.jsonl"))), [len(log) for log in recorded_logs({"grpo": "grpo"})["grpo"]])
hint("masked_mean")
play.weights()
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory) -> Path:
    """The Python of an environment that has all our packages, by links, and not ours."""
    pytest.importorskip("setuptools", minversion="77", reason="pip builds our package with setuptools 77 or newer")
    folder = tmp_path_factory.mktemp("host")
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    site = Path(sysconfig.get_path("purelib", "venv", vars={"base": str(folder), "platbase": str(folder)}))
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if not path.name.startswith(OURS) and path.suffix != ".pth":
            (site / path.name).symlink_to(path)
    return folder / ("Scripts" if os.name == "nt" else "bin") / "python"


@pytest.fixture(scope="module")
def printed(host, tmp_path_factory) -> dict[str, str]:
    """The first word of each line that the session printed, and the rest of it."""
    folder = tmp_path_factory.mktemp("published")
    source = f"{served(archive(folder / 'main.zip').parent)}/main.zip"
    path = hosted_copy("00", source, folder / "lesson", earlier="import torch")
    offline = {
        **environment(),
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    done = subprocess.run(
        [host, "-c", SESSION, path.name, DRAW], cwd=path.parent, env=offline, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {"all": done.stdout, **dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)}


def test_it_installs_the_package_from_the_archive_and_says_nothing_but_what_the_cell_prints(printed, host):
    assert Path(printed["package"]).is_relative_to(host.parents[1])
    assert printed["all"].startswith("ready\nready\npackage ")


def test_the_recorded_runs_came_with_it(printed):
    recorded = len(list((ROOT / "figures" / "runs").glob("*/metrics.jsonl")))
    assert printed["runs"] == f"{recorded} [40, 40, 40]"


def test_pip_knows_that_it_is_the_archive_and_not_a_package_of_that_name(printed, host):
    (record,) = (host.parents[1]).rglob("reference-*.dist-info/direct_url.json")
    assert json.loads(record.read_text())["url"].endswith("/main.zip")
