"""A recipe as a config of each framework, a file for each: ``export`` has the list of them."""
