"""Models of the hub: asked for once, quickly, before transformers does.

transformers asks for every file again and again, with longer and longer pauses: without a network a mistyped name would
be refused after a minute and a half.
"""

import functools
import sys

import huggingface_hub
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, HFValidationError, RepositoryNotFoundError

from reference.objectives.shapes import InputError

SECONDS = 5.0


@functools.cache
def require_hub(name: str) -> None:
    """Raise ``InputError`` for a model that is neither on the hub, as far as it can be reached, nor in the cache.

    Where only the cache has it, everything after this reads the cache, and does not ask the network either.
    """
    if huggingface_hub.is_offline_mode():  # transformers looks into the cache alone, and at once
        require_cached(name)
        return
    try:
        huggingface_hub.get_hf_file_metadata(huggingface_hub.hf_hub_url(name, "config.json"), timeout=SECONDS)
    except RepositoryNotFoundError:
        raise InputError(
            f"the hub has no model {name}, or not for everybody: check the name, or log in with: hf auth login"
        ) from None
    except (EntryNotFoundError, HFValidationError):
        return  # no such file, no such name: transformers says what that means
    except Exception as error:  # no network, no answer: a dozen types
        if isinstance(error, HfHubHTTPError) and error.response is not None and error.response.status_code < 500:
            return
        if not isinstance(huggingface_hub.try_to_load_from_cache(name, "config.json"), str):
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(
                f"there is no model folder {name}, and the hub cannot be asked for it ({reason}): check the name or the "
                "network, or name a folder written by save_pretrained"
            ) from None
        print(f"note     the hub cannot be reached: {name} is taken from the cache", file=sys.stderr)
        huggingface_hub.constants.HF_HUB_OFFLINE = True


def require_cached(name: str) -> None:
    """Offline: refuse a name of which the cache has neither a model nor an adapter."""
    try:
        found = [huggingface_hub.try_to_load_from_cache(name, f"{kind}config.json") for kind in ("", "adapter_")]
    except HFValidationError:
        return  # no such name: transformers says what that means
    if not any(isinstance(path, str) for path in found):
        raise InputError(
            f"there is no model folder {name}, it is not in the cache of the hub either, and the hub is not asked "
            "(HF_HUB_OFFLINE is set, or it could not be reached before): check the name, or set HF_HUB_OFFLINE=0"
        )
