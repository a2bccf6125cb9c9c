"""What a framework does when nothing is said: read from its source, with file and line. A file per framework."""
