"""The command line: python -m reference COMMAND. ``reference.__main__`` runs what is parsed here."""
