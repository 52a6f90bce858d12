"""An authenticator for the tests."""
import hashlib
import subprocess
import tempfile

from homerun import finally_do, need

folder = tempfile.TemporaryDirectory(prefix="homerun-passkeys-")
finally_do(folder.cleanup)


class Device:
    """An authenticator of a few lines, with one credential: a key on P-256."""

    def __init__(self, name, rp):
        """RP: says the relying party's ID."""
        self.rp = rp
        self.id = hashlib.sha256(name.encode()).digest()
        self.path = f"{folder.name}/{name}.pem"
        self.counter = 0
        subprocess.run([need("openssl"), "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self.path],
                       check=True, capture_output=True)
        self.spki = subprocess.run(["openssl", "pkey", "-in", self.path, "-pubout", "-outform", "DER"], check=True,
                                   capture_output=True).stdout
        self.user = b""

    def cose(self):
        x, y = self.spki[-64:-32], self.spki[-32:]
        return b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20" + x + b"\x22\x58\x20" + y

    def auth(self, registration, rp_id=None, flags=0x05, rest=None):
        data = hashlib.sha256((rp_id or self.rp()).encode()).digest() + bytes([flags | (0x40 if registration else 0)])
        data += self.counter.to_bytes(4, "big")
        if rest is not None:
            return data + rest
        return data + (bytes(16) + len(self.id).to_bytes(2, "big") + self.id + self.cose() if registration else b"")

    def sign(self, data):
        return subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.path], input=data, check=True, capture_output=True).stdout
