"""Texts in force: the charter and the policies that entries name by hash, in the ledger themselves.

Rules:

1. A text is put in force by entries that hold it, whole, in parts ``0`` to ``parts - 1`` in this
   order. Other entries may stand between them; a text begun anew counts from its part 0.
2. The parts, joined and encoded as UTF-8, have the SHA-256 that each of them names.
3. Every entry names texts that were put in force before it, whole. The parts of a text name it
   already.

The part of the system that rules by a text registers its kind: a subclass of `TextPart`.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from msgspec import Meta

from domicile.ledger.entries import Body, Sha256Hex

if TYPE_CHECKING:
    from hashlib import _Hash

__all__ = ["Role", "TextPart", "TextsRead", "named_texts", "split_text"]

Role = Literal["charter", "policy"]

_PART_CHARACTERS = 10_000
"""In JSON a character takes at most 6 bytes, and an entry at most 65,535."""
_MOST_OPEN = 16


class TextPart(Body, frozen=True):
    """A part of a text that entries name by its SHA-256. Subclasses say in ``role`` as what."""

    role: ClassVar[Role]

    sha256: Sha256Hex
    part: Annotated[int, Meta(ge=0)]
    parts: Annotated[int, Meta(ge=1)]
    text: str

    @property
    def is_last(self) -> bool:
        """Whether the text is whole with it, where the parts before it are there."""
        return self.part + 1 == self.parts

    def establishes(self) -> frozenset[str]:
        """That the text is in force, as far as its parts go: `TextsRead` sees to the rest."""
        return frozenset({_claim(self.role, self.sha256)})


def split_text(text: str) -> tuple[str, tuple[str, ...]]:
    """The SHA-256 (hex) of a text, and its parts, each short enough for an entry."""
    starts = range(0, max(len(text), 1), _PART_CHARACTERS)
    digest = sha256(text.encode()).hexdigest()
    return digest, tuple(text[at : at + _PART_CHARACTERS] for at in starts)


def named_texts(charter: str, policy: str | None) -> frozenset[str]:
    """The claims that an entry rests on by naming its texts, as `TextPart.establishes` has them."""
    named = {_claim("charter", charter)}
    if policy is not None:
        named.add(_claim("policy", policy))
    return frozenset(named)


class TextsRead:
    """Follows the parts of texts through a log, in bounded memory: a hash per unfinished text."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[int, int, _Hash]] = {}

    def take(self, body: TextPart) -> Iterator[str]:
        """What is wrong with the next part, as sentences without a subject."""
        claim = _claim(body.role, body.sha256)
        if body.part == 0:
            self._open.pop(claim, None)
            if len(self._open) == _MOST_OPEN:
                yield f"it begins a text while {_MOST_OPEN} others are unfinished"
                return
            self._open[claim] = 0, body.parts, sha256()
        done, parts, digest = self._open.get(claim, (0, 0, sha256()))
        if (body.part, body.parts) != (done, parts):
            yield f"it is part {body.part} of {claim}, where part {done} of {parts} is due"
            return
        digest.update(body.text.encode())
        self._open[claim] = done + 1, parts, digest
        if done + 1 == parts:
            del self._open[claim]
            if digest.hexdigest() != body.sha256:
                yield f"the text of {claim} has another SHA-256, {digest.hexdigest()}"


def _claim(role: Role, digest: str) -> str:
    return f"{role}:{digest}"
