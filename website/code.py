"""Code as HTML, with a class for each kind of word. The colours of both themes are in the stylesheet."""

from html import escape
from pathlib import Path

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

from website.links import address, relative

LANGUAGES = {"python": "python", "py": "python", "bash": "bash", "sh": "bash", "yaml": "yaml", "json": "json"}
PLAIN = HtmlFormatter(nowrap=True)


def highlighted(text: str, language: str) -> str:
    """A block of code. A language that is not of ours is shown without colours."""
    name = LANGUAGES.get(language)
    lexer = get_lexer_by_name(name, stripnl=False) if name else None
    inner = highlight(text, lexer, PLAIN) if lexer else escape(text, quote=False)
    return f'<pre class="code scroll"><code>{inner}</code></pre>\n'


def file_page(file: str, root: Path) -> str:
    """A file of the repository, as it is."""
    text = (root / file).read_text()
    return f"<h1><code>{escape(file)}</code></h1>\n{highlighted(text, Path(file).suffix[1:])}"


def folder_page(folder: str, root: Path, met: list[str]) -> str:
    """What is in a folder. What can be read as code has a page of its own, and is added to ``met``."""
    page, items = address(folder, root), []
    for path in sorted((root / folder).iterdir()):
        if path.name.startswith((".", "__")):
            continue
        name = escape(path.name)
        if path.suffix in (".py", ".sh", ".md"):
            file = f"{folder}/{path.name}"
            met.append(file)
            name = f'<a href="{relative(address(file, root), page)}">{name}</a>'
        items.append(f"<li>{name}</li>")
    return f"<h1><code>{escape(folder)}</code></h1>\n<ul>\n{chr(10).join(items)}\n</ul>"
