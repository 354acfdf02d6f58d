from __future__ import annotations

import pytest

from seatrial.errors import BY_CODE, BadInput, SeatrialError, UploadRefused, from_problem, to_problem


@pytest.mark.parametrize("kind", BY_CODE.values(), ids=BY_CODE)
def test_every_error_survives_its_travel_as_a_problem_document(kind: type[SeatrialError]) -> None:
    if kind is UploadRefused:
        error: SeatrialError = UploadRefused("is too large", file="a.onnx", field="bytes", value=7, limit=5)
    elif kind is BadInput:
        error = BadInput("x", expected="FP32[-1,4]", got="FP64[1,4]")
    else:
        error = kind("it happened", where="here")
    back = from_problem(to_problem(error))
    assert (type(back), str(back), back.fields) == (kind, str(error), error.fields)


def test_a_refused_upload_says_file_field_value_and_limit_in_one_line() -> None:
    error = UploadRefused("is not a known format", file="model.yaml", field="format", value="caffe\n", limit="onnx")
    assert str(error) == r"model.yaml: format: 'caffe\n' is not a known format (limit: onnx)"


def test_codes_are_unique() -> None:
    assert len({kind.code for kind in BY_CODE.values()}) == len(BY_CODE) > 10
