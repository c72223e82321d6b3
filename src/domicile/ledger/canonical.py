"""Canonical JSON (RFC 8785), and a quick, exact way to it for plain structs. Pure.

A struct is *plain* when its fields have names in ASCII and hold text, truth values, null, whole
numbers, plain structs, or lists of all these but whole numbers. What msgspec writes of one with
its fields sorted is then its RFC 8785 form (the same escapes, the same digits, and names of ASCII
have one order), as long as no number is beyond 2**53 - 1, where there is no such form: those of a
type without such bounds are looked for. So a text is canonical if writing what was read from it
gives the same bytes. Everything that cannot be told so is left to `rfc8785`, which the tests hold
this against.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import msgspec
import rfc8785
from msgspec import inspect

__all__ = ["Plain", "is_canonical"]

S = TypeVar("S", bound=msgspec.Struct)
_encoder = msgspec.json.Encoder(order="sorted")
_LONG_NUMBER = re.compile(rb'":-?[0-9]{16}')
_MAX_NUMBER = 2**53 - 1
_FAILURES = (msgspec.MsgspecError, ValueError, TypeError, RecursionError)


def is_canonical(data: bytes) -> bool:
    """Whether this JSON text is its own RFC 8785 form. Raises what msgspec and rfc8785 raise where
    it is no JSON, or has none."""
    return rfc8785.dumps(msgspec.json.decode(data)) == data


class Plain(Generic[S]):
    """Reads and writes structs of one plain type in their canonical form."""

    def __init__(self, struct: type[S]) -> None:
        self._read = msgspec.json.Decoder(struct).decode
        self._is_bounded = _is_bounded(inspect.type_info(struct))

    @classmethod
    def of(cls, struct: type[S]) -> Plain[S] | None:
        """For a struct type, if it is plain."""
        return cls(struct) if _is_plain(inspect.type_info(struct), ()) else None

    def read_all(self, texts: Sequence[bytes]) -> list[S] | None:
        """What the texts say; None where one of them is no such struct in canonical form, or may
        be none."""
        read = self._read
        try:
            values = [read(text) for text in texts]
        except _FAILURES:
            return None
        # What is written has no newline but the one behind each value: equal as a whole, the texts
        # have none either, and each is equal to what was written of it.
        lines = b"\n".join(texts) + b"\n"
        if _encoder.encode_lines(values) != lines:
            return None
        return values if self._is_bounded or not _LONG_NUMBER.search(lines) else None

    def can_read(self, data: bytes) -> bool:
        """Whether what `write` gave is such a struct: its fields may have held anything."""
        try:
            self._read(data)
        except _FAILURES:
            return False
        return True

    def write(self, value: S | dict[str, Any]) -> bytes | None:
        """Its canonical form, or that of its fields, where it is this quickly told."""
        try:
            data = _encoder.encode(value)
        except _FAILURES:
            return None
        return None if _LONG_NUMBER.search(data) else data


def _is_plain(kind: inspect.Type, within: tuple[type, ...]) -> bool:
    if isinstance(kind, inspect.StructType):
        if kind.array_like or kind.tag is not None or kind.cls in within:
            return False
        within = (*within, kind.cls)
        return all(f.encode_name.isascii() and _may_be_field(f.type, within) for f in kind.fields)
    if isinstance(kind, inspect.UnionType):
        return all(_is_plain(each, within) for each in kind.types)
    if isinstance(kind, inspect.ListType | inspect.VarTupleType):
        return _is_plain(kind.item_type, within)
    if isinstance(kind, inspect.LiteralType):
        return all(isinstance(value, str) for value in kind.values)
    return isinstance(kind, inspect.StrType | inspect.BoolType | inspect.NoneType)


def _may_be_field(kind: inspect.Type, within: tuple[type, ...]) -> bool:
    """Numbers are looked for behind the names of fields alone."""
    if isinstance(kind, inspect.UnionType):
        return all(_may_be_field(each, within) for each in kind.types)
    if isinstance(kind, inspect.LiteralType):
        return all(isinstance(value, str | int) for value in kind.values)
    return isinstance(kind, inspect.IntType) or _is_plain(kind, within)


def _is_bounded(kind: inspect.Type) -> bool:
    """Whether no number of a plain type can be too long: reading refuses those."""
    if isinstance(kind, inspect.StructType):
        return all(_is_bounded(field.type) for field in kind.fields)
    if isinstance(kind, inspect.UnionType):
        return all(_is_bounded(each) for each in kind.types)
    if isinstance(kind, inspect.ListType | inspect.VarTupleType):
        return _is_bounded(kind.item_type)
    if isinstance(kind, inspect.IntType):
        bounds = (kind.ge, kind.le)
        return all(bound is not None and abs(bound) <= _MAX_NUMBER for bound in bounds)
    if isinstance(kind, inspect.LiteralType):
        return all(abs(v) <= _MAX_NUMBER for v in kind.values if isinstance(v, int))
    return True
