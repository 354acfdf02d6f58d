"""One upload root, looked at again and again: what is complete, for as few listings as tell it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager

from seatrial.errors import SeatrialError
from seatrial.storage.paths import path_flaw
from seatrial.storage.port import Entry
from seatrial.uploads.attention import GROUPS_AGAIN_S, UPLOADS_AGAIN_S, Place, due
from seatrial.uploads.done import CompleteUpload
from seatrial.uploads.settling import EMPTY_TAKES, Observation, is_complete
from seatrial.uploads.survey import Lister, folders, observe

log = logging.getLogger(__name__)


class Watch:
    """Tells the complete uploads of one root.

    An upload is `<root>/<any>/` when that folder has a file of its own (a manifest, the marker, or anything: one
    without manifest must end in a run that says so). Otherwise that folder is a *group*, and each `<root>/<any>/<any>/`
    with a file anywhere below it is one.

    A poll lists the root, whose entries tell each folder's own time, and looks into what changed (attention.py).
    """

    def __init__(
        self,
        lister: Lister,
        name_of: Callable[[str], str],
        settle_s: float,
        done: Callable[[str], CompleteUpload | None],
        most_files: int,
    ) -> None:
        """`name_of` makes an upload's name of its path below the root; `done` knows by name what is dealt with. Files
        of an upload beyond `most_files` are not looked at: the check will refuse it."""
        self._lister, self._name_of, self._settle_s, self._done = lister, name_of, settle_s, done
        self._most_files = most_files
        self._groups: dict[str, Place] = {}
        self._uploads: dict[str, Place] = {}
        self._inside: dict[str, Set[str]] = {}
        self._troubled: set[str] = set()
        self._polled_s: float | None = None

    def poll(self, now_s: float) -> list[CompleteUpload]:
        """What is complete among that which was looked into; `now_s` on any clock that only goes forward.

        An upload is told whenever it was looked into: whoever starts runs keeps the identities that had one.
        Raises what listing the root raises; then nothing is lost, the next poll goes on. A single folder that cannot be
        listed is logged once and left alone until it changes or its turn comes.
        """
        since_s = 0.0 if self._polled_s is None else now_s - self._polled_s
        self._see("", self._lister(""))
        listed: dict[str, Sequence[Entry]] = {}
        for path in due(self._groups, now_s, since_s=since_s, again_s=GROUPS_AGAIN_S):
            with self._guarded(path, self._groups[path], now_s):
                listed[path] = self._look_into_group(path, now_s)
        complete: list[CompleteUpload] = []
        for path in due(self._uploads, now_s, since_s=since_s, again_s=UPLOADS_AGAIN_S):
            with self._guarded(path, self._uploads[path], now_s):
                complete += self._look_into(path, listed, now_s)
        self._polled_s = now_s
        return complete

    def names(self) -> set[str]:
        """The names of all that may be uploads; empty as long as some may not have been seen yet."""
        if any(group.seen_ns is None for group in self._groups.values()):
            return set()
        return {self._name_of(path) for path in self._uploads}

    def _look_into_group(self, path: str, now_s: float) -> Sequence[Entry]:
        entries = self._lister(path)
        if _has_file(entries):
            self._uploads[path] = Place(self._groups.pop(path).told_ns)
            self._see(path, ())
        else:
            self._see(path, entries)
            found = frozenset((entry.name, entry.modified_ns) for entry in entries)
            self._groups[path].look(str(hash(found)), now_s, settled=True)
        return entries

    def _look_into(self, path: str, listed: Mapping[str, Sequence[Entry]], now_s: float) -> list[CompleteUpload]:
        place, name = self._uploads[path], self._name_of(path)
        if path_flaw(path):  # it cannot be listed: a run must say why
            found = Observation(name, ((".", 1, place.told_ns),))
        else:
            entries = listed[path] if path in listed else self._lister(path)
            if "/" not in path and not _has_file(entries):
                self._groups[path] = Place(self._uploads.pop(path).told_ns)
                return []
            found = observe(name, path, entries, self._lister, self._most_files)
        complete = is_complete(found, place.same_for(found.identity, now_s), self._settle_s)
        place.look(found.identity, now_s, settled=complete, settles_in_s=self._settle_s * EMPTY_TAKES)
        return [CompleteUpload(name, found.identity, place.told_ns)] if complete else []

    def _see(self, parent: str, entries: Sequence[Entry]) -> None:
        """The folders in the root or in a group, as they are now: what is new is met, what is gone forgotten."""
        there = {f"{parent}/{one.name}" if parent else one.name: one.modified_ns for one in folders(entries)}
        for path in self._inside.get(parent, frozenset()) - there.keys():
            self._forget(path)
        self._inside[parent] = there.keys()
        for path, told_ns in there.items():
            place = self._groups.get(path) or self._uploads.get(path)
            if place:
                place.told_ns = told_ns
            else:
                self._meet(path, told_ns)

    def _meet(self, path: str, told_ns: int) -> None:
        if not path.isprintable():
            self._warn(path, "its name holds what cannot be printed")
            return
        done = self._done(self._name_of(path))
        known = Place(told_ns, done.told_ns, identity=done.identity, settled=True) if done else Place(told_ns)
        is_upload = done or "/" in path or path_flaw(path)
        (self._uploads if is_upload else self._groups)[path] = known

    def _forget(self, path: str) -> None:
        self._groups.pop(path, None)
        self._uploads.pop(path, None)
        self._troubled.discard(path)
        for inside in self._inside.pop(path, frozenset()):
            self._forget(inside)

    @contextmanager
    def _guarded(self, path: str, place: Place, now_s: float) -> Iterator[None]:
        try:
            yield
        except SeatrialError as error:
            self._lister("")  # raises when the root is in trouble, and not this folder alone
            place.look(place.identity, now_s, settled=place.settled)
            self._warn(path, error)
        else:
            self._troubled.discard(path)

    def _warn(self, path: str, reason: object) -> None:
        if path not in self._troubled:
            self._troubled.add(path)
            log.warning("%r in an upload root is left alone: %s", path, reason)


def _has_file(entries: Sequence[Entry]) -> bool:
    return any(not entry.is_folder and not entry.is_special for entry in entries)
