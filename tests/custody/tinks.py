"""Google Tink itself, with a key of ours: the other side of every sealed byte."""

from __future__ import annotations

import io

import tink
from tink import secret_key_access, streaming_aead
from tink.proto import aes_gcm_hkdf_streaming_pb2, common_pb2, tink_pb2

__all__ = ["open_with_tink", "seal_with_tink"]

_TYPE = "type.googleapis.com/google.crypto.tink.AesGcmHkdfStreamingKey"
streaming_aead.register()


def seal_with_tink(key: bytes, associated_data: bytes, plain: bytes) -> bytes:
    sealed = _Kept()
    with _primitive(key).new_encrypting_stream(sealed, associated_data) as stream:
        stream.write(plain)
    return sealed.getvalue()


def open_with_tink(key: bytes, associated_data: bytes, sealed: bytes) -> bytes:
    with _primitive(key).new_decrypting_stream(io.BytesIO(sealed), associated_data) as stream:
        return bytes(stream.read())


class _Kept(io.BytesIO):
    def close(self) -> None:
        """Tink closes what it wrote; we read it."""


def _primitive(key: bytes) -> streaming_aead.StreamingAead:
    """AES256_GCM_HKDF_1MB with this key."""
    params = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingParams(
        ciphertext_segment_size=1 << 20,
        derived_key_size=32,
        hkdf_hash_type=common_pb2.SHA256,
    )
    material = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingKey(
        version=0, key_value=key, params=params
    )
    keyset = tink_pb2.Keyset(primary_key_id=1)
    keyset.key.add(
        key_data=tink_pb2.KeyData(
            type_url=_TYPE,
            value=material.SerializeToString(),
            key_material_type=tink_pb2.KeyData.SYMMETRIC,
        ),
        status=tink_pb2.ENABLED,
        key_id=1,
        output_prefix_type=tink_pb2.RAW,
    )
    handle = tink.proto_keyset_format.parse(keyset.SerializeToString(), secret_key_access.TOKEN)
    return handle.primitive(streaming_aead.StreamingAead)
