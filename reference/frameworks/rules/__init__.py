"""What the options of each framework amount to together, a file for each: ``settle`` has the list of them."""
