"""Audit: what is wrong in one training batch."""
