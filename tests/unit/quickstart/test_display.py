from __future__ import annotations

from quickstart.display import FOR_MANY_OPTIONS, STEPS, rows_of

BEGAN, ENDED = "2026-01-01T00:00:00Z", "2026-01-01T00:00:02.500Z"
AT_BEGIN = 1767225600.0


def row(title: str, option: str = "", **task: object) -> tuple[str, str]:
    rows = rows_of([{"map_index": -1, "state": "running", **task}], AT_BEGIN + 4.0)  # type: ignore[list-item]
    found = next(r for r in rows if r["title"] == title and r["option"] == option)
    return found["mark"], found["seconds"].strip()


def test_every_step_has_a_row_before_anything_ran() -> None:
    always = [title for name, title in STEPS.items() if name not in FOR_MANY_OPTIONS]
    assert [r["title"] for r in rows_of([], AT_BEGIN)] == always


def test_the_stages_of_a_large_matrix_have_rows_only_where_there_is_one() -> None:
    small = {"task_id": "survey_hardware", "map_index": -1, "state": "skipped"}
    large = {"task_id": "survey_hardware", "map_index": 0, "state": "running"}
    assert "Survey" not in [r["title"] for r in rows_of([small], AT_BEGIN)]
    assert [r["title"] for r in rows_of([large], AT_BEGIN)].index("Survey") == list(STEPS).index("survey_hardware")


def test_a_running_step_shows_the_seconds_so_far_and_an_ended_one_its_own() -> None:
    assert row("Shadow", task_id="shadow_validate", start_date=BEGAN)[1] == "4.0 s"
    assert row("Shadow", task_id="shadow_validate", start_date=BEGAN, end_date=ENDED)[1] == "2.5 s"


def test_a_mapped_step_is_named_by_its_option_once_that_is_known() -> None:
    task = {"task_id": "profile_hardware", "map_index": 1}
    assert row("Profile", "option 2", **task, rendered_map_index="1")
    assert row("Profile", "cpu-2x2", **task, rendered_map_index="cpu-2x2")
