"""What a notebook would display, and widgets moved to their ends."""

from displays import panel_of, pictures_at_the_ends, shown  # noqa: F401  (fixtures)
