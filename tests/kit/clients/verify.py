"""Driver of the verifiers in both lines of the official Python SDK. Run by `tests.kit.verifiers`.

A job on stdin is `url`, `headers`, `keys` (JWKs by kid) and `algorithms`.
"""

# The SDK lives in an environment of its own, where mypy does not look.
# mypy: disable-error-code="import-not-found"

import asyncio
import json
import sys
from typing import Any

import httpx
import jwt
from a2a.client import A2ACardResolver
from a2a.utils.signing import SignatureVerificationError, create_signature_verifier


def key_provider(keys: dict[str, Any]) -> Any:
    def provide(kid: str | None, jku: str | None) -> Any:
        if kid not in keys:
            raise jwt.InvalidKeyError(f"no key {kid}")
        return jwt.PyJWK(keys[kid])

    return provide


async def verify(job: dict[str, Any]) -> dict[str, Any]:
    verifier = create_signature_verifier(key_provider(job["keys"]), job["algorithms"])
    async with httpx.AsyncClient(headers=job["headers"]) as http:
        try:
            await A2ACardResolver(http, job["url"]).get_agent_card(signature_verifier=verifier)
        except SignatureVerificationError as exc:
            return {"accepted": False, "why": f"{type(exc).__name__}: {exc}"}
    return {"accepted": True, "why": ""}


json.dump(asyncio.run(verify(json.load(sys.stdin))), sys.stdout)
