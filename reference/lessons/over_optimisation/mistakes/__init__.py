"""What people write instead: a file for each exercise, named as it."""
