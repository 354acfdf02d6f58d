"""Documents as one would see them, for the OpenAPI document: they belong to one story, of pitch@2."""

from __future__ import annotations

from dataclasses import asdict

from seatrial.settings import TreeLimits

OPTION = {"name": "cpu-2x2", "device": "cpu", "cores": 2, "threads": 2, "instances": 1, "price": 2.0}
DIGEST = "9b1c4f7e2a6d8053b7c1e9f4d2a6805397b1c4f7e2a6d8053b7c1e9f4d2a6805"
SIGNATURE = {
    "inputs": [{"name": "audio", "dtype": "FP32", "shape": [-1, 43844, 1]}],
    "outputs": [{"name": "note", "dtype": "FP32", "shape": [-1, 172, 88]}],
}
SERVED = {
    "name": "pitch",
    "version": 2,
    "format": "savedmodel",
    "main_file": "saved_model",
    "files": {"saved_model/saved_model.pb": DIGEST},
    "signature": SIGNATURE,
    "layers": {"audio": "serving_default_input_2:0", "note": "StatefulPartitionedCall:1"},
}
MOVE = {
    "model": "pitch",
    "seq": 4,
    "environment": "local",
    "version": 2,
    "from_stage": "Staging",
    "to_stage": "Production",
    "displaced": 1,
    "at_ms": 1795519970000,
    "who": "airflow",
    "run": "upload__b0318d3b0aac163a",
    "why": "shadow verdict PASS",
}
VERSION_ROW = {
    "model": "pitch",
    "version": 2,
    "model_id": 7,
    "user": "ann",
    "description": "basic-pitch as SavedModel",
    "created_ms": 1795519850000,
    "tags": {"team": "audio"},
    "metrics": {"f1": 0.93},
    "hyper_parameters": {"epochs": 40},
    "format": "savedmodel",
    "stages": {"local": "Production"},
}
VERSION = {
    **{name: value for name, value in VERSION_ROW.items() if name != "format"},
    "tree_digest": DIGEST,
    "uri": f"sha256:{DIGEST}",
    "served": SERVED,
    "manifest": {"name": "pitch", "format": "savedmodel", "objective": {"percentile": 99, "latency_ms": 150}},
    "source": "/srv/uploads/pitch-2",
    "run": "upload__b0318d3b0aac163a",
    "deleted": None,
}
EVIDENCE = {
    "id": 31,
    "model_id": 7,
    "kind": "ShadowValidate",
    "key": "report",
    "run": "upload__b0318d3b0aac163a",
    "at_ms": 1795519900000,
    "document": {"verdict": "PASS", "requests": 350},
}
POLICY = {
    "model": "pitch",
    "version": 2,
    "model_id": 7,
    "environment": "local",
    "option": OPTION,
    "cell": "9b1c4f7e2a6d",
    "lambda_max": 21.48,
    "mu": 31.2,
    "ratio": 0.8249,
    "ratio_factors": {"tau": 0.1, "imbalance": 1.05, "growth": 1.0496, "lead_s": 61.0},
    "target_per_replica": 16.0,
    "min_replicas": 1,
    "max_replicas": 2,
    "scale_down_window_s": 300.0,
    "derived_at_ms": 1795519960000,
    "explanation": "16 = 0.82 × 20.41 requests/s measured on cpu-2x2",
}
VERDICT = {
    "id": 31,
    "kind": "ShadowValidate",
    "run": "upload__b0318d3b0aac163a",
    "at_ms": 1795519900000,
    "verdict": "PASS",
    "sentence": "compared with pitch@1: 0 of 350 answers differ",
    "compared_with": 1,
    "parts": [{"name": "latency", "verdict": "PASS", "value": 1.03, "limit": 1.1, "samples": 350, "sentence": "…"}],
    "counts": {"live": 200, "samples": 150, "sent": 1050},
}
TENURE = {"version": 2, "model_id": 7, "began": MOVE, "ended": None, "evidence": [EVIDENCE]}
TRIAL = {"id": "trial-3f9a", "state": "ready", "pid": 4712, "grpc_address": "127.0.0.1:20007", "started_in_s": 1.2}
DEPLOYMENT = {
    "spec": {"model_id": 7, "served": SERVED, "environment": "local", "option": OPTION, "replicas": 1},
    "wanted_at_ms": 1795519955000,
    "state": "ready",
    "replicas": [{**TRIAL, "id": "pitch-7-1"}],
}
TARGET = {
    "targets": ["127.0.0.1:20008"],
    "labels": {
        "model": "pitch",
        "version": "2",
        "model_id": "7",
        "environment": "local",
        "stage": "Production",
        "replica": "pitch-2-3f9a",
    },
}
SERVING = {"model_id": 7, "signature": SIGNATURE, "endpoints": [{"address": "127.0.0.1:20007", "weight": 2.0}]}
ROUTES = {
    "capture": {"share": 0.1, "per_minute": 60.0, "largest_bytes": 1_000_000, "without": ["user"]},
    "environments": {"local": {"production": 2, "staging": None, "versions": {"2": SERVING}}},
}
HEALTH = {
    "status": "ok",
    "version": "0.1.0",
    "pid": 4711,
    "home": "/srv/seatrial",
    "machine": {"name": "serving-1", "cores": 16, "processor": "AMD EPYC 9354"},
    "inference_server": "tritonserver sha256:5d0a1c62e93b, onnxruntime 1.26.0, openvino 2026.2.0",
    "options": [OPTION],
    "other_work_cores": 0.1,
    "largest_upload": asdict(TreeLimits()),
}
DOSSIER = {
    "schema": 1,
    "version": VERSION,
    "files": {"model.yaml": DIGEST, "saved_model/saved_model.pb": DIGEST},
    "files_kept": True,
    "verdicts": [VERDICT],
    "cells": [{"id": 32, "run": "upload__b0318d3b0aac163a", "key": "pitch@2/cpu-2x2", "option": OPTION}],
    "policy": POLICY,
    "ledger": [MOVE],
    "runs": [
        {
            "run": "upload__b0318d3b0aac163a",
            "steps": ["CheckFormat", "ShadowValidate", "move to Production"],
            "first_ms": 1795519850000,
            "last_ms": 1795519970000,
        }
    ],
    "evidence": [EVIDENCE],
}
COMPARISON = {
    "schema": 1,
    "left": {"model": "pitch", "version": 1, "model_id": 3},
    "right": {"model": "pitch", "version": 2, "model_id": 7},
    "sections": {
        "format": {"format": {"left": "onnx", "right": "savedmodel"}},
        "metrics": {"f1": {"left": 0.91, "right": 0.93, "change": 0.02}},
    },
    "same": {"format": 0, "signature": 4},
}
OPEN_INFERENCE = {"name": "seatrial", "version": "0.1.0", "extensions": ["binary_tensor_data"]}
METADATA = {
    "name": "pitch",
    "versions": ["1", "2"],
    "platform": "savedmodel",
    "inputs": [{"name": "audio", "datatype": "FP32", "shape": [-1, 43844, 1]}],
    "outputs": [{"name": "note", "datatype": "FP32", "shape": [-1, 172, 88]}],
}
INFERRED = {
    "model_name": "pitch",
    "model_version": "2",
    "outputs": [{"name": "note", "datatype": "FP32", "shape": [1, 1, 4], "data": [0.1, 0.2, 0.3, 0.4]}],
}
