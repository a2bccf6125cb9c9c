"""Everything is a masked loss."""

NOTEBOOK = "00_everything_is_a_masked_loss"
