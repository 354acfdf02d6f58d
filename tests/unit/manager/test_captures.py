"""What is kept of live requests, on real folders."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest

from seatrial.errors import NotFound, Overloaded, Refused
from seatrial.manager import captures
from seatrial.manager.captures import CaptureLimits, CaptureStore
from seatrial.storage.folder import Folder
from seatrial.tensors import to_npz

DATA = to_npz({"x": np.ones(4, np.float32)})


def store(folder: Path, limits: CaptureLimits | None = None) -> CaptureStore:
    return CaptureStore(Folder(folder), limits)


def ids(kept: CaptureStore) -> list[str]:
    return [capture.id for capture in kept.newest("tiny", 10_000)]


def files(folder: Path, shelf: str = ".") -> list[str]:
    return sorted(path.stem for path in (folder / "tiny" / shelf).glob("*.npz"))


def added(kept: CaptureStore, count: int) -> list[str | None]:
    return [kept.add("tiny", 1, DATA) for _ in range(count)]


def test_the_limit_holds_and_what_is_shown_is_there(tmp_path: Path) -> None:
    kept = store(tmp_path, CaptureLimits(per_model=3))
    added(kept, 20)
    assert len(ids(kept)) == 3
    assert sorted(ids(kept)) == files(tmp_path)


def test_a_layer_that_no_service_should_have_sent_is_refused_whatever_the_client_does(tmp_path: Path) -> None:
    kept = store(tmp_path)
    with pytest.raises(Refused, match=r"holds x \(limit: none of capture.without\)"):
        kept.add("tiny", 1, DATA, without=["x", "user"])
    assert ids(kept) == []


def test_so_do_bytes(tmp_path: Path) -> None:
    kept = store(tmp_path, CaptureLimits(bytes_per_model=2 * len(DATA) + 1))
    added(kept, 10)
    assert len(files(tmp_path)) == 2


def test_the_sample_is_fair_to_every_time_of_the_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """2000 requests, 200 kept: of each fifth of the time some 40. The oldest out first would leave the last tenth."""
    now = 1_795_519_900_000
    monkeypatch.setattr(captures, "_now_ms", lambda: now)
    kept = store(tmp_path, CaptureLimits(per_model=200))
    for _ in range(2000):
        now += 1000
        kept.add("tiny", 1, DATA)
    fifths = np.histogram([capture.at_ms for capture in kept.newest("tiny", 200)], 5, (now - 2_000_000, now))[0]
    assert fifths.sum() == 200
    assert np.all(np.abs(fifths - 40) < 20)  # 3.5 standard deviations


def test_one_that_has_no_place_is_not_written(tmp_path: Path) -> None:
    kept = store(tmp_path, CaptureLimits(per_model=1))
    found = added(kept, 30)
    assert None in found
    assert [each for each in found if each in ids(kept)] == ids(kept)


def test_what_has_expired_is_not_shown_and_not_kept(tmp_path: Path) -> None:
    kept = store(tmp_path).add("tiny", 1, DATA)
    assert ids(store(tmp_path)) == [kept]
    assert ids(store(tmp_path, CaptureLimits(keep_s=-1))) == []
    assert files(tmp_path) == []


def test_a_manager_that_starts_again_counts_what_the_former_one_kept(tmp_path: Path) -> None:
    limits = CaptureLimits(per_model=2)
    added(store(tmp_path, limits), 2)
    added(store(tmp_path, limits), 5)
    assert len(files(tmp_path)) == 2


def test_one_kept_aside_stays_when_the_sample_goes(tmp_path: Path) -> None:
    name = store(tmp_path).add("tiny", 1, DATA)
    assert name is not None
    store(tmp_path).keep_aside("tiny", name)
    later = store(tmp_path, CaptureLimits(keep_s=-1))
    later.keep_aside("tiny", name)
    assert ids(later) == []
    assert later.read("tiny", name) == DATA
    assert files(tmp_path, "aside") == [name]


def test_removed_is_all_of_a_model(tmp_path: Path) -> None:
    kept = store(tmp_path)
    names = [name for name in added(kept, 3) if name]
    kept.keep_aside("tiny", names[0])
    kept.add("other", 1, DATA)
    assert kept.remove("tiny") == 4
    assert ids(kept) == []
    assert not (tmp_path / "tiny").exists()
    with pytest.raises(NotFound):
        kept.read("tiny", names[0])
    assert len(kept.newest("other", 9)) == 1


def test_a_storage_that_is_slow_holds_few_threads_and_the_rest_is_shed(tmp_path: Path) -> None:
    go, held = threading.Event(), threading.Barrier(captures.WRITERS + 1)

    class Slow(Folder):
        def write(self, path: str, source: BinaryIO, sha256: str) -> None:
            held.wait()
            go.wait()
            super().write(path, source, sha256)

    kept = CaptureStore(Slow(tmp_path))
    with ThreadPoolExecutor(captures.WRITERS) as threads:
        adding = [threads.submit(kept.add, "tiny", 1, DATA) for _ in range(captures.WRITERS)]
        held.wait()
        with pytest.raises(Overloaded, match="are being written already"):
            kept.add("tiny", 1, DATA)
        go.set()
        assert all(each.result() for each in adding)
    assert len(files(tmp_path)) == captures.WRITERS


@pytest.mark.parametrize("name", ["../../x", "", "1-2-v3", "1795519900000-000001-v2/../x"])
def test_another_name_is_not_found(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotFound):
        store(tmp_path).read("tiny", name)
