"""Names of the Hugging Face hub: whether they can be had, before its client tries for a minute to reach them."""

from ...words.optional import require
from ..files.building import unavailable


def check_reachable(called: str, repository: str, files: tuple[str, ...]) -> None:
    """One of the files is on this machine, or the hub answers; else `ModelUnavailable`."""
    hub = require("huggingface_hub")
    try:
        if any(isinstance(hub.try_to_load_from_cache(repository, file), str) for file in files):
            return
        hub.get_hf_file_metadata(hub.hf_hub_url(repository, "config.json"), timeout=10)
    except hub.errors.HfHubHTTPError:
        return  # it answered; the client says what is wrong
    except Exception as error:  # whatever the HTTP library of the day raises, and names that are no names
        raise unavailable(called, error) from None
