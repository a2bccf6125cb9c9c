"""What goes wrong when a trajectory with calls is rewarded."""

from torch import Tensor

from reference.teaching.bug import bug


def total(success: Tensor, price: Tensor, refused: Tensor, bonus: Tensor) -> Tensor:
    return success - price - refused + bonus


@bug(
    "price of invalid calls forgotten",
    mistake="a call that the tool refuses costs as much as any other: its own price is never charged",
    symptom="invalid calls do not become rarer, whatever invalid_price is",
)
def trajectory_reward__no_invalid_price(
    success: Tensor,
    num_calls: Tensor,
    num_invalid: Tensor,
    *,
    call_price: float,
    invalid_price: float,
    valid_bonus: float,
) -> Tensor:
    return success - call_price * num_calls + valid_bonus * (num_calls - num_invalid)


@bug(
    "every call pays for being invalid",
    mistake="the price of an invalid call is charged for every call, valid ones too",
    symptom="calls become rare altogether, and those that are left are invalid as often as before",
)
def trajectory_reward__all_invalid(
    success: Tensor,
    num_calls: Tensor,
    num_invalid: Tensor,
    *,
    call_price: float,
    invalid_price: float,
    valid_bonus: float,
) -> Tensor:
    return success - (call_price + invalid_price) * num_calls + valid_bonus * (num_calls - num_invalid)


@bug(
    "invalid calls pay once",
    mistake="an invalid call pays the price of an invalid one alone, and not that of a call as well",
    symptom="with invalid_price below call_price a malformed call is cheaper than a right one, and the model learns that",
)
def trajectory_reward__pays_once(
    success: Tensor,
    num_calls: Tensor,
    num_invalid: Tensor,
    *,
    call_price: float,
    invalid_price: float,
    valid_bonus: float,
) -> Tensor:
    valid = num_calls - num_invalid
    return total(success, call_price * valid, invalid_price * num_invalid, valid_bonus * valid)


@bug(
    "bonus for invalid calls",
    mistake="the bonus is paid for every call, invalid ones too",
    symptom="the number of calls rises, and the share that is valid does not: any text that looks like a call is paid for",
)
def trajectory_reward__bonus_for_all(
    success: Tensor,
    num_calls: Tensor,
    num_invalid: Tensor,
    *,
    call_price: float,
    invalid_price: float,
    valid_bonus: float,
) -> Tensor:
    return total(success, call_price * num_calls, invalid_price * num_invalid, valid_bonus * num_calls)


@bug(
    "prices for success alone",
    mistake="only a trajectory that succeeds pays its prices; one that fails earns no less, however often it calls",
    symptom="on problems that it cannot solve the model calls until the budget is used up",
)
def trajectory_reward__success_alone(
    success: Tensor,
    num_calls: Tensor,
    num_invalid: Tensor,
    *,
    call_price: float,
    invalid_price: float,
    valid_bonus: float,
) -> Tensor:
    prices = call_price * num_calls + invalid_price * num_invalid
    return success - prices * (success > 0) + valid_bonus * (num_calls - num_invalid)


@bug(
    "bonus for success alone",
    mistake="the bonus is paid only where the trajectory succeeds",
    symptom="while nothing succeeds yet, a valid call earns nothing, which is when the bonus was to help",
)
def trajectory_reward__bonus_on_success(
    success: Tensor,
    num_calls: Tensor,
    num_invalid: Tensor,
    *,
    call_price: float,
    invalid_price: float,
    valid_bonus: float,
) -> Tensor:
    bonus = valid_bonus * (num_calls - num_invalid) * (success > 0)
    return total(success, call_price * num_calls, invalid_price * num_invalid, bonus)


@bug(
    "one price for all calls",
    mistake="a trajectory pays once for having called, however often it has",
    symptom="after the first call all others are free, and the number of calls rises",
)
def trajectory_reward__once(
    success: Tensor,
    num_calls: Tensor,
    num_invalid: Tensor,
    *,
    call_price: float,
    invalid_price: float,
    valid_bonus: float,
) -> Tensor:
    price, refused = call_price * (num_calls > 0), invalid_price * (num_invalid > 0)
    return total(success, price, refused, valid_bonus * (num_calls - num_invalid))


@bug(
    "prices added",
    mistake="the prices are added to the reward, so a call is paid for and an invalid one even more",
    symptom="calls rise to the budget, most of them refused, and the share right falls",
)
def trajectory_reward__added(
    success: Tensor,
    num_calls: Tensor,
    num_invalid: Tensor,
    *,
    call_price: float,
    invalid_price: float,
    valid_bonus: float,
) -> Tensor:
    return success + call_price * num_calls + invalid_price * num_invalid + valid_bonus * (num_calls - num_invalid)


@bug(
    "shares in place of counts",
    mistake="prices and bonus are multiplied by the share of calls, refused or valid, and not by their number",
    symptom="a trajectory with ten calls of which one is refused pays less than one with a single refused call",
)
def trajectory_reward__shares(
    success: Tensor,
    num_calls: Tensor,
    num_invalid: Tensor,
    *,
    call_price: float,
    invalid_price: float,
    valid_bonus: float,
) -> Tensor:
    calls = num_calls.clamp_min(1)
    refused, valid = num_invalid / calls, (num_calls - num_invalid) / calls
    return total(success, call_price * (num_calls > 0), invalid_price * refused, valid_bonus * valid)


@bug(
    "no reward below 0",
    mistake="a reward below 0 is cut off at 0, so a trajectory that fails pays nothing",
    symptom="among failures none is better than another: a call in vain and ten calls in vain earn the same",
)
def trajectory_reward__clamped(
    success: Tensor,
    num_calls: Tensor,
    num_invalid: Tensor,
    *,
    call_price: float,
    invalid_price: float,
    valid_bonus: float,
) -> Tensor:
    valid = valid_bonus * (num_calls - num_invalid)
    return total(success, call_price * num_calls, invalid_price * num_invalid, valid).clamp_min(0)
