"""Where the KL goes: into the reward or into the loss."""

NOTEBOOK = "07_where_the_kl_goes"
