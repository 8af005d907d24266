"""Reads the address a receiver is reached at, so that a wrong one is an error before the start.

It must not show what it was given: a receiver's URL may itself open a door.
"""

from yarl import URL

_NO_URL = "is no URL; write https://host/path"


def parse_url(text: str) -> URL:
    """The address.

    >>> parse_url("https://hooks.example/in").host
    'hooks.example'

    Raises:
        ValueError: if it is none, without saying what it was.
    """
    try:
        url = URL(text)
    except ValueError:
        raise ValueError(_NO_URL) from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError(_NO_URL)
    return url
