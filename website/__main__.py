"""python -m website [FOLDER]: build the site into the folder, or into site/."""

import sys
from pathlib import Path

from website.build import build

ROOT = Path(__file__).parents[1]


def main(folders: list[str]) -> None:
    out = Path(folders[0]) if folders else ROOT / "site"
    try:
        pages = build(ROOT, out)
    except ValueError as error:
        sys.exit(str(error))
    print(f"{len(pages)} pages. Open {out / 'index.html'}, or serve the folder: python -m http.server -d {out}")


if __name__ == "__main__":
    main(sys.argv[1:])
