"""Lessons as a hosted notebook runs them: in a fresh environment that holds what the host ships, and not our package.

    python tests/hosted/fresh.py colab --python python3.13          lessons 00, 02, 05 and 12
    python tests/hosted/fresh.py kaggle --python python3.12 00 13   these lessons

It needs the network, some GB for torch and some minutes, so no test runs it; docs/HOSTS.md says what it found. The files
colab.txt and kaggle.txt beside this one are what the hosts ship, and the same page says where that is from. The archive of
the repository is made from the files that git knows, and served on this computer. Each notebook lies alone in an empty
folder. Its first cell is the one of a published course, with the address of that archive.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
from website.badges import with_source  # noqa: E402

FOLDER = Path(__file__).parent
HOSTS = sorted(path.stem for path in FOLDER.glob("*.txt"))
LESSONS = ["00", "02", "05", "12"]
EARLIER = "import ipywidgets, matplotlib.pyplot, numpy, torch, transformers"  # nothing of these may need a restart
# Run by the Python of the host. Widgets are built, since REFERENCE_STATIC is not set.
EXECUTE = """
import json, sys
from datetime import datetime
import nbformat
from nbclient import NotebookClient

def printed(cells):
    return {
        cell.id: "".join(output.get("text", "") for output in cell.outputs if output.get("name") == "stdout")
        for cell in cells if cell.cell_type == "code" and "nbval-ignore-output" not in cell.metadata.get("tags", [])
    }

notebook = nbformat.read(sys.argv[1], as_version=4)
committed = printed(notebook.cells)
NotebookClient(notebook, timeout=900, startup_timeout=300, kernel_name="python3").execute()
times = [
    (datetime.fromisoformat(at["iopub.status.idle"].rstrip("Z")) - datetime.fromisoformat(at["iopub.status.busy"].rstrip("Z")))
    .total_seconds() for cell in notebook.cells if (at := cell.metadata.get("execution"))
]
kinds = [kind for cell in notebook.cells for output in cell.get("outputs", []) for kind in output.get("data", {})]
print(json.dumps({
    "seconds of the first cell": round(times[1], 1), "of all": round(sum(times)),
    "widgets": kinds.count("application/vnd.jupyter.widget-view+json"), "pictures": kinds.count("image/png"),
    "cells that print": sum(map(bool, committed.values())), "print something else": [
        name for name, text in printed(notebook.cells).items() if text != committed[name]
    ],
}))
"""


def archive(target: Path, root: Path = ROOT) -> Path:
    """The files that git knows, as GitHub packs them: in a folder of the repository and the branch."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True).stdout
    with zipfile.ZipFile(target, "w") as packed:
        for name in filter(None, listed.split("\0")):
            if (root / name).is_file():
                packed.write(root / name, f"course-main/{name}")
    return target


def served(folder: Path) -> str:
    """The address of a folder, served until this process ends."""
    handler = partial(Quiet, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Requests are not printed between our lines."""


def hosted_copy(number: str, source: str, folder: Path, *, earlier: str = EARLIER) -> Path:
    """A lesson alone in a folder. Its first cell installs from ``source``, after a cell that has imported things."""
    (path,) = (ROOT / "notebooks").glob(f"{number}_*.ipynb")
    notebook = with_source(json.loads(path.read_text(encoding="utf-8")), source)
    before = {"cell_type": "code", "id": "before-000", "metadata": {}, "outputs": [], "execution_count": None}
    notebook["cells"] = [{**before, "source": [earlier]}, *notebook["cells"]]
    folder.mkdir()
    (folder / path.name).write_text(json.dumps(notebook), encoding="utf-8")
    return folder / path.name


def environment() -> dict[str, str]:
    """Ours, without what would show our package to Python."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return {**kept, "REFERENCE_PROGRESS": "off", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


def python_of(host: str, python: str, folder: Path) -> Path:
    """The Python of an environment with what the host ships."""
    subprocess.run([python, "-m", "venv", folder], check=True)
    found = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    subprocess.run([found, "-m", "pip", "install", "-q", "-r", FOLDER / f"{host}.txt"], check=True)
    return found


def frozen(python: Path) -> set[str]:
    """Every package with its version."""
    done = subprocess.run([python, "-m", "pip", "freeze", "--all"], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines())


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line. Lessons may stand behind an option, as above, which not every Python reads of itself."""
    parser = argparse.ArgumentParser(description="Run lessons in an environment with what a host ships.")
    parser.add_argument("host", choices=HOSTS)
    parser.add_argument("lessons", nargs="*", default=LESSONS)
    parser.add_argument("--python", default=sys.executable, help="a Python of the version that the host has")
    parser.add_argument("--environment", type=Path, help="the Python of an environment that is there already")
    return parser.parse_intermixed_args(arguments)


def main() -> None:
    options = parse()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python = options.environment or python_of(options.host, options.python, folder / "host")
        archive(folder / "main.zip")
        source, before = f"{served(folder)}/main.zip", frozen(python)
        print(subprocess.run([python, "--version"], capture_output=True, text=True, check=True).stdout.strip())
        for number in options.lessons:
            path = hosted_copy(number, source, folder / number)
            done = subprocess.run(
                [python, "-c", EXECUTE, path], cwd=path.parent, env=environment(), stdout=subprocess.PIPE, text=True
            )
            print(number, done.stdout.strip() if done.returncode == 0 else "failed", flush=True)
        after = frozen(python)
        print("came:", ", ".join(sorted(after - before)), "\nwent:", ", ".join(sorted(before - after)) or "nothing")


if __name__ == "__main__":
    main()
