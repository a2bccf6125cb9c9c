"""Everything about the package stands in pyproject.toml. Here is only how a wheel gets what the lessons read and link to.

In the repository these files lie beside the package. A wheel has no place beside it, so they go into reference/course,
where reference/runs/course.py looks first.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
CARRIED = (  # MANIFEST.in has the same, for a wheel is built from the source archive
    "notebooks/[0-9]*.ipynb",
    "docs/*.md",
    "docs/*.py",
    "findings/*.md",
    "findings/*.sh",
    "figures/runs/*/*.json",
    "figures/runs/*/*.jsonl",
    "figures/completions/*.jsonl.gz",
    "figures/best_of_n/*.json",
)


class BuildWithCourse(build_py):
    def run(self) -> None:
        super().run()
        if self.editable_mode:  # then the repository is there
            return
        for file in sorted(path for pattern in CARRIED for path in HERE.glob(pattern)):
            target = Path(self.build_lib, "reference", "course", file.relative_to(HERE))
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)


setup(cmdclass={"build_py": BuildWithCourse})
