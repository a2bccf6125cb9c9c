"""Reading a codebase: what a config of another framework amounts to, its silent defaults included."""

NOTEBOOK = "13_reading_a_codebase"
