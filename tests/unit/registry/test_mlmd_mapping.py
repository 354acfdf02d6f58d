"""Entities survive the way to ml-metadata's protos and back."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.errors import Refused
from seatrial.registry.entities import Evidence, ModelVersion, Scalar, StageMove
from seatrial.served_model import ServedModel
from seatrial.tensors import Signature, TensorSpec

pytest.importorskip("ml_metadata", reason="ml-metadata is in the manager's environment only")

from seatrial.registry import mlmd_mapping as mapping

SIGNATURE = Signature((TensorSpec("audio", "FP32", (-1, 43844, 1)),), (TensorSpec("note", "FP32", (-1, 172, 88)),))
SERVED = ServedModel(
    name="pitch",
    version=2,
    format="onnx",
    main_file="nmp.onnx",
    files={"nmp.onnx": "a" * 64},
    signature=SIGNATURE,
    layers={"audio": "serving_default_input_2:0"},
)
VERSION = ModelVersion(
    model_id=17,
    model="pitch",
    version=2,
    tree_digest="d" * 64,
    served=SERVED,
    manifest={"name": "pitch"},
    created_ms=5,
    uri="sha256:" + "d" * 64,
)

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
names = st.text(string.ascii_letters + "-_.é", min_size=1, max_size=12)
scalars: st.SearchStrategy[Scalar] = st.one_of(
    texts, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False)
)
documents = st.dictionaries(texts, st.recursive(scalars, st.lists), max_size=4)


@given(
    texts,
    texts,
    st.dictionaries(names, texts, max_size=4),
    st.dictionaries(names, st.floats(allow_nan=False, allow_infinity=False), max_size=4),
    st.dictionaries(names, scalars, max_size=4),
    documents,
)
def test_a_version_comes_back_as_it_was(
    user: str,
    source: str,
    tags: dict[str, str],
    metrics: dict[str, float],
    parameters: dict[str, Scalar],
    manifest: dict[str, Any],
) -> None:
    version = VERSION.model_copy(
        update={
            "user": user,
            "source": source,
            "tags": tags,
            "metrics": metrics,
            "hyper_parameters": parameters,
            "manifest": manifest,
        }
    )
    artifact = mapping.version_to_artifact(version, 1)
    artifact.id, artifact.create_time_since_epoch = 17, 5  # what the store adds
    back = mapping.artifact_to_version(artifact)
    assert back == version
    assert {k: type(v) for k, v in back.hyper_parameters.items()} == {k: type(v) for k, v in parameters.items()}


@given(texts, texts, st.dictionaries(texts, texts, max_size=2), st.dictionaries(texts, scalars, max_size=2))
def test_no_text_that_becomes_sql_holds_a_backslash_or_more_than_every_store_indexes(
    user: str, key: str, tags: dict[str, str], parameters: dict[str, Scalar]
) -> None:
    change = {"user": user + "\\", "source": "x" * 300, "tags": tags, "hyper_parameters": parameters}
    artifact = mapping.version_to_artifact(VERSION.model_copy(update=change), 1)
    name = mapping.evidence_name(VERSION, "K", user + "\\", key)
    evidence = Evidence(id=0, model_id=17, kind="K", key=key, run=user + "\\", at_ms=9, document={})
    document = mapping.evidence_to_artifact(evidence, name, 1)
    upload = mapping.version_to_upload(VERSION.model_copy(update=change), 1)
    registration = mapping.version_to_registration(VERSION.model_copy(update=change), 1)
    for made in (artifact, document, upload, registration, mapping.evidence_to_step(evidence, name, 1)):
        properties = [*made.properties.items(), *made.custom_properties.items()]
        searched = [made.name, *(key for key, _ in properties), *(value.string_value for _, value in properties)]
        assert all("\\" not in text and len(text) <= mapping.NAME_LIMIT for text in searched)


@given(texts, st.one_of(st.none(), st.integers(1, 9)))
def test_a_stage_move_comes_back_as_it_was(why: str, displaced: int | None) -> None:
    move = StageMove(
        model="pitch",
        seq=3,
        environment="local",
        version=2,
        from_stage="Staging",
        to_stage="Production",
        displaced=displaced,
        at_ms=9,
        who="ann",
        run="r",
        why=why,
    )
    execution = mapping.move_to_execution(move, 1)
    assert execution.name == "pitch#3"
    assert mapping.execution_to_move(execution) == move


@given(texts, texts, documents)
def test_evidence_comes_back_as_it_was(key: str, run: str, document: dict[str, Any]) -> None:
    evidence = Evidence(id=4, model_id=17, kind="CheckFormat", key=key, run=run, at_ms=9, document=document)
    artifact = mapping.evidence_to_artifact(evidence, "name", 1)
    artifact.id = 4
    assert mapping.artifact_to_evidence(artifact) == evidence


@given(st.tuples(texts, texts, texts), st.tuples(texts, texts, texts))
def test_different_documents_have_different_names(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    same = mapping.evidence_name(VERSION, *one) == mapping.evidence_name(VERSION, *other)
    assert same == (one == other)


def test_a_run_id_with_slashes_cannot_spell_the_name_of_another_document() -> None:
    assert mapping.evidence_name(VERSION, "K", "a/b", "c") != mapping.evidence_name(VERSION, "K", "a", "b/c")


def test_names_are_readable_where_they_fit_and_within_the_columns_limit_where_not() -> None:
    run = "manual__2026-11-23T14:05:00+00:00"
    assert mapping.evidence_name(VERSION, "Profile", run, "cpu-1x1") == f"pitch@2/Profile/{run}/cpu-1x1"
    long, longer = (mapping.evidence_name(VERSION, "Profile", "r" * n, "k") for n in (400, 401))
    assert len(long) <= mapping.NAME_LIMIT
    assert long != longer


@pytest.mark.parametrize("document", [{"share": float("nan")}, {"ratio": float("inf")}, {"what": {1, 2}}])
def test_a_document_that_json_cannot_say_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="document cannot be kept as JSON"):
        mapping.to_json(document, "document")


@pytest.mark.parametrize(
    "change",
    [
        {"user": "a\0b"},
        {"source": "\ud800"},
        {"hyper_parameters": {"seed": 2**63}},
        {"tags": {"t" * 300: "x"}},
        {"tags": {"a\0": "x"}},
        {"metrics": {"loss": float("inf")}},
        {"hyper_parameters": {"rate": float("nan")}},
    ],
)
def test_values_that_some_store_would_change_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        mapping.version_to_artifact(VERSION.model_copy(update=change), 1)


@pytest.mark.parametrize("kind", ["", "StageMove", "RegisterVersion", "a\\b", "a'b", "Ü", "x" * 64, "two words"])
def test_a_kind_is_a_plain_word_that_names_nothing_else_in_the_store(kind: str) -> None:
    with pytest.raises(Refused, match="evidence cannot be of kind"):
        mapping.check_kind(kind)
