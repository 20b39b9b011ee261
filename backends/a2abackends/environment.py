"""What an agent gets of this process's environment: what it needs, not all there is. Pure.

The server's own variables (`A2ACODE_*`) are not among them, whoever asks for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from a2acore.backend import BadSettings

OURS = "A2ACODE_*"
ALWAYS = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "TMPDIR", "TZ"),
    *("LANG", "LANGUAGE", "LC_*"),
    # Where programs keep their things. Not XDG_RUNTIME_DIR: sockets lie there.
    *("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"),
    # The way to the network, and whom to trust there.
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"),
    *("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO"),
    # The agents come from npm.
    *("npm_config_registry", "npm_config_cache", "npm_config_cafile", "npm_config_offline"),
)
"""Names; one with a `*` at its end stands for all that begin so."""


def pass_on(
    environment: Mapping[str, str], known: Iterable[str], asked: Iterable[str]
) -> dict[str, str]:
    """What is passed on of an environment: always, as `known` of the agent, and as `asked` for.

    Of what is asked, `NAME` passes a variable on and `NAME=` keeps it back.

    Raises:
        BadSettings: one of the server's own is asked for, or what is asked is no name.
    """
    asked = tuple(asked)
    for name in asked:
        bare = name.removesuffix("=")
        if not bare or "=" in bare:
            # It is not repeated here: the value of a secret may have been written behind it.
            raise BadSettings(
                f"a variable of the agent's is given by its name alone, not as "
                f"{bare.partition('=')[0]}=VALUE; set it where the server is started"
            )
        if _fits(bare, [OURS]):
            raise BadSettings(f"{bare} is the server's own, not for an agent; leave it out")
    wanted = [*ALWAYS, *known, *(name for name in asked if not name.endswith("="))]
    kept_back = [OURS, *(name.removesuffix("=") for name in asked if name.endswith("="))]
    return {
        name: value
        for name, value in environment.items()
        if _fits(name, wanted) and not _fits(name, kept_back)
    }


def _fits(name: str, patterns: Iterable[str]) -> bool:
    return any(
        name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
        for pattern in patterns
    )
