"""Where the files of the course lie that are no code: notebooks, pages, recorded runs."""

from pathlib import Path

import reference


def course_folder(package: Path) -> Path:
    """Inside the package where it was installed from a wheel (setup.py puts them there); in a clone, beside it."""
    inside = package / "course"
    return inside if inside.is_dir() else package.parent


COURSE = course_folder(Path(reference.__file__).parent)
