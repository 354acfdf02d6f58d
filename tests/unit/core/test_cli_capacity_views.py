"""What a capacity looks like to a person."""

from __future__ import annotations

from typing import Any

import pytest

from seatrial.autoscale.answer import answer
from seatrial.autoscale.choose import choose
from seatrial.autoscale.derive import derive
from seatrial.cli import main
from seatrial.cli_capacity_views import capacity_lines
from seatrial.profiling.sharing import Alone
from tests.unit.autoscale.test_derive_and_choose import cell


def test_the_cheapest_is_first_the_chosen_one_and_the_front_are_marked() -> None:
    cells = [
        cell("dear", price=9, p99_ms=99),
        cell("cheap"),
        cell("quiet", price=2, p99_ms=10),
        cell("slow", feasible=False, method="infeasible", lambda_max=0.0),
    ]
    choice = choose(cells, [cell("guess", lam=900, method="survey")])
    policy = derive(choice.cell, now_ms=0)
    parts = {"choice": choice, "policy": policy, "answer": answer(choice.cell, cells, policy)}
    document: dict[str, Any] = {name: part.model_dump(mode="json") for name, part in parts.items()}
    busy = {"option": {"name": "busy"}, "reason": "machine not quiet, 3 windows in a row: other work"}
    head, *rows, unknown, sentence, paragraph = capacity_lines({**document, "not_quiet": [busy]})
    assert head.split()[:2] == ["option", "requests/s"]
    assert [row[:1] + row.split()[0 if row[0] == " " else 1] for row in rows] == [
        " guess",
        "*cheap",
        "+quiet",
        " dear",
        " slow",
    ]
    assert rows[0].split()[-1] == "survey"
    assert rows[-1].split()[1:] == ["–", "120.0", "30", "1", "–", "infeasible"]
    assert unknown == "no figure for busy: machine not quiet, 3 windows in a row: other work"
    assert sentence == choice.sentence
    assert paragraph == parts["answer"].model_dump()["paragraph"]


def test_a_share_of_a_gpu_has_a_line_of_what_it_did_alone() -> None:
    alone = Alone(neighbours=3, mu=100.0, lambda_max=90.0)
    share = cell("t4-quarter", lam=70.0, mu=80.0).model_copy(update={"alone": alone})
    choice, policy = choose([share]), derive(share, now_ms=0)
    parts = {"choice": choice, "policy": policy, "answer": answer(share, [share], policy)}
    document: dict[str, Any] = {name: part.model_dump(mode="json") for name, part in parts.items()}
    assert capacity_lines({**document, "not_quiet": []})[2] == (
        "t4-quarter: saturation beside 3 neighbours 80.0, alone 100.0 (interference 1.25)"
    )


@pytest.mark.parametrize(
    "asked", [["--percentile", "20"], ["--percentile", "nan"], ["--latency-ms", "0"], ["--load", "inf"]]
)
def test_what_no_objective_can_be_is_refused_before_anything_is_asked(
    asked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["capacity", "pitch@2", *asked])
    assert f"{asked[1]} is not" in capsys.readouterr().err
