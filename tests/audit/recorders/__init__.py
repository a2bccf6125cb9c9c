"""Batches of other frameworks, made by their own code from the same rollouts, and saved for the tests."""
