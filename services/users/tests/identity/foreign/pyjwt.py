"""Makes keys and tokens with PyJWT: the key set as Keycloak publishes it, with a key to encrypt with."""

import json
import time

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

claims = {
    "iss": "https://issuer.example/forum",
    "aud": ["account", "forum-api"],
    "exp": int(time.time()) + 600,
    "iat": int(time.time()),
    "typ": "Bearer",
    "azp": "forum-web",
    "scope": "openid profile",
    "forum_user": "3",
}
signing = rsa.generate_private_key(public_exponent=65537, key_size=2048)
encrypting = rsa.generate_private_key(public_exponent=65537, key_size=2048)
curve = ec.generate_private_key(ec.SECP256R1())


def public(algorithm, key, **members):
    return json.loads(algorithm.to_jwk(key.public_key())) | members


keys = [
    public(jwt.algorithms.RSAAlgorithm, encrypting, kid="enc", use="enc", alg="RSA-OAEP", key_ops=["wrapKey"]),
    public(jwt.algorithms.RSAAlgorithm, signing, kid="rsa", use="sig", alg="RS256"),
    public(jwt.algorithms.ECAlgorithm, curve, kid="ec", use="sig", alg="ES256"),
]
json.dump({"keys": keys}, open("jwks.json", "w"))
tokens = {
    "RS256": jwt.encode(claims, signing, algorithm="RS256", headers={"kid": "rsa"}),
    "ES256": jwt.encode(claims, curve, algorithm="ES256", headers={"kid": "ec", "typ": "at+jwt"}),
}
json.dump(tokens, open("tokens.json", "w"))
