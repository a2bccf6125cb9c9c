"""What a training log says about the run: read any of them as a ``Log``, then look for causes."""
