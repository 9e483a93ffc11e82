"""A relying party on Authlib, as its documentation builds one. Settings come as JSON in argv[1]; talks in lines of JSON:
out: the authorization URL; in: where the browser was sent back to; out: what was learnt."""

import json
import sys

from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session
from authlib.jose import JsonWebKey, JsonWebToken
from authlib.oidc.core import CodeIDToken

settings = json.loads(sys.argv[1])
session = OAuth2Session(
    settings["client_id"],
    settings["client_secret"],
    scope="openid profile email",
    redirect_uri=settings["redirect_uri"],
    code_challenge_method="S256",
    token_endpoint_auth_method="client_secret_basic",
)
metadata = session.get(settings["issuer"] + "/.well-known/openid-configuration", withhold_token=True).json()


def claims_of(token, nonce):
    """The ID token's claims, after every check that OpenID Connect Core 3.1.3.7 asks for."""
    keys = JsonWebKey.import_key_set(session.get(metadata["jwks_uri"], withhold_token=True).json())
    claims = JsonWebToken(metadata["id_token_signing_alg_values_supported"]).decode(
        token["id_token"],
        keys,
        claims_cls=CodeIDToken,
        claims_options={
            "iss": {"essential": True, "value": settings["issuer"]},
            "aud": {"essential": True, "value": settings["client_id"]},
            "sub": {"essential": True},
        },
        claims_params={"nonce": nonce, "client_id": settings["client_id"], "access_token": token["access_token"]},
    )
    claims.validate(leeway=5)
    return dict(claims)


verifier, nonce = generate_token(48), generate_token(24)
url, state = session.create_authorization_url(metadata["authorization_endpoint"], code_verifier=verifier, nonce=nonce)
print(json.dumps({"url": url}), flush=True)

came_back = sys.stdin.readline().strip()
token = session.fetch_token(metadata["token_endpoint"], authorization_response=came_back, code_verifier=verifier, state=state)
first = claims_of(token, nonce)
userinfo = session.get(metadata["userinfo_endpoint"]).json()
renewed = session.refresh_token(metadata["token_endpoint"], refresh_token=token["refresh_token"])
again = session.get(metadata["userinfo_endpoint"]).json()
before = session.introspect_token(metadata["introspection_endpoint"], token=renewed["access_token"]).json()
revoked = session.revoke_token(metadata["revocation_endpoint"], token=renewed["refresh_token"]).status_code
after = session.introspect_token(metadata["introspection_endpoint"], token=renewed["access_token"]).json()
print(
    json.dumps(
        {
            "claims": first,
            "userinfo": userinfo,
            "userinfoAfterRefresh": again,
            "rotated": token["refresh_token"] != renewed["refresh_token"],
            "active": before["active"],
            "revocation": revoked,
            "activeAfterRevocation": after["active"],
        }
    ),
    flush=True,
)
