"""axe-core in a page: what it finds against WCAG 2 A and AA, and against its own best practices."""

from importlib.resources import files
from typing import Any

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

# One line for each element that a rule finds: the rule, the place, the element itself, and what axe says of it.
FOUND = """([rules, include, off]) => axe.run({include}, {
    runOnly: rules, rules: Object.fromEntries(off.map(rule => [rule, {enabled: false}])), resultTypes: ['violations'],
}).then(result => result.violations.flatMap(({id, nodes}) => nodes.map(node => {
    const element = document.querySelector(node.target[0]);
    const cell = element?.closest('.jp-CodeCell')?.querySelector('.jp-InputArea-editor');
    return [id, cell?.textContent ?? '', node.html.slice(0, 300), node.failureSummary];
})))"""


def violations(page: Any, include: str, *, off: tuple[str, ...] = ()) -> list[list[str]]:
    """Rule, source of the cell, element and reason of whatever is wrong inside of ``include``. ``off``: rules left out."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text())
        # The body of JupyterLab has the height 0. As long as it has, axe does not look at the colour of any word there.
        page.add_style_tag(content="body { min-height: 100vh }")
    return page.evaluate(FOUND, [RULES, [include], list(off)])
