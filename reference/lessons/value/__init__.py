"""What the value head fits."""

NOTEBOOK = "03_what_the_value_head_fits"
