"""Tool use: which tokens train, which calls are read and kept, and what a trajectory earns."""

NOTEBOOK = "09_tool_use"
