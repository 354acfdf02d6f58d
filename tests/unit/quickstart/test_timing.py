from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from quickstart.timing import covered_s, summary

SPANS = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)).map(lambda pair: (min(pair), max(pair))), max_size=8)


@given(SPANS, st.integers(0, 25), st.integers(25, 50))
def test_covered_time_is_that_of_the_seconds_inside_any_span(
    spans: list[tuple[int, int]], start: int, end: int
) -> None:
    counted = sum(any(first <= second < last for first, last in spans) for second in range(start, end))
    assert covered_s(spans, start, end) == counted


def test_orchestration_is_what_no_step_used() -> None:
    def task(name: str, start: int, end: int) -> dict[str, str]:
        stamp = "1970-01-01T00:00:{:02d}Z"
        return {"task_id": name, "start_date": stamp.format(start), "end_date": stamp.format(end)}

    found = summary([task("a", 2, 5), task("b", 4, 9), task("b", 10, 12)], uploaded=0, in_production=11)
    assert found == {"steps_s": {"a": 3.0, "b": 7.0}, "upload_to_production_s": 11, "orchestration_s": 3}
