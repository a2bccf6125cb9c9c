"""What other post-training frameworks do when nothing is said, version by version."""
