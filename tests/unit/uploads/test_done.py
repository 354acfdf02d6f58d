from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from seatrial.uploads.done import (
    SHARDS,
    CompleteUpload,
    field_of,
    pruned,
    record_of,
    records,
    shard_of,
    shards_of,
    upload_of,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner), max_leaves=6
)


@given(st.text(), st.text("0123456789abcdef", min_size=16, max_size=16), st.integers(0, 2**63))
def test_a_record_says_what_upload_it_was(name: str, identity: str, told_ns: int) -> None:
    upload = CompleteUpload(name, identity, told_ns)
    kept = records(json.loads(json.dumps({field_of(name): record_of(upload)})))
    assert upload_of(name, kept) == upload
    assert upload_of(name + "x", kept) is None
    assert shard_of("file:///u", name) in shards_of("file:///u")
    assert shard_of("file:///u", name) not in shards_of("file:///v")


@given(JSON)
def test_what_somebody_else_wrote_into_the_store_is_no_record(value: object) -> None:
    assert records(value) == {}


def test_forty_thousand_uploads_keep_every_value_below_the_limit_of_the_store() -> None:
    shards: dict[str, dict[str, str]] = {}
    for number in range(40_000):
        upload = CompleteUpload(f"hdfs://namenode:9870/models/{number}", "0123456789abcdef", 1_795_000_000_000_000_000)
        shards.setdefault(shard_of("root", upload.name), {})[field_of(upload.name)] = record_of(upload)
    assert len(shards) == SHARDS
    assert max(len(json.dumps(value)) for value in shards.values()) < 65_535


def test_records_of_uploads_that_are_gone_are_dropped() -> None:
    kept = {field_of(name): record_of(CompleteUpload(name, "a", 1)) for name in ("here", "gone")}
    assert pruned(kept, {field_of("here"), field_of("new")}) == {field_of("here"): "a@1"}
