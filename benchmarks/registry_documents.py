"""What the eight steps write about one version, in their own classes and at the size that they write it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from seatrial.autoscale.derive import ScalingPolicy, derive
from seatrial.formats.report import CheckReport
from seatrial.hardware import HardwareOption
from seatrial.profiling.cell import Capacity, Cell, Level, Objective
from seatrial.registry.entities import ModelVersion
from seatrial.served_model import ServedModel
from seatrial.shadow.limits import limits_for
from seatrial.shadow.report import Counts, LayerSummary, Offence, Part, ShadowReport
from seatrial.tensors import Signature, TensorSpec
from seatrial.uploads import manifest as uploads

OPTIONS = (
    HardwareOption(name="cpu-1x1"),
    HardwareOption(name="cpu-2x2", cores=2, threads=2, price=2.0),
)
SIGNATURE = Signature(
    (TensorSpec("audio", "FP32", (-1, 43844, 1)),),
    tuple(TensorSpec(name, "FP32", (-1, 172, 88)) for name in ("note", "onset", "contour")),
)
NOTE = "the queue model promised 41.2 requests/s, but at 95 % of it 1.4% were late"


@dataclass(frozen=True)
class Draft:
    """What `Registry.register` is told of a version."""

    model: str
    tree_digest: str
    served: ServedModel
    manifest: dict[str, Any]


def model_name(number: int) -> str:
    return f"model-{number:04d}"


def each_model_once(models: int, most: int, chance: random.Random) -> list[str]:
    """Models to write to: writing to one again and again would measure versions a model, not models."""
    return [model_name(number) for number in chance.sample(range(models), min(models, most))]


def draft(model: str, chance: random.Random, main_digest: str | None = None) -> Draft:
    """A version with a digest of its own: 8 tags and metrics, 20 hyper-parameters, 5 samples."""
    manifest = uploads.Manifest(
        name=model,
        format="onnx",
        model_file="model.onnx",
        description="Pitch of notes from raw audio, trained on the studio recordings of the last quarter. " * 4,
        user=f"user-{chance.randrange(20)}",
        tags={f"tag-{i}": f"value-{chance.randrange(5)}" for i in range(8)},
        metrics={f"metric-{i}": chance.random() for i in range(8)},
        hyper_parameters={f"parameter-{i}": chance.random() for i in range(20)},
        objective=uploads.Objective(latency_ms=200.0),
        samples=tuple(f"samples/{i}.npz" for i in range(5)),
    )
    served = ServedModel(
        name=model,
        version=1,
        format="onnx",
        main_file="model.onnx",
        files={"model.onnx": main_digest or digest(chance)},
        signature=SIGNATURE,
        layers={spec.name: spec.name for spec in (*SIGNATURE.inputs, *SIGNATURE.outputs)},
    )
    return Draft(model, digest(chance), served, manifest.model_dump(mode="json"))


def digest(chance: random.Random) -> str:
    return f"{chance.getrandbits(256):064x}"


def evidence(version: ModelVersion, chance: random.Random) -> list[tuple[str, str, dict[str, Any]]]:
    """(kind, key, document) of a run that went well, in its order."""
    cells = [_cell(version, option, chance) for option in OPTIONS]
    return [
        ("CheckFormat", "report", check_report(version, chance).model_dump(mode="json")),
        ("ShadowValidate", "report", _shadow_report(version, chance).model_dump(mode="json")),
        *(("ProfileHardware", cell.option.name, cell.model_dump(mode="json")) for cell in cells),
        ("PushAutoscaling", "policy", _policy(cells[0]).model_dump(mode="json")),
    ]


def check_report(version: ModelVersion | Draft, chance: random.Random, **files: str) -> CheckReport:
    manifest = uploads.Manifest.model_validate(version.manifest)
    return CheckReport(
        manifest=manifest,
        served=version.served,
        tree_digest=version.tree_digest,
        files=files or {**version.served.files, **{name: digest(chance) for name in ("model.yaml", *manifest.samples)}},
        sample_names=manifest.samples,
        runtime={"onnx": "1.20.0", "onnxruntime": "1.23.0", "opset": "ai.onnx 13", "ir_version": "8", "producer": "x"},
        seconds=0.4,
    )


def _shadow_report(version: ModelVersion, chance: random.Random) -> ShadowReport:
    layers = [spec.name for spec in SIGNATURE.outputs]
    offence = Offence(request="9f" * 16, layer="note", flaw="value", index=(0, 12, 7), expected="0.1", got="0.2")
    sentence = "0 of 212 compared requests differ more than Production from itself; p95 is 1.02 of Production's"
    return ShadowReport(
        verdict="PASS",
        sentence=sentence,
        production=version.version - 1 or None,
        reference=None,
        parts=tuple(
            Part(name=name, verdict="PASS", value=chance.random(), limit=1.1, samples=212, sentence=sentence)
            for name in ("tensors", "errors", "latency", "traffic")
        ),
        counts=Counts(live=200, samples=12, sent=636),
        layers=tuple(
            LayerSummary(layer=name, mismatches=0, max_abs=chance.random(), max_rel=chance.random(), lowest_share=1.0)
            for name in layers
        ),
        latency_ms={side: {"p50": 11.2, "p95": 14.9, "p99": 21.3} for side in ("production", "staging", "ratio")},
        first_offending=(offence,) * 5,
        limits=limits_for({}),
        seed=1,
        seconds=41.7,
    )


def _cell(version: ModelVersion, option: HardwareOption, chance: random.Random) -> Cell:
    rate = 30 + 20 * chance.random()
    level = Level(rate=rate, p50_ms=12.345, p99_ms=45.678, late_share=0.00123, cpu_cores=0.987, memory_mb=345.6)
    capacity = Capacity(
        feasible=True,
        method="live",
        mu=1.3 * rate,
        lambda_max=rate,
        lambda_low=rate,
        lambda_high=1.05 * rate,
        verified_at=rate,
        p50_ms=12.345,
        p95_ms=33.333,
        p99_ms=45.678,
        idle_p50_ms=11.111,
        cpu_cores_mean=0.987,
        cpu_cores_peak=1.002,
        memory_mb_peak=345.6,
        seed=7,
        seconds=38.2,
        notes=(NOTE,) * 2,
        levels=(level,) * 9,
    )
    return Cell(
        key=f"{version.model}@{version.version}/{option.name}",
        model=version.model,
        version=version.version,
        model_id=version.model_id,
        tree_digest=version.tree_digest,
        option=option,
        objective=Objective(latency_ms=200.0),
        capacity=capacity,
        machine="a processor of this decade, 16 cores",
        shared_cores=False,
        started_in_s=1.9,
        at_ms=version.created_ms,
    )


def _policy(cell: Cell) -> ScalingPolicy:
    return derive(cell, now_ms=cell.at_ms, peak=200.0)
