"""The filter grammar: what is written is read back, what is met is met, and errors name the bad part."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.errors import Refused
from seatrial.registry.entities import ModelVersion, Stage
from seatrial.registry.mlmd_query import MOST_NAMES, version_query
from seatrial.registry.query import (
    NUMBER_OPERATORS,
    NUMBERS,
    TEXT_OPERATORS,
    TEXTS,
    Clause,
    Filter,
    matches,
    parse_filter,
)
from seatrial.served_model import ServedModel
from seatrial.tensors import Signature

HERE: tuple[tuple[str, Stage], ...] = (("local", "None"),)
words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
finite = st.floats(allow_nan=False, allow_infinity=False)


def version_of(**fields: Any) -> ModelVersion:
    served = ServedModel(name="pitch", version=1, format="onnx", main_file="m", files={}, signature=Signature((), ()))
    plain = {"model_id": 1, "model": "pitch", "version": 1, "tree_digest": "d", "created_ms": 0, "uri": "sha256:d"}
    return ModelVersion(**{**plain, "served": served, "manifest": {}, **fields})


clauses = st.one_of(
    st.builds(
        Clause, st.sampled_from(sorted({*TEXTS} - {"stage"})), st.just(""), st.sampled_from(TEXT_OPERATORS), words
    ),
    st.builds(Clause, st.just("stage"), st.just(""), st.sampled_from(("=", "!=")), st.sampled_from(get_args(Stage))),
    st.builds(Clause, st.just("metric"), words, st.sampled_from(NUMBER_OPERATORS), finite),
    st.builds(Clause, st.sampled_from(("tag", "param")), words, st.sampled_from(TEXT_OPERATORS), words),
)


@given(st.lists(clauses, max_size=4))
def test_a_filter_written_out_is_read_back_as_itself(wanted: list[Clause]) -> None:
    assert parse_filter(str(Filter(tuple(wanted)))) == Filter(tuple(wanted))


@given(st.text(max_size=60))
def test_any_text_is_a_filter_or_is_refused(text: str) -> None:
    with suppress(Refused):
        parse_filter(text)


@given(finite, finite, st.sampled_from(NUMBER_OPERATORS))
def test_metrics_compare_as_numbers_do(kept: float, wanted: float, sign: str) -> None:
    python = {"=": kept == wanted, "!=": kept != wanted, ">": kept > wanted, ">=": kept >= wanted}
    expected = {**python, "<": kept < wanted, "<=": kept <= wanted}[sign]
    assert matches(parse_filter(f"metric.f1{sign}{wanted!r}"), version_of(metrics={"f1": kept}), HERE) == expected


@given(words, words, st.sampled_from(["name", "tag.k", "user"]))
def test_unequal_is_exactly_the_opposite_of_equal_also_of_what_is_not_there(kept: str, wanted: str, field: str) -> None:
    for version in (version_of(model=kept, user=kept, tags={"k": kept}), version_of()):
        quoted = str(Clause("name", "", "=", wanted)).removeprefix("name=")
        equal, unequal = (matches(parse_filter(f"{field}{sign}{quoted}"), version, HERE) for sign in ("=", "!="))
        assert equal != unequal


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("", True),
        ("name=pitch", True),
        ("name = 'pitch' and version = 1", True),
        ("name~ITC", True),
        ("text~window", True),
        ("description~piano", False),
        ("tag.team='audio lab'", True),
        ('tag."team"="audio lab"', True),
        ("tag.nothing=x", False),
        ("tag.nothing!=x", True),
        ("metric.loss<1", False),
        ("metric.loss!=1", True),
        ("param.layers>=4", True),
        ("param.layers=4.0", True),
        ("param.bias=true", True),
        ("param.bias=1", False),
        ("param.optimiser=adam", True),
        ("param.optimiser>1", False),
        ("format=onnx and user!=bob", True),
        ("created>=2026-11-24 and created<2026-11-25", True),
        ("created>2026-11-24T14:05:00+01:00", False),
        ("stage=Production", True),
        ("stage=Production and environment=local", False),
        ("stage=Archived and environment=local", True),
        ("environment=tokyo", False),
    ],
)
def test_a_version_meets_what_is_true_of_it(text: str, met: bool) -> None:
    version = version_of(
        user="ann",
        description="windows of two seconds",
        created_ms=1795525500000,  # 2026-11-24T13:05:00Z
        tags={"team": "audio lab"},
        hyper_parameters={"layers": 4, "bias": True, "optimiser": "adam"},
    )
    places: tuple[tuple[str, Stage], ...] = (("local", "Archived"), ("paris", "Production"))
    assert matches(parse_filter(text), version, places) == met


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nmae=pitch", "'nmae': is not a field (limit: model, name"),
        ("metric.f1>high", "'metric.f1>high': 'high' is not a number"),
        ("metric.f1>nan", "is not a number"),
        ("metric.f1~1", "metric.f1 does not take ~ (limit: = != >"),
        ("name>3", "name does not take > (limit: = != ~)"),
        ("stage=Prod", "'Prod' is not a stage (limit: None, Staging"),
        ("metric.=1", "'metric.': is not a field"),
        ("name=pitch user=ann", "'name=pitch user=ann': expected FIELD OPERATOR VALUE"),
        ("name=pitch and", "expected FIELD OPERATOR VALUE"),
        ("name=pitch and user", "'user': expected FIELD OPERATOR VALUE"),
        ("name='pitch", "expected FIELD OPERATOR VALUE"),
        ("created>yesterday", "'yesterday' is not a moment"),
        ("name=" + "x" * 2000, "2005 characters (limit: 2000)"),
    ],
)
def test_an_error_names_the_part_that_is_wrong(text: str, said: str) -> None:
    with pytest.raises(Refused) as caught:
        parse_filter(text)
    assert said in str(caught.value)


@given(st.lists(clauses, max_size=3))
def test_no_text_of_a_filter_can_leave_its_quotes_in_the_stores_query(wanted: list[Clause]) -> None:
    query = version_query(Filter(tuple(wanted)))
    outside = "".join(query.replace("`", "'").split("'")[::2])
    assert set(outside) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_. =><()+-")
    assert query.count("'") % 2 == 0


def test_names_narrow_the_query_until_they_are_too_many() -> None:
    assert version_query(Filter(), ["pitch@2", "pitch@1"]).endswith("name IN ('pitch@1', 'pitch@2')")
    assert version_query(Filter(), []).endswith("id = 0")
    assert "IN" not in version_query(Filter(), [f"pitch@{at}" for at in range(MOST_NAMES + 1)])


def test_every_field_has_an_operator_table() -> None:
    for field in (*TEXTS, *NUMBERS):
        value = "Staging" if field == "stage" else "1"
        assert parse_filter(f"{field}={value}").clauses[0].field == field
