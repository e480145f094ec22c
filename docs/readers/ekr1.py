"""Reads the record of a keyring (ekr1, docs/formats.md) with the wrapping key alone: no Vault, no edge-keyring.

    echo "$KEYRING_WRAPPING_KEYS" | python3 ekr1.py FILE KEYRING                     lists the keys
    echo "$KEYRING_WRAPPING_KEYS" | python3 ekr1.py FILE KEYRING VALUE [CONTEXT]     decrypts a value of it

FILE is the SQLite database, or a file with the bytes of the item `keyring/<KEYRING>` of another store.
"""
import base64
import hmac
import json
import sqlite3
import sys

from cryptography.exceptions import InvalidTag

from ek1 import hkdf, open_value, unbase64url, xaes_open


def read_item(path, name):
    with open(path, "rb") as file:
        data = file.read()
    if not data.startswith(b"SQLite format 3\0"):
        return data
    row = sqlite3.connect(path).execute("SELECT bytes FROM record WHERE name = ?", [name]).fetchone()
    if row is None:
        raise ValueError(f"there is no item {name}")
    return row[0]


def keyring_key(setting, wanted, keyring):  # <id>:<base64>, or <id>/keyring/<name>:<base64> for the derived key
    for entry in setting.strip().split(","):
        name, key = entry.strip().split(":", 1)
        if name == wanted:
            return hkdf(base64.b64decode(key), b"keyring/" + keyring.encode(), 32)
        if name == f"{wanted}/keyring/{keyring}":
            return base64.b64decode(key)
    raise ValueError(f"the wrapping key {wanted} is needed")


def open_record(item, setting, keyring):
    line, text = item.split(b"\n", 1)
    form, wrapping_id, mac = line.decode().split(" ")
    root = keyring_key(setting, wrapping_id, keyring)
    signed = f"{form} {wrapping_id}\n".encode() + text
    expected = hmac.digest(hkdf(root, b"ekr1/mac", 32), signed, "sha256")
    if form != "ekr1" or not hmac.compare_digest(expected, unbase64url(mac)):
        raise ValueError("the record was altered, or is of another keyring")
    record, materials = json.loads(text), {}
    for key in record["keys"]:
        fields = (b"ekr1/key", keyring.encode(), key["id"].encode(), wrapping_id.encode())
        sealed = unbase64url(key["key"])
        aad = b"".join(bytes([len(field)]) + field for field in fields)
        materials[key["id"]] = xaes_open(hkdf(root, b"ekr1/seal", 32), sealed[:24], sealed[24:], aad)
    return record, materials


if __name__ == "__main__":
    try:
        path, keyring, *value = sys.argv[1:]
        record, materials = open_record(read_item(path, f"keyring/{keyring}"), sys.stdin.read(), keyring)
        if value:
            material = materials[value[0].split(".", 1)[1].rsplit(".", 1)[0]]
            sys.stdout.buffer.write(open_value(material, value[0], "".join(value[1:2]).encode()))
        else:
            for key in record["keys"]:
                print(key["id"], "active" if key["id"] == record["active"] else "-", key["v"])
    except (InvalidTag, KeyError, ValueError) as error:
        sys.exit(f"refused: {str(error) or 'altered'}")
