"""The hierarchy of keys: the root wraps a boundary's keys, a boundary's key wraps a random key for
each person, and for each dataset of which a shred of one person does not dispose.

Invariants:

- Every key is random; none is made from another. So what is destroyed can't be made again.
- A key is given out only once it is durable under the boundary's newest key.
- The root unwraps nothing before the ledger has it, with the reason.
- What is wrapped is bound to its place: boundary, version, whose key.
- Where custodians must approve an operation, it does not begin before the ledger has that.
- A version of a boundary's key is destroyed only when nothing is under it any more, and is not said
  to be destroyed before every version of the root that could unwrap it is gone.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC

import sqlalchemy as sa

from domicile.custody.approval import Act, Approver
from domicile.custody.condemned import Condemned, CondemnedKeys
from domicile.custody.entries import (
    BoundaryKeyCondemned,
    BoundaryKeyDestroyed,
    BoundaryKeyMade,
    BoundaryKeyPending,
    BoundaryKeysRewrapped,
    KeysOpened,
    Reason,
)
from domicile.custody.keys import Keys
from domicile.custody.root import Destruction, RootKey, RootWrapped
from domicile.custody.wrapping import KEY_BYTES
from domicile.errors import EvidenceError, UsageError
from domicile.ledger import Body, time_text
from domicile.state import BOUNDARY_KEYS, DATA_KEYS, State
from domicile.state.statements import insert_new

__all__ = ["Keyring"]


class Keyring:
    """One boundary's keys in the state database, under one root. record appends to the ledger and
    raises where it can't. approver: whoever must agree to operations on the root; every method that
    is one raises UsageError where it does not."""

    def __init__(
        self,
        state: State,
        root: RootKey,
        boundary: str,
        record: Callable[[Body], None],
        approver: Approver | None = None,
    ) -> None:
        self._approver = approver
        self._state, self._root, self._boundary, self._record = state, root, boundary, record
        self._condemned = CondemnedKeys(state, boundary)

    def open(self, reason: Reason) -> Keys:
        """Have the root unwrap the boundary's keys; the first one is made where there is none.

        Raises UsageError where they are under another root.
        """
        return self.unwrap(self.authorise(reason))

    def authorise(self, reason: Reason) -> tuple[int, ...]:
        """Have it in the ledger that the root is about to unwrap the boundary's keys, for this
        process and its workers; their versions. The first one is made where there is none."""
        if not self._stored():
            self.rotate()
        versions = tuple(self._stored())
        self.approve(Act("open", self._root.label, versions, reason))
        self._record(KeysOpened(self._boundary, versions, self._root.label, reason))
        return versions

    def unwrap(self, versions: Collection[int]) -> Keys:
        """Have the root unwrap the keys of these versions, of which the ledger knows that they
        are opened. Raises UsageError where they are under another root, or gone since."""
        wrapped = {version: key for version, key in self._stored().items() if version in versions}
        if not wrapped:
            raise self._changed()
        opened = self._unwrapped(self._root, wrapped)
        self._name_root(wrapped)
        return Keys(self._state, self._boundary, dict(zip(wrapped, opened, strict=True)))

    def rotate(self) -> int:
        """A new version of the boundary's key, under the root's newest: new keys are wrapped under
        it from now on. `Keys.rewrap` brings the others."""
        version = max(self._stored(), default=0) + 1
        kept = self._root.wrap(secrets.token_bytes(KEY_BYTES), self._context(version))
        made = BoundaryKeyMade(self._boundary, version, self._root.label, kept.version)
        self._record(made)
        self._insert(version, kept)
        return version

    def replace(self) -> int:
        """A new version of the boundary's key under a new version of the root: no version of the
        root that wraps an older one wraps it. A part of a shred, which was approved as a whole.
        Broken off between the two, the root has a version that nothing is under."""
        self._root.rotate()
        return self.rotate()

    def versions(self) -> tuple[int, ...]:
        """The versions of the boundary's key that are there, oldest first."""
        return tuple(self._stored())

    @property
    def root(self) -> RootKey:
        """The root that wraps them."""
        return self._root

    def rotate_root(self, keys: Keys) -> int:
        """A new version of the root, with the boundary's newest key of ``keys`` under it. Older
        ones stay as they are until they are destroyed: under the new version their copies in
        backups would outlive that."""
        newest = max(keys.boundary_keys)
        self.approve(Act("rotate-root", self._root.label, (newest,)))
        version = self._root.rotate()
        self._rewrap({newest: keys.boundary_keys[newest]}, self._root)
        return version

    def move_to(self, root: RootKey, keys: Keys) -> Keyring:
        """Every boundary key of ``keys`` under another root, all of them or none: what they sealed
        opens as before, and this root is no longer needed. It is not destroyed here.

        Raises UsageError where the boundary has other keys than ``keys`` by now.
        """
        if set(self._stored()) != set(keys.boundary_keys):
            raise self._changed()
        self.approve(Act("move-root", root.label, tuple(sorted(keys.boundary_keys))))
        self._rewrap(keys.boundary_keys, root)
        return Keyring(self._state, root, self._boundary, self._record, self._approver)

    def destroy(self, version: int) -> Destruction:
        """Destroy a version under which nothing is any more, and every version of the root that
        could unwrap a copy of it; what the root can prove of that, in its words. It opens nothing
        here from now on. Where its keeper takes time over it, it is pending: ask again after the
        date.

        Raises UsageError for the newest version, while keys are still under it, where it is not
        there, and as long as one of those versions of the root wraps another key: then rotate the
        root and ask again. Repeatable: broken off anywhere, it goes on.
        """
        condemned = self._condemned.all().get(version) or self._condemn(version)
        self._refuse_another_root(condemned.root)
        self._refuse_needed(condemned.root_versions)
        about = (self._boundary, version, condemned.root, condemned.root_versions)
        done = _taken_together([self._root.destroy(each) for each in condemned.root_versions])
        if done.pending_until is None:
            self._record(BoundaryKeyDestroyed(*about, done.proves))
            self._condemned.remove(version)
        elif (until := time_text(done.pending_until.astimezone(UTC))) != condemned.pending_until:
            self._record(BoundaryKeyPending(*about, until, done.proves))
            self._condemned.wait(version, until)
        return done

    def condemned(self) -> tuple[Condemned, ...]:
        """The versions that `destroy` has begun with and not seen gone, oldest first."""
        return tuple(self._condemned.all().values())

    def approve(self, act: Act) -> None:
        """Have it in the ledger that the custodians let this be done, where they must. Raises
        UsageError where they did not."""
        if self._approver is not None:
            self._approver.approve(act)

    def _condemn(self, version: int) -> Condemned:
        self._refuse_living(version)
        self._refuse_another_root(self._label(version))
        self.approve(Act("destroy", self._root.label, (version,)))
        condemned = Condemned(version, self._root.label, self._could_unwrap(version))
        about = (self._boundary, version, condemned.root, condemned.root_versions)
        self._record(BoundaryKeyCondemned(*about))
        self._condemned.add(condemned)
        return condemned

    def _could_unwrap(self, version: int) -> tuple[int, ...]:
        """The root's versions that may have wrapped a key, now or in a backup: none newer than the
        one that does now. Those that wait for their destruction count: it can be cancelled."""
        now = self._stored()[version].version
        waiting = {v for each in self._condemned.all().values() for v in each.root_versions}
        known = {now, *self._root.versions(), *waiting}
        return tuple(sorted(each for each in known if each <= now))

    def _refuse_needed(self, root_versions: tuple[int, ...]) -> None:
        """Keys under other roots count too: their numbers may be these, and a root renamed."""
        query = sa.select(BOUNDARY_KEYS.c.boundary, BOUNDARY_KEYS.c.version).where(
            BOUNDARY_KEYS.c.root_version.in_(root_versions)
        )
        with self._state.begin() as connection:
            needed = [f"{row[0]} {row[1]}" for row in connection.execute(query)]
        if needed:
            raise UsageError(
                f"versions of {self._root.label} that could open it wrap other keys:"
                f" {', '.join(needed)}",
                expected="nothing else under them",
                next_step="rotate the root, destroy the older of these too, then ask again",
            )

    def _rewrap(self, keys: Mapping[int, bytes], root: RootKey) -> None:
        before, versions = self._label(max(keys)), tuple(sorted(keys))
        wrapped = {v: root.wrap(keys[v], self._context(v)) for v in versions}
        under = tuple(sorted({each.version for each in wrapped.values()}))
        self._record(BoundaryKeysRewrapped(self._boundary, versions, before, root.label, under))
        self._record(KeysOpened(self._boundary, versions, root.label, "rotate"))
        if self._unwrapped(root, wrapped) != [keys[v] for v in versions]:
            raise EvidenceError(
                f"{root.label} does not give back what it wrapped just now",
                expected="the same keys",
                next_step="keep the keys under the root that has them",
            )
        self._replace(wrapped, root.label)

    def _replace(self, wrapped: Mapping[int, RootWrapped], label: str) -> None:
        """All of them, or none. Updates come first: they keep other writers out."""
        with self._state.begin() as connection:
            count = 0
            for version, each in wrapped.items():
                values = {"root": label, "root_version": each.version, "wrapped": each.data}
                update = BOUNDARY_KEYS.update().where(self._is(BOUNDARY_KEYS.c.version == version))
                count += connection.execute(update.values(values)).rowcount
            elsewhere = self._is(BOUNDARY_KEYS.c.root != label)
            others = connection.scalar(sa.select(sa.func.count()).where(elsewhere))
            if count != len(wrapped) or others:
                raise self._changed()

    def _changed(self) -> UsageError:
        return UsageError(
            f"the keys of boundary {self._boundary} changed while they were wrapped anew",
            expected="the keys that were opened, and no others",
            next_step="stop what rotates or destroys them, open them and begin anew",
        )

    def _unwrapped(self, root: RootKey, wrapped: Mapping[int, RootWrapped]) -> list[bytes]:
        try:
            return root.unwrap([(each, self._context(v)) for v, each in wrapped.items()])
        except EvidenceError:
            if root is self._root:
                self._refuse_another_root(self._label(max(wrapped)))
            raise

    def _name_root(self, wrapped: Mapping[int, RootWrapped]) -> None:
        """What this root unwrapped is under it, whatever it was called before."""
        if {self._label(version) for version in wrapped} == {self._root.label}:
            return
        with self._state.begin() as connection:
            for version, each in wrapped.items():
                same = (BOUNDARY_KEYS.c.version == version) & (BOUNDARY_KEYS.c.wrapped == each.data)
                update = BOUNDARY_KEYS.update().where(self._is(same))
                connection.execute(update.values(root=self._root.label))

    def _label(self, version: int) -> str:
        """The root that a version of the boundary's key is under."""
        this = self._is(BOUNDARY_KEYS.c.version == version)
        with self._state.begin() as connection:
            return str(connection.scalar(sa.select(BOUNDARY_KEYS.c.root).where(this)))

    def _refuse_another_root(self, label: str) -> None:
        if label != self._root.label:
            raise UsageError(
                f"the keys of boundary {self._boundary} are not under {self._root.label}",
                expected=label,
                next_step="open that root, or what was restored of it",
            )

    def _refuse_living(self, version: int) -> None:
        under = sa.select(sa.func.count()).where(
            DATA_KEYS.c.boundary == self._boundary, DATA_KEYS.c.version == version
        )
        with self._state.begin() as connection:
            count = connection.scalar(under) or 0
        stored = self._stored()
        if version not in stored:
            raise UsageError(
                f"boundary {self._boundary} has no key of version {version}",
                expected=f"one of {', '.join(map(str, stored)) or 'none'}",
                next_step="look in the ledger whether it was destroyed before",
            )
        if count or version == max(stored):
            raise UsageError(
                f"version {version} of the boundary's key is in use: {count:,} keys are under it",
                expected="a version that a newer one has replaced, with nothing under it",
                next_step="rotate, then rewrap what is under it",
            )

    def _stored(self) -> dict[int, RootWrapped]:
        columns = (BOUNDARY_KEYS.c.version, BOUNDARY_KEYS.c.root_version, BOUNDARY_KEYS.c.wrapped)
        query = sa.select(*columns).where(self._is(sa.true())).order_by(BOUNDARY_KEYS.c.version)
        with self._state.begin() as connection:
            return {row[0]: RootWrapped(row[1], row[2]) for row in connection.execute(query)}

    def _insert(self, version: int, kept: RootWrapped) -> None:
        values = {
            "boundary": self._boundary,
            "version": version,
            "root": self._root.label,
            "root_version": kept.version,
            "wrapped": kept.data,
        }
        with self._state.begin() as connection:
            connection.execute(insert_new(connection, BOUNDARY_KEYS), values)

    def _is(self, more: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
        return sa.and_(BOUNDARY_KEYS.c.boundary == self._boundary, more)

    def _context(self, version: int) -> bytes:
        return f"domicile boundary key\n{self._boundary}\n{version}".encode()


def _taken_together(done: Sequence[Destruction]) -> Destruction:
    """Of several versions: pending until the last one is gone."""
    dates = [each.pending_until for each in done if each.pending_until is not None]
    proves = dict.fromkeys(each.proves for each in done)
    return Destruction("; ".join(proves), max(dates, default=None))
