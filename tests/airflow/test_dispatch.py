from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from operators.dispatch import KEEP, confirmed, new_uploads

IDS = st.lists(st.text("0123456789abcdef", min_size=4, max_size=4), max_size=30)


@given(IDS, IDS)
def test_each_upload_that_is_not_done_is_started_once(seen: list[str], done: list[str]) -> None:
    started = new_uploads([{"id": one, "upload": f"/u/{one}"} for one in seen], done)
    assert sorted(run["trigger_run_id"] for run in started) == sorted(f"upload__{one}" for one in set(seen) - set(done))
    assert new_uploads([{"id": one, "upload": f"/u/{one}"} for one in seen], confirmed(done, started)) == []


def test_old_confirmations_are_forgotten_first() -> None:
    done = [str(number) for number in range(KEEP)]
    assert confirmed(done, [{"trigger_run_id": "upload__new"}]) == [*done[1:], "new"]
