"""Solutions written in other ways than the reference, right ones and wrong ones that are on no list."""

import json

import torch


def loop_mask(tokens, attention_mask, *, assistant_token_id, eos_token_id):
    kept = torch.zeros(len(tokens), tokens.shape[1] - 1)
    for row, ids in enumerate(tokens.tolist()):
        inside = False
        for t, token in enumerate(ids):
            if not attention_mask[row, t]:
                continue
            if inside and t > 0:
                kept[row, t - 1] = 1
            if token == assistant_token_id:
                inside = True
            if token == eos_token_id:
                inside = False
    return kept  # floats: as good as booleans


def pieces_mask(tokens, attention_mask, *, assistant_token_id, eos_token_id):
    """Turn by turn: each is what lies between two EOS, and it is the assistant's if its first token is the header."""
    kept = torch.zeros(tokens.shape, dtype=torch.bool)
    for row, ids in enumerate(tokens):
        there = attention_mask[row].bool().nonzero().flatten().tolist()
        turn = []
        for place in [*there, None]:
            if place is not None:
                turn.append(place)
            if place is None or ids[place] == eos_token_id:
                if turn and ids[turn[0]] == assistant_token_id:
                    kept[row, turn[1:]] = True
                turn = []
    return kept[:, 1:]


class NoCall(ValueError):
    pass


def fields_one_by_one(text):
    def pairs_of(pairs):
        keys = [key for key, _ in pairs]
        if len(set(keys)) != len(keys):
            raise NoCall(f"twice the same key in {keys}")
        return dict(pairs)

    def constant(word):
        raise NoCall(word)

    try:
        call = json.loads(text, object_pairs_hook=pairs_of, parse_constant=constant)
        name, arguments = call.pop("name"), call.pop("arguments")
    except (KeyError, AttributeError, TypeError) as error:
        raise NoCall("no object with a name and arguments") from error
    if call or type(name) is not str or type(arguments) is not dict:
        raise NoCall(text)
    return [name, arguments]  # a list is as good as a tuple


def both_gains(loss_with_result, loss_without_result, loss_without_call, *, threshold):
    enough = loss_with_result + threshold
    return (loss_without_call >= enough) & (loss_without_result >= enough)


def stacked_gains(loss_with_result, loss_without_result, loss_without_call, *, threshold):
    return (torch.stack([loss_without_call, loss_without_result]).amin(0) - loss_with_result - threshold >= 0).float()


def per_kind(success, num_calls, num_invalid, *, call_price, invalid_price, valid_bonus):
    """What a valid call earns, and what an invalid one does."""
    valid = num_calls - num_invalid
    return success + (valid_bonus - call_price) * valid - (call_price + invalid_price) * num_invalid


SOLUTIONS = {
    "tool_mask": [loop_mask, pieces_mask],
    "parse_call": [fields_one_by_one],
    "keep_call": [both_gains, stacked_gains],
    "trajectory_reward": [per_kind],
}


def header_is_always_3(tokens, attention_mask, *, assistant_token_id, eos_token_id):
    return loop_mask(tokens, attention_mask, assistant_token_id=3, eos_token_id=eos_token_id)


def up_to_the_last_call(tokens, attention_mask, *, assistant_token_id, eos_token_id):
    kept = loop_mask(tokens, attention_mask, assistant_token_id=assistant_token_id, eos_token_id=eos_token_id)
    kept[:, -2:] = 0
    return kept


def refuses_everything(text):
    raise ValueError("this is no call")


def refuses_what_is_not_in_order(text):
    name, arguments = fields_one_by_one(text)
    if not text.strip().startswith('{"name"'):
        raise ValueError("the name comes first")
    return name, arguments


def refuses_nested_arguments(text):
    name, arguments = fields_one_by_one(text)
    if any(isinstance(value, (dict, list)) for value in arguments.values()):
        raise ValueError("arguments are numbers and strings")
    return name, arguments


def accepts_everything(text):
    return "calculator", {"expression": "1"}


WRONG = {
    "tool_mask": [header_is_always_3, up_to_the_last_call],
    "parse_call": [
        refuses_everything,
        refuses_what_is_not_in_order,
        refuses_nested_arguments,
        accepts_everything,
        lambda text: fields_one_by_one(text)[::-1],
        lambda text: dict([fields_one_by_one(text)]),
        lambda text: (fields_one_by_one(text)[0], json.dumps(fields_one_by_one(text)[1])),
    ],
    "keep_call": [
        lambda a, b, c, *, threshold: torch.minimum(b, c) - a >= 2 * threshold,
        lambda a, b, c, *, threshold: (b - a >= threshold) | (c - a >= threshold) & (b > a),
    ],
    "trajectory_reward": [
        lambda s, n, i, *, call_price, invalid_price, valid_bonus: s * (1 - call_price * n) - invalid_price * i,
        lambda s, n, i, *, call_price, invalid_price, valid_bonus: s - call_price * n - invalid_price * i**2,
    ],
}
