"""The one place where an API key becomes an id.

Producers, spendwatch and enforcers must arrive at the same id for the same key, or a throttle never
meets its calls; and a live key must not reach a topic, a table, a log or a chat. This file must
not know events or Kafka.
"""

import hashlib
import re
from functools import lru_cache

_SCHEME = re.compile(r"^(?:bearer|basic|api-key)[ \t]+", re.IGNORECASE)

_MASKED = re.compile(r"\*{2,}|\.{3}|…")

_DIGEST = re.compile(r"(?:sha256:)?(?:[0-9a-f]{64}|[0-9A-F]{64})|[0-9a-f]{40}")

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

_SECRET = re.compile(
    r"""
    ^sk-                                          # OpenAI, Anthropic, LiteLLM ("sk-1234" is one)
    | (?:^|[^A-Za-z0-9])(?:
        sk-[A-Za-z0-9_-]{16}                      # the same inside something longer
      | [rs]k_(?:live|test)_[A-Za-z0-9]{8}        # Stripe's form, which many gateways borrow
      | AIza[A-Za-z0-9_-]{30}                     # Google
      | (?:gsk|hf|r8|nvapi|fw|csk|tgp_v1|ghp|gho|ghs|github_pat)[_-][A-Za-z0-9_-]{16}
      | (?:xai|pplx|xox[abprs]|glpat|pcsk|jina)[-_][A-Za-z0-9_-]{16}
      | eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{4,}  # a JSON web token
      | ABSK[A-Za-z0-9+/=]{16}                    # Amazon Bedrock
    )
    | ^[0-9a-f]{32}$                              # Azure OpenAI, old form
    | ^(?=[^A-Z]*[A-Z])(?=[^a-z]*[a-z])(?=[^0-9]*[0-9])[A-Za-z0-9+/_=-]{32,}$   # one random run
    """,
    re.VERBOSE,
)


@lru_cache(maxsize=65_536)
def key_id(raw: str) -> str:
    """The id under which a key is counted and throttled.

    What looks like a live secret becomes ``sha256:<hex of the key's SHA-256>``, unsalted so that
    enforcers find the same id from the key they hold. Digests, UUIDs, masked keys and plain names
    stay as they are. Hashing something that was an id after all costs only its readability, since
    everybody hashes it alike; so doubtful cases are hashed. Applying it twice changes nothing.

    Args:
        raw: the key, its id, its hash, or an ``Authorization`` header's value.

    >>> key_id("billing-key-7")
    'billing-key-7'
    >>> key_id("Bearer sk-1234")
    'sha256:88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b'
    >>> key_id("sk-1234") == key_id(key_id("Bearer sk-1234"))
    True

    Sources:
        Prefixes: the providers' own key pages, and the public pattern list of secret-scanning
        services, read November 2026. ``sk-1234`` is the master key of LiteLLM's documentation.
    """
    key = _SCHEME.sub("", raw.strip())
    if _DIGEST.fullmatch(key) or _UUID.fullmatch(key) or _MASKED.search(key):
        return key
    if _SECRET.search(key):
        return f"sha256:{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}"
    return key
