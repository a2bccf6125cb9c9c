import torch

from reference.lessons.alignment.memory import peak_megabytes
from reference.objectives import chunked_token_logprobs, token_logprobs


def test_one_tensor_is_as_large_as_it_is():
    assert abs(peak_megabytes(lambda: torch.zeros(1_000_000)) - 4.0) < 0.1


def test_the_chunked_path_does_not_grow_with_the_number_of_positions():
    # Twice the positions: the table doubles, the chunks do not (what does grow is one number per token and the states).
    head = torch.randn(5000, 16, requires_grad=True)

    def peak(time: int, chunk_size: int | None) -> float:
        hidden, tokens = torch.randn(2, time, 16, requires_grad=True), torch.randint(5000, (2, time))
        if chunk_size is None:
            return peak_megabytes(lambda: token_logprobs(hidden @ head.T, tokens).mean().backward())
        return peak_megabytes(
            lambda: chunked_token_logprobs(hidden, head, tokens, chunk_size=chunk_size).mean().backward()
        )

    assert peak(256, None) / peak(128, None) > 1.8
    assert peak(256, 32) / peak(128, 32) < 1.1
    assert peak(256, 32) < peak(256, None) / 5
