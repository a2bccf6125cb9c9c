"""Execute notebooks in place, as they are committed: all of them, or those that are named by number or by file.

    make notebooks            make notebooks NB=02            make notebooks NB="02 05_grpo_advantages.ipynb"

Outputs stay, and the picture of a widget in the place of the widget. What differs from run to run, or from one computer
to the next, is taken out, so that a diff shows what was changed.
"""

import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

FOLDER = Path(__file__).parents[2] / "notebooks"
KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}


def notebook_path(name: str, folder: Path = FOLDER) -> Path:
    """The notebook that a number (02) or a file name (with or without folder and ending) stands for."""
    notebooks = sorted(folder.glob("[0-9]*.ipynb"))
    wanted = Path(name).name.removesuffix(".ipynb")
    for path in notebooks:
        if wanted in (path.stem, path.stem.partition("_")[0]):
            return path
    sys.exit(f"NB={name}: there is no such notebook. There are: {', '.join(path.stem for path in notebooks)}")


def executed(path: Path) -> NotebookNode:
    """The notebook with the outputs of a fresh kernel; an error in a cell ends here, and the file stays as it was."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, timeout=None, startup_timeout=300, store_widget_state=False, record_timing=False, coalesce_streams=True,
        resources={"metadata": {"path": path.parent}},
    ).execute()  # fmt: skip
    return notebook


def without_noise(notebook: NotebookNode) -> NotebookNode:
    """Of the metadata only what means something here: the language, and the tags of cells. No times, no versions."""
    cells = [
        NotebookNode({**cell, "metadata": {key: value for key, value in cell.metadata.items() if key == "tags"}})
        for cell in notebook.cells
    ]
    metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    return NotebookNode({**notebook, "cells": cells, "metadata": metadata})


def main(names: list[str]) -> None:
    os.environ["REFERENCE_STATIC"] = "1"  # widgets leave their picture
    os.environ["REFERENCE_PROGRESS"] = "off"  # no learner is there
    for path in [notebook_path(name) for name in names] or sorted(FOLDER.glob("[0-9]*.ipynb")):
        print(f"executing {path.name}", flush=True)
        nbformat.write(without_noise(executed(path)), path)


if __name__ == "__main__":
    main(sys.argv[1:])
