"""The cache with room to grow, on numbers that can be counted: what is kept, what is copied, what stays in its place."""

import pytest
import torch
from llamas import small
from transformers.cache_utils import DynamicSlidingWindowLayer

from reference.world.cache import ROOM, GrowingLayer, append, growing_cache, move_rows


def held(rows: list[list[float]]) -> torch.Tensor:
    """(rows, one head, columns, one number)."""
    return torch.tensor(rows)[:, None, :, None]


def numbers(x: torch.Tensor) -> list[list[float]]:
    return x[:, 0, :, 0].tolist()


def test_a_token_is_written_behind_the_others_into_the_same_buffer():
    both, buffer = append(held([[1.0], [2.0]]), None, held([[3.0], [4.0]]))
    assert numbers(both) == [[1, 3], [2, 4]] and buffer.shape == (2, 1, 2 + ROOM, 1)
    more, same = append(both, buffer, held([[5.0], [6.0]]))
    assert same is buffer and numbers(more) == [[1, 3, 5], [2, 4, 6]]


def test_the_last_column_of_a_buffer_is_used_before_a_new_one_is_made():
    both, buffer = append(held([[1.0]]), None, held([[2.0]]))
    full, same = append(both, buffer, torch.full((1, 1, ROOM, 1), 3.0))
    assert same is buffer and full.shape[2] == buffer.shape[2]
    longer, other = append(full, buffer, held([[4.0]]))
    assert other is not buffer and numbers(longer) == [[1, 2, *[3] * ROOM, 4]]


def test_what_somebody_else_has_put_in_the_place_of_the_keys_is_read():
    """As transformers' own ``reorder_cache`` does it."""
    both, buffer = append(held([[1.0], [2.0]]), None, held([[3.0], [4.0]]))
    assert numbers(append(both.flip(0), buffer, held([[5.0], [6.0]]))[0]) == [[2, 4, 5], [1, 3, 6]]


def test_rows_that_were_added_get_a_longer_buffer():
    both, buffer = append(held([[1.0]]), None, held([[2.0]]))
    assert numbers(append(both.expand(2, -1, -1, -1), buffer, held([[3.0], [4.0]]))[0]) == [[1, 2, 3], [1, 2, 4]]


@pytest.mark.parametrize(
    ("rows", "wanted", "in_place"),
    [
        ([2, 0, 1], [[5, 6], [1, 2], [3, 4]], True),
        ([2], [[5, 6]], True),
        ([0, 0, 2, 2], [[1, 2], [1, 2], [5, 6], [5, 6]], False),
    ],
)
def test_rows_change_their_place_without_a_copy_where_there_is_room(rows, wanted, in_place):
    buffer = held([[1.0, 2.0, 0.0], [3.0, 4.0, 0.0], [5.0, 6.0, 0.0]])
    moved = move_rows(buffer, torch.tensor(rows), 2)
    assert numbers(moved[: len(rows), :, :2]) == wanted and (moved is buffer) is in_place


def test_columns_that_hold_nothing_yet_are_not_moved():
    buffer = held([[1.0, 7.0], [2.0, 8.0]])
    assert numbers(move_rows(buffer, torch.tensor([1, 0]), 1)) == [[2, 7], [1, 8]]


def test_a_layer_gives_out_all_that_it_was_given_in_the_order_of_the_rows():
    layer = GrowingLayer()
    layer.batch_select_indices(torch.tensor([0]))  # nothing is there yet
    layer.update(held([[1.0], [2.0]]), held([[10.0], [20.0]]))
    layer.batch_select_indices(torch.tensor([1, 1, 0]))
    keys, values = layer.update(held([[3.0], [4.0], [5.0]]), held([[30.0], [40.0], [50.0]]))
    assert numbers(keys) == [[2, 3], [2, 4], [1, 5]] and numbers(values) == [[20, 30], [20, 40], [10, 50]]


def test_layers_with_a_window_stay_those_of_transformers():
    assert {type(layer) for layer in growing_cache(small().config).layers} == {GrowingLayer}
    windows = growing_cache(small("mistral", sliding_window=8).config).layers
    assert {type(layer) for layer in windows} == {DynamicSlidingWindowLayer}
