"""Configs of post-training frameworks, read as they stand: nothing in them is executed, imported or fetched."""
