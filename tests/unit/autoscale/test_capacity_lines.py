"""What `seatrial capacity` shows a person."""

from __future__ import annotations

from seatrial.autoscale.answer import answer
from seatrial.autoscale.choose import choose
from seatrial.autoscale.derive import derive
from seatrial.cli_capacity_views import capacity_lines
from tests.unit.autoscale.test_derive_and_choose import cell


def test_each_option_says_how_it_is_known_and_only_a_kept_long_level_verifies() -> None:
    cells = [
        cell("none-held", feasible=False, method="infeasible", lam=0.0, mu=70.0, verified_s=40),
        cell("verified", lam=90, verified_s=40),
        cell("measured", price=2),
        cell("surveyed", price=9, method="survey"),
    ]
    choice = choose(cells)
    parts = {"choice": choice, "answer": answer(choice.cell, cells, derive(choice.cell, now_ms=0))}
    document = {name: part.model_dump(mode="json") for name, part in parts.items()}
    _, *lines, sentence, paragraph = capacity_lines({**document, "not_quiet": []})
    assert [line.split() for line in lines] == [
        ["*", "verified", "90.0", "108.0", "30", "1", "0.01111", "verified"],
        ["measured", "100.0", "120.0", "30", "2", "0.02", "model"],
        ["surveyed", "100.0", "120.0", "–", "9", "0.09", "survey"],
        ["none-held", "–", "70.0", "30", "1", "–", "infeasible"],
    ]
    assert sentence == choice.sentence
    assert paragraph == document["answer"]["paragraph"]
