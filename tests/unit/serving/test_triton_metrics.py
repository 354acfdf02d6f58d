"""Readings of a real server's text: what was asked of it in tests/integration/test_rollover.py, cut to the names."""

from __future__ import annotations

import math

import pytest

from seatrial.serving.triton_metrics import SUMMARY, Reading, options, parse

TEXT = """\
# HELP nv_inference_request_success Number of successful inference requests, all batch sizes
# TYPE nv_inference_request_success counter
nv_inference_request_success{model="tiny",version="1"} 21
nv_inference_request_failure{model="tiny",reason="OTHER",version="1"} 1
nv_inference_request_failure{model="tiny",reason="BACKEND",version="1"} 2
nv_inference_request_failure{model="tiny",reason="REJECTED",version="1"} 0
nv_inference_request_duration_us{model="tiny",version="1"} 247057
nv_inference_pending_request_count{model="tiny",version="1"} 3
seatrial_failed_requests 10
nv_inference_request_summary_us_count{model="tiny",version="1"} 21
nv_inference_request_summary_us{model="tiny",version="1",quantile="0.5"} 1164
nv_inference_request_summary_us{model="tiny",version="1",quantile="0.99"} 6013
nv_inference_queue_summary_us{model="tiny",version="1",quantile="0.5"} 7
"""


def test_an_answer_with_an_error_is_a_failure_though_triton_counts_it_as_success() -> None:
    found = parse(TEXT)
    assert (found.requests, found.failures, found.waiting) == (24, 13, 3)
    assert found.quantiles_ms == {0.5: 1.164, 0.99: 6.013}


def test_a_minute_without_requests_has_no_quantiles() -> None:
    found = parse('nv_inference_request_summary_us{model="tiny",version="1",quantile="0.5"} Nan\n')
    assert math.isnan(found.quantiles_ms[0.5])


@pytest.mark.parametrize("text", ["", "no metrics at all", '{"error": "not found"}'])
def test_another_text_has_no_requests(text: str) -> None:
    assert parse(text) == Reading(0, 0, 0, {})


@pytest.mark.parametrize("value", ["many", "Inf", "Nan"])
def test_a_count_that_is_no_number_is_no_reading(value: str) -> None:
    with pytest.raises((ValueError, OverflowError)):
        parse(f'nv_inference_pending_request_count{{model="tiny"}} {value}\n')


def test_a_server_is_asked_for_each_quantile_with_its_error() -> None:
    assert options()[1] == "--metrics-config=summary_quantiles=0.5:0.05,0.9:0.01,0.95:0.005,0.99:0.001"
    assert len(SUMMARY) == 4
