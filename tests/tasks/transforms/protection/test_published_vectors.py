"""Published test vectors, through the code that protects values."""

from __future__ import annotations

import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV
from pyspark.sql import functions as F

from tasks.transforms.hashing.hmac_sha256 import hashed
from tasks.transforms.protection import aes_gcm_encryption, aes_siv_encryption
from tasks.transforms.protection.token_layout import AES_256_GCM, AES_256_SIV, header, key_mark

MAC = {
    # RFC 4231, test cases 1 to 4, 6 and 7: key, data, HMAC-SHA-256.
    "1": (b"\x0b" * 20, b"Hi There",
          "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    "2": (b"Jefe", b"what do ya want for nothing?",
          "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
    "3": (b"\xaa" * 20, b"\xdd" * 50,
          "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
    "4": (bytes(range(1, 26)), b"\xcd" * 50,
          "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
    "6": (b"\xaa" * 131, b"Test Using Larger Than Block-Size Key - Hash Key First",
          "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"),
    "7": (b"\xaa" * 131, (b"This is a test using a larger than block-size key and a larger than "
          b"block-size data. The key needs to be hashed before being used by the HMAC algorithm."),
          "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"),
}  # fmt: skip


def test_hmac_sha_256_of_rfc_4231_in_spark(spark):
    frame = spark.range(1)
    for case, (key, data, _) in MAC.items():
        frame = hashed(frame, {case: F.lit(bytearray(data))}, key)

    (row,) = frame.select(*MAC).collect()

    assert row.asDict() == {case: expected for case, (_, _, expected) in MAC.items()}


GCM = {
    # McGrew and Viega, The Galois/Counter Mode of Operation, appendix B, test cases 13, 14 and 16:
    # key, plaintext, associated data, IV, ciphertext, tag.
    "13": ("00" * 32, "", "", "00" * 12, "", "530f8afbc74536b9a963b4f1c4cb738b"),
    "14": ("00" * 32, "00" * 16, "", "00" * 12, "cea7403d4d606b6e074ec5d3baf39d18",
           "d0d1c8a799996bf0265b98b5d48ab919"),
    "16": ("feffe9928665731c6d6a8f9467308308" * 2,
           ("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
           "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"),
           "feedfacedeadbeeffeedfacedeadbeefabaddad2", "cafebabefacedbaddecaf888",
           ("522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
           "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"),
           "76fc6ece0f4e1768cddf8853bb2d551b"),
}  # fmt: skip


@pytest.mark.parametrize("case", GCM)
def test_aes_256_gcm_of_its_authors_through_the_code_of_tokens(case):
    key, plain, bound, nonce, sealed, tag = (bytes.fromhex(part) for part in GCM[case])
    cipher = AESGCM(key)
    ciphers = {key_mark("k"): [(cipher, bound)]}
    octets = header(AES_256_GCM, "k") + nonce + sealed + tag

    assert cipher.encrypt(nonce, plain, bound) == sealed + tag
    assert aes_gcm_encryption.opened_token(octets, ciphers, plain[:1], "here") == plain


SIV = {
    # RFC 5297, appendices A.1 and A.2: key, associated data, plaintext, output.
    "A.1": ("fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
            ["101112131415161718191a1b1c1d1e1f2021222324252627"],
            "112233445566778899aabbccddee",
            "85632d07c6e8f37f950acd320a2ecc9340c02b9690c4dc04daef7f6afe5c"),
    "A.2": ("7f7e7d7c7b7a79787776757473727170404142434445464748494a4b4c4d4e4f",
            ["00112233445566778899aabbccddeeffdeaddadadeaddadaffeeddccbbaa99887766554433221100",
             "102030405060708090a0", "09f911029d74e35bd84156c5635688c0"],
            ("7468697320697320736f6d6520706c61696e7465787420746f20656e6372797074207573696e6720"
            "5349562d414553"),
            ("7bdb6e3b432667eb06f4d14bff2fbd0fcb900f2fddbe404326601965c889bf17dba77ceb094fa663"
            "b7a3f748ba8af829ea64ad544a272e9c485b62a3fd5c0d")),
}  # fmt: skip


@pytest.mark.parametrize("case", SIV)
def test_aes_siv_of_rfc_5297_through_the_code_of_tokens(case):
    key, bound, plain, output = SIV[case]
    key, plain, output = (bytes.fromhex(part) for part in (key, plain, output))
    cipher, parts = AESSIV(key), [bytes.fromhex(part) for part in bound]
    ciphers = {key_mark("k"): [(cipher, parts)]}
    (made,) = aes_siv_encryption._sealed(
        pa.array([plain], pa.binary()), cipher, header(AES_256_SIV, "k"), parts
    ).to_pylist()

    assert made == header(AES_256_SIV, "k") + output
    assert aes_siv_encryption._opened(made, ciphers, plain[:1], "here") == plain
