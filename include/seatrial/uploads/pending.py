"""Which uploads are told to whoever starts runs, and told again while that does not confirm them (pure)."""

from __future__ import annotations

from collections.abc import Iterable

from seatrial.uploads.done import CompleteUpload, Records, field_of, had_run, upload_of

CONFIRMED_IN_S = 60.0
"""Whoever starts runs confirms in seconds, a thousand in less than a minute. What was not confirmed for so long may
have been lost between here and there, and telling it twice does no harm."""


class Pending:
    """Uploads of one root. `done` are the records of those that had their run."""

    def __init__(self, done: Records) -> None:
        self.done = done
        self._told: dict[str, tuple[CompleteUpload, float]] = {}

    def confirmed(self, name: str) -> CompleteUpload | None:
        return upload_of(name, self.done)

    def fresh(self, complete: Iterable[CompleteUpload], now_s: float) -> list[CompleteUpload]:
        """Those of the complete ones that are to be told: neither done nor told as they are now."""
        return [
            upload
            for upload in complete
            if not had_run(upload.name, upload.identity, self.done) and self._tell(upload, now_s)
        ]

    def overdue(self, now_s: float) -> list[CompleteUpload]:
        """What was told and not confirmed for too long: look whether it is, and tell it again if not."""
        return [upload for upload, told_s in self._told.values() if now_s - told_s >= CONFIRMED_IN_S]

    def again(self, overdue: list[CompleteUpload], kept: Records, now_s: float) -> list[CompleteUpload]:
        """Take over the records that are kept by now, and return those of the overdue ones to tell again."""
        for upload in overdue:
            del self._told[upload.name]
            field = field_of(upload.name)
            if field in kept:
                self.done[field] = kept[field]
        return self.fresh(overdue, now_s)

    def _tell(self, upload: CompleteUpload, now_s: float) -> bool:
        told = self._told.get(upload.name)
        if told and told[0].identity == upload.identity:
            return False
        self._told[upload.name] = (upload, now_s)
        return True
