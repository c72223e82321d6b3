"""A file root's keys in shares, of which some recover them all, and fewer tell nothing.

A fresh secret of 32 bytes wraps the root's keys and is split as SLIP-39 has it (Shamir's scheme
over GF(256), with a digest), one mnemonic a share. Each share has the wrapped keys with it, so that
some of the shares are enough, with no passphrase; and which secret they open with is checked by
AES-GCM, not by SLIP-39's four bytes alone.

No message holds a word of a mnemonic or a byte of a key, nor does the error behind it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta
from shamir_mnemonic import MnemonicError, combine_mnemonics, generate_mnemonics
from shamir_mnemonic.share import Share as Slip39

from domicile.custody.wrapping import KEY_BYTES, unwrap_key, wrap_key
from domicile.errors import EvidenceError, SiteRefused, UsageError
from domicile.ledger.disk import Disk

__all__ = ["MOST_SHARES", "Share", "read_share", "recover_keys", "split_keys", "write_shares"]

MOST_SHARES = 16
"""SLIP-39 has no more."""
_FORMAT = "domicile-root-share/1"
_SPLIT_BYTES = 16
_MAX_FILE_BYTES = 1 << 20
Number = Annotated[int, Meta(ge=1, le=MOST_SHARES)]


class Share(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One share. root: the label of the root that it is of. split: what belongs together. number:
    this one, of ``shares``, of which ``needed`` recover the keys. wrapped: the root's keys under
    the secret, by version. mnemonic: this share of the secret."""

    format: str
    root: str
    split: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
    number: Number
    shares: Number
    needed: Number
    wrapped: dict[int, bytes]
    mnemonic: str

    def __repr__(self) -> str:
        return f"Share({self.root!r}, {self.number} of {self.shares})"


def split_keys(root: str, keys: Mapping[int, bytes], needed: int, shares: int) -> list[Share]:
    """Keys of 32 bytes, by version, in so many shares of which ``needed`` recover them. Raises
    UsageError unless 2 <= needed <= shares <= 16: with one, each share would be the keys."""
    if not 2 <= needed <= shares <= MOST_SHARES:
        raise UsageError(
            f"{needed} of {shares} shares are no split",
            expected=f"2 or more that are needed, and at most {MOST_SHARES} in all",
            next_step="choose other numbers",
        )
    secret, split = secrets.token_bytes(KEY_BYTES), secrets.token_hex(_SPLIT_BYTES)
    wrapped = {v: wrap_key(secret, key, _context(split, v)) for v, key in sorted(keys.items())}
    (mnemonics,) = generate_mnemonics(1, [(needed, shares)], secret)
    return [
        Share(_FORMAT, root, split, number, shares, needed, wrapped, mnemonic)
        for number, mnemonic in enumerate(mnemonics, 1)
    ]


def recover_keys(given: Sequence[Share]) -> dict[int, bytes]:
    """The keys of the root, by version. Raises EvidenceError where the shares do not belong
    together, are too few, or one of them is wrong."""
    shares = list({share.number: share for share in given}.values())
    first = shares[0]
    for share in given:
        if (share.split, share.wrapped, share.needed) != (first.split, first.wrapped, first.needed):
            raise _wrong(f"share {share.number} and share {first.number} are of different splits")
        if not _is_whole(share):
            raise _wrong(f"share {share.number} is damaged: its words are not what was written")
    if len(shares) < first.needed:
        raise _wrong(f"{len(shares)} shares were given, and {first.needed} are needed")
    secret = _combined([share.mnemonic for share in shares[: first.needed]])
    try:
        if secret is not None:
            return {
                version: unwrap_key(secret, wrapped, _context(first.split, version))
                for version, wrapped in first.wrapped.items()
            }
    except EvidenceError:
        pass
    raise _wrong("one of the shares is wrong: together they do not open the root's keys")


def write_shares(directory: Path, shares: Sequence[Share]) -> list[Path]:
    """Each share as a file of mode 0600; all of them, or none. Raises SiteRefused where one cannot
    be written or exists."""
    disk, written = Disk(), list[Path]()
    try:
        disk.make_directories(directory)
        for share in shares:
            name = share.root.rpartition(":")[2]
            written.append(directory / f"{name}.share-{share.number}-of-{share.shares}")
            data = msgspec.json.format(msgspec.json.encode(share)) + b"\n"
            disk.write_synced(written[-1], data, mode=0o600)
        disk.sync_directory(directory)
    except OSError as error:
        for path in written[:-1] if isinstance(error, FileExistsError) else written:
            disk.remove(path)
        raise SiteRefused(
            f"the shares cannot be written: {error.strerror}",
            expected="a directory without shares of this root, with room and permission",
            next_step="name another directory",
        ) from None
    return written


def read_share(path: Path) -> Share:
    """A share from its file. Raises SiteRefused where others can read it or it cannot be read,
    EvidenceError where it is none."""
    try:
        if path.stat().st_mode & 0o077:
            raise _unreadable(path, "can be read by others")
        with path.open("rb") as file:
            data = file.read(_MAX_FILE_BYTES)
    except OSError as error:
        raise _unreadable(path, f"cannot be read ({error.strerror})") from None
    share = _decoded(data)
    if share is None:
        raise _wrong(f"{path.name} is no share of a root")
    return share


def _decoded(data: bytes) -> Share | None:
    try:
        share = msgspec.json.decode(data, type=Share)
    except (msgspec.MsgspecError, ValueError):
        return None
    return share if share.format == _FORMAT and share.wrapped else None


def _is_whole(share: Share) -> bool:
    """Whether its words are a share of its number: they have a checksum."""
    try:
        read = Slip39.from_mnemonic(share.mnemonic)
    except (MnemonicError, ValueError):
        return False
    return (read.index + 1, read.member_threshold) == (share.number, share.needed)


def _combined(mnemonics: Sequence[str]) -> bytes | None:
    try:
        secret: bytes = combine_mnemonics(mnemonics)
    except (MnemonicError, ValueError):
        return None
    return secret if len(secret) == KEY_BYTES else None


def _context(split: str, version: int) -> bytes:
    return f"{_FORMAT}\n{split}\n{version}".encode()


def _wrong(failed: str) -> EvidenceError:
    return EvidenceError(
        failed,
        expected="as many shares of one split as it needs, as `domicile custody split` wrote them",
        next_step="ask the custodians for the right files; nothing was recovered",
    )


def _unreadable(path: Path, why: str) -> SiteRefused:
    return SiteRefused(
        f"the share {path.name} {why}",
        expected="a custodian's share, a file of mode 0600",
        next_step="check the path, its owner and its mode",
    )
