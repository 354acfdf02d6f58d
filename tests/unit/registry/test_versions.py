"""Version numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.errors import Refused
from seatrial.registry.entities import ModelVersion
from seatrial.registry.versions import check_model_name, next_version, with_digest
from seatrial.served_model import ServedModel
from seatrial.tensors import Signature

SERVED = ServedModel(name="upload", version=1, format="onnx", main_file="m.onnx", files={}, signature=Signature((), ()))


@given(st.lists(st.sampled_from("abcdef"), max_size=12))
def test_numbers_count_from_one_and_no_digest_gets_two(digests: list[str]) -> None:
    known: list[ModelVersion] = []
    for digest in digests:
        if with_digest(known, digest) is None:
            known.append(next_version(known, model="pitch", tree_digest=digest, served=SERVED, manifest={}))
    assert [version.version for version in known] == list(range(1, len(set(digests)) + 1))
    assert {version.tree_digest for version in known} == set(digests)


def test_a_version_takes_its_facts_from_the_manifest_and_its_number_into_what_is_served() -> None:
    manifest = {"user": "ann", "description": "d", "tags": {"a": "b"}, "metrics": {"f1": 1}, "format": "onnx"}
    version = next_version([], model="pitch", tree_digest="d1", served=SERVED, manifest=manifest, source="s", run="r")
    assert (version.served.name, version.served.version) == ("pitch", 1)
    assert (version.user, version.tags, version.metrics, version.hyper_parameters) == ("ann", {"a": "b"}, {"f1": 1}, {})
    assert version.manifest == manifest
    assert version.uri == "sha256:d1"


@pytest.mark.parametrize("name", ["", "Pitch", "1st", "a@1", "a#1", "a/b", "a\n", "a" * 64, "ä"])
def test_a_name_that_could_be_read_as_another_things_name_is_refused(name: str) -> None:
    with pytest.raises(Refused, match="model name"):
        check_model_name(name)


def test_plain_names_are_taken() -> None:
    for name in ("pitch", "a", "pp-ocr_v4", "a" * 63):
        check_model_name(name)
