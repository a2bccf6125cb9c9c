"""The static site: `make site` writes it into the folder site/, from what is committed. Nothing is executed or fetched.

`build.py` walks along the links, from the README and the notebooks to every file of the repository that they lead to:

- `notebooks.py`  a lesson: cells, outputs, pictures
- `markdown.py`   a page of Markdown, with the anchors that GitHub gives to headings
- `mathml.py`     LaTeX formulas as MathML, which browsers draw by themselves
- `code.py`       a file of code, and a folder
- `links.py`      where a file of the repository stands on the site
- `badges.py`     the address of the repository, and the links that open a lesson on a host (`make badges`)
- `page.py`       the frame around all of them: navigation, previous and next
- `search.py`     what the search box looks through
- `static/`       the stylesheet and the scripts, as they are served
"""
