"""What a picture does to the page, and to the style of its reader."""

import matplotlib
import pytest
import torch

from reference.lessons.masking.figures import figure_weights
from reference.teaching import show


def test_figures_do_not_touch_the_readers_style():
    before = dict(matplotlib.rcParams)
    figure_weights([2, 8])
    assert dict(matplotlib.rcParams) == before


@pytest.mark.slow
def test_pictures_are_reproducible():
    torch.manual_seed(0)
    assert show.png(figure_weights([2, 8])) == show.png(figure_weights([2, 8]))
