"""Wrong solutions of the exercises, each with what to say about it."""
