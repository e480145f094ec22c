"""Reads a value of the format ek1 (docs/formats.md) with nothing but the key string that Vault holds.

    pip install cryptography
    vault kv get -field=key secret/keyring | python3 ek1.py VALUE [CONTEXT]
"""
import base64
import hashlib
import hmac
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


def hkdf(key, info, length):  # RFC 5869; one block is enough for 32 bytes
    prk = hmac.digest(b"edge-keyring/v1", key, "sha256")
    return hmac.digest(prk, info + b"\x01", "sha256")[:length]


def unbase64url(text):
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode() != text:
        raise ValueError("not base64url as an encoder writes it")
    return data


def xaes_open(key, nonce, sealed, aad):  # https://c2sp.org/XAES-256-GCM
    aes = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    top = int.from_bytes(aes.update(bytes(16)), "big")
    mask = (top << 1) % 2**128 ^ (0x87 if top >> 127 else 0)
    blocks = (int.from_bytes(bytes([0, n, 0x58, 0]) + nonce[:12], "big") ^ mask for n in (1, 2))
    message_key = b"".join(aes.update(block.to_bytes(16, "big")) for block in blocks)
    return AESGCM(message_key).decrypt(nonce[12:], sealed, aad)


def open_value(material, value, context):
    form, rest = value.split(".", 1)
    key_id, payload = rest.rsplit(".", 1)
    data, name = unbase64url(payload), key_id.encode()
    if form != "ek1" or not hmac.compare_digest(data[:16], hkdf(material, b"ek1/commit", 16)):
        raise ValueError("made with another key, or not ek1")
    aad = b"ek1\0" + bytes([len(name)]) + name + len(context).to_bytes(4, "big") + context
    return xaes_open(hkdf(material, b"ek1/key", 32), data[16:40], data[40:], aad)


if __name__ == "__main__":
    try:
        key = hashlib.sha256(sys.stdin.buffer.read()).digest()  # exactly as stored: no line end behind it
        sys.stdout.buffer.write(open_value(key, sys.argv[1], "".join(sys.argv[2:3]).encode()))
    except (InvalidTag, ValueError) as error:
        sys.exit(f"refused: {str(error) or 'the value or its context was altered'}")
