"""What results worked out on paper share: float64 rows, the comparison, and two logarithms."""

import math

import torch

LN2, LN3 = math.log(2), math.log(3)
EXACT = {"rtol": 1e-12, "atol": 1e-14}  # float64, a handful of roundings


def assert_is(actual, *expected):
    expected = torch.tensor(expected, dtype=torch.float64).reshape(actual.shape)
    torch.testing.assert_close(actual.detach(), expected, **EXACT)
