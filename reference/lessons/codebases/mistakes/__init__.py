"""What people read or write instead: a file for each exercise, named as it; ``recipe_of_config`` has two."""
