"""What a SavedModel's graph may not hold is refused by the name of the operator and of the node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seatrial.errors import UploadRefused
from seatrial.formats.saved_model_graph import DANGEROUS, check_graph
from seatrial.formats.saved_model_proto import parse
from tests.saved_models import field, meta_graph, node, nodes, saved_model


def graph_of(data: bytes) -> Any:
    return parse("SavedModel", saved_model(data)).meta_graphs[0]


@pytest.mark.parametrize("operator", DANGEROUS)
def test_each_dangerous_operator_is_refused_by_name_in_the_graph_and_in_a_function(
    operator: str, tmp_path: Path
) -> None:
    function = field(1, field(1, field(1, "inner")) + field(3, node("deep", operator)))
    inside = b"".join(field(1, each) for each in nodes()) + field(2, function)
    for place, data in {
        "z": meta_graph(graph=[*nodes(), node("z", operator)]),
        "function inner, deep": meta_graph() + field(2, inside),
    }.items():
        with pytest.raises(UploadRefused) as raised:
            check_graph(tmp_path, "saved_model", graph_of(data), "saved_model.pb")
        assert (raised.value.fields["field"], raised.value.fields["value"]) == (place, repr(operator))


def test_what_computes_passes(tmp_path: Path) -> None:
    check_graph(tmp_path, "saved_model", graph_of(meta_graph()), "saved_model.pb")


def test_an_asset_must_be_there_and_may_be_empty(tmp_path: Path) -> None:
    asset = field(6, field(1, field(1, "words:0")) + field(2, "words.txt"))
    with pytest.raises(UploadRefused, match=r"saved_model/assets/words\.txt: is missing"):
        check_graph(tmp_path, "saved_model", graph_of(meta_graph(more=asset)), "saved_model.pb")
    (tmp_path / "saved_model" / "assets").mkdir(parents=True)
    (tmp_path / "saved_model" / "assets" / "words.txt").touch()
    check_graph(tmp_path, "saved_model", graph_of(meta_graph(more=asset)), "saved_model.pb")
