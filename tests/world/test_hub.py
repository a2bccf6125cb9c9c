"""Names of the hub are asked for once. There is no network here: what the hub would say is played."""

import huggingface_hub
import pytest
from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError

from reference.objectives.shapes import InputError
from reference.world import hub
from reference.world.hub import require_hub
from reference.world.model import require_source


@pytest.fixture
def asked(monkeypatch):
    """Online, as far as the settings go; the addresses that were asked for."""
    require_hub.cache_clear()
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    addresses = []

    def answer(error: Exception | None):
        def get_hf_file_metadata(url: str, **options: object) -> None:
            addresses.append((url, options))
            if error is not None:
                raise error

        monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", get_hf_file_metadata)
        return addresses

    yield answer
    require_hub.cache_clear()


def failure(kind: type, status: int) -> Exception:
    """An error of the hub, whatever its constructor wants."""
    error = kind.__new__(kind)
    error.response = type("Response", (), {"status_code": status})()
    return error


def test_a_model_that_is_there_is_asked_for_once_and_not_for_long(asked):
    addresses = asked(None)
    require_source("some/model")
    require_source("some/model")
    [(url, options)] = addresses
    assert url.endswith("some/model/resolve/main/config.json") and options == {"timeout": hub.SECONDS}


def test_a_name_that_the_hub_does_not_know(asked):
    asked(failure(RepositoryNotFoundError, 404))
    with pytest.raises(InputError, match="the hub has no model some/modle, or not for everybody: check the name"):
        require_source("some/modle")


def test_no_network_and_not_in_the_cache(asked):
    asked(ConnectionError("Name or service not known\nmore"))
    with pytest.raises(
        InputError,
        match=r"no model folder some/model, and the hub cannot be asked for it \(Name or service not known\)",
    ):
        require_source("some/model")


def test_no_network_but_in_the_cache(asked, monkeypatch, capsys):
    asked(ConnectionError("no route"))
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: "/cache/config.json")
    require_source("some/model")
    assert (
        huggingface_hub.is_offline_mode()
    )  # or every file that is not in the cache would be asked for again and again
    assert "some/model is taken from the cache" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error",
    [failure(EntryNotFoundError, 404), failure(huggingface_hub.errors.HfHubHTTPError, 429)],
    ids=["no file", "too often"],
)
def test_what_transformers_knows_better_is_left_to_it(asked, error):
    asked(error)
    require_source("some/model")


def test_offline_nobody_is_asked(asked, monkeypatch):
    addresses = asked(None)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match=r"no model folder some/model, .* the hub is not asked.* set HF_HUB_OFFLINE=0"):
        require_source("some/model")
    for file in ("config.json", "adapter_config.json"):
        cached = {file: f"/cache/{file}"}
        monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda _, name, cached=cached: cached.get(name))
        require_source("some/model")
        require_hub.cache_clear()
    assert addresses == []


def test_offline_a_name_that_none_can_have_is_left_to_transformers(asked, monkeypatch):
    asked(None)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    require_source("some model")
