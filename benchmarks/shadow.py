"""Shadow validation on networks made wrong in known ways, behind real tritonservers: `make bench-shadow`.

For each subject (two networks of others, one of our own training) and each variant `--requests` different requests go
to Production and to Staging twice each, as a replay sends them, on a core each; three times as many for a fault that
few of them show. `--trials` verdicts are then made of these answers and latencies, as a replay makes them: each from
another request on, every 50 requests, with the default limits. Faults should never be promoted. Harmless changes
should not be refused: the same files on another server, another format, another batch, another number of threads;
where they change the speed by right, the manifest allows four times the latency. Their trials are spread over several
pairs of servers, since a process may be slower than another by where its memory lies.

The last line is one JSON object: for each subject and variant `promoted`, `refused`, `undecided` (shares of the trials)
and mean `requests`. `ok`: no fault promoted, at most 1 % of the harmless trials refused.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import shadow_variants as variants
from benchmarks.runtime_server import serving
from benchmarks.shadow_subjects import SUBJECTS, ShadowSubject
from benchmarks.stopping import end_by_sigterm
from seatrial.client.transport import GrpcTransport
from seatrial.formats.check import check_upload
from seatrial.serving.local import LocalBackend
from seatrial.serving.tritonserver import TritonInstallation
from seatrial.serving.warmup import pack as warmup
from seatrial.settings import TreeLimits
from seatrial.shadow.burden import Burden
from seatrial.shadow.gathered import CHECK_EVERY, Gathered, lacks_failures_only, settled
from seatrial.shadow.limits import Limits, limits_for
from seatrial.shadow.report import ShadowReport, Subject
from seatrial.shadow.sides import Answers, Request, Side, Sides
from seatrial.tensors import Tensors
from seatrial.uploads.pack import Packing, pack

SLOWER, LIMIT_MS = 0.2, 5000.0
RARE_TIMES = 3
OTHER_SPEED = {"latency_ratio": 4.0}
ALLOWED = 0.01

Exchange = tuple[Request, Answers]


@dataclass(frozen=True)
class Case:
    """`rare`: so few requests show the fault that RARE_TIMES as many are sent. `option`: how Staging is served.
    `limits`: what the manifest says besides."""

    variant: variants.Variant
    harmless: bool = False
    rare: bool = False
    option: dict[str, Any] | None = None
    limits: dict[str, Any] | None = None


def cases(subject: ShadowSubject, products: int) -> dict[str, Case]:
    swapped = (
        variants.outputs_swapped(*subject.outputs) if subject.outputs else variants.channels_swapped(subject.labels)
    )
    return {
        "weights off by 1e-3": Case(variants.weights_off(1e-3)),
        "channel swapped": Case(variants.channels_swapped(subject.channels)),
        "labels swapped": Case(swapped),
        "input scaled by half": Case(variants.input_scaled(0.5)),
        "NaN for 1 % of inputs": Case(variants.rarely(float("nan")), rare=True),
        "wrong for 1 % of inputs": Case(variants.rarely(1.5), rare=True),
        "BF16 weights": Case(variants.bf16),
        "20 % slower": Case(variants.slower(products)),
        "fails 0.5 %": Case(variants.failing, rare=True),
        "another server": Case(variants.same, harmless=True),
        "batches of 4": Case(variants.same, harmless=True, option={"max_batch": 4}, limits=OTHER_SPEED),
        "two threads": Case(variants.same, harmless=True, option={"threads": 2}, limits=OTHER_SPEED),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=Path, default=Path(".seatrial/networks"))
    parser.add_argument("--only", nargs="+", choices=SUBJECTS, default=list(SUBJECTS))
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--trials", type=int, default=25)
    arguments = parser.parse_args()
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="seatrial-bench-") as name:
        backend = LocalBackend(Path(name) / "servers", TritonInstallation.find(None, Path(name) / "triton"))
        backend.adopt()
        try:
            for subject in arguments.only:
                print(f"{subject}:", flush=True)
                (home := Path(name) / subject).mkdir()
                bench = Bench(home, backend, SUBJECTS[subject], arguments.networks, arguments.requests)
                found[subject] = _measured(bench, arguments.trials)
        finally:
            backend.close(stop_servers=True)
    figures = _figures(found)
    print(json.dumps({**found, **figures}))
    return 0 if figures["ok"] else 1


class Bench:
    """One subject: its requests, its servers, and what is asked of both sides."""

    def __init__(
        self, home: Path, backend: LocalBackend, subject: ShadowSubject, networks: Path, requests: int
    ) -> None:
        self.subject, self._home, self._backend, self._networks = subject, home, backend, networks
        self.network = subject.file(networks, home)
        self._usually = requests
        inputs = subject.requests(RARE_TIMES * requests)
        self.requests = [Request(f"request-{number}", "sample", tensors) for number, tensors in enumerate(inputs, 1)]
        self._uploads = 0

    def exchanged(self, case: Case, requests: int | None = None) -> list[Exchange]:
        """So many requests (as many as the case asks for) to the network as it is, and to the case's."""
        requests = requests or (RARE_TIMES * self._usually if case.rare else self._usually)
        changed = variants.save(case.variant, self.network, self._home / "changed.onnx")
        with self.serving(self.network) as first, self.serving(changed, case.option) as second:
            return self._sent(first, second, requests)

    def exchanged_as_savedmodel(self) -> list[Exchange]:
        assert self.subject.savedmodel is not None
        (folder,) = self._networks.glob(self.subject.savedmodel[0])
        with self.serving(self.network) as first, self.serving(folder, layers=self.subject.savedmodel[1]) as second:
            return self._sent(first, second, self._usually)

    def _sent(self, first: Side, second: Side, requests: int) -> list[Exchange]:
        with GrpcTransport() as transport:
            sides = Sides({"production": lambda: first, "staging": lambda: second}, transport, LIMIT_MS)
            for request in self.requests[:5]:
                sides.exchange(request, staging_first=False)
            return [
                (request, sides.exchange(request, staging_first=number % 2 == 1))
                for number, request in enumerate(self.requests[:requests])
            ]

    @contextmanager
    def serving(
        self, file: Path, option: dict[str, Any] | None = None, layers: Mapping[str, str] | None = None
    ) -> Iterator[Side]:
        self._uploads += 1
        upload = self._home / f"upload-{self._uploads}"
        sample: Tensors = self.requests[0].inputs
        entries = {"user": "benchmark", "objective": {"latency_ms": LIMIT_MS}}
        packed = pack(
            Packing(file, lambda _: [("one", sample)], entries, TreeLimits(), "network", layers or {}),
            upload,
            check=False,
        )
        known = check_upload(upload).served
        first = warmup([sample], known.signature.inputs)
        with serving(self._backend, self._backend_home, upload, known, option or {}, first) as server:
            assert server.replica.grpc_address is not None
            yield Side(server.replica.grpc_address, packed.name, 1)

    @property
    def _backend_home(self) -> Path:
        return self._home.parent


def _measured(bench: Bench, trials: int) -> dict[str, Any]:
    found = {}
    for name, case in cases(bench.subject, _products(bench)).items():
        pairs = bench.subject.pairs if case.harmless else 1
        found[name] = _judged(name, case, [bench.exchanged(case) for _ in range(pairs)], trials)
    if bench.subject.savedmodel is not None:
        case = Case(variants.same, harmless=True, limits=OTHER_SPEED)
        found["as SavedModel"] = _judged("as SavedModel", case, [bench.exchanged_as_savedmodel()], trials)
    return found


def _products(bench: Bench) -> int:
    """So many products of matrices take SLOWER of the network's time."""
    tried = 200
    pairs = [
        (answers.base.seconds, answers.candidate.seconds)
        for _, answers in bench.exchanged(Case(variants.slower(tried)), 60)
        if answers.base and answers.candidate
    ]
    base_s = statistics.median(base for base, _ in pairs)
    each_s = max(statistics.median(slow for _, slow in pairs) - base_s, 1e-6) / tried
    return max(1, int(SLOWER * base_s / each_s + 0.5))


def _judged(name: str, case: Case, pairs: Sequence[Sequence[Exchange]], trials: int) -> dict[str, Any]:
    """`pairs`: what each pair of servers answered."""
    limits = limits_for(case.limits or {})
    starts = np.random.default_rng(8).integers(len(pairs[0]), size=trials)
    reports = [_trial(pairs[number % len(pairs)], int(start), limits) for number, start in enumerate(starts)]
    verdicts = [report.verdict for report in reports]
    row = {
        "harmless": case.harmless,
        "promoted": verdicts.count("PASS") / trials,
        "refused": verdicts.count("FAIL") / trials,
        "undecided": verdicts.count("UNDECIDED") / trials,
        "requests": round(statistics.mean(report.counts.sent for report in reports), 1),
    }
    print(f"  {name:26}" + "  ".join(f"{key} {value:g}" for key, value in row.items()), flush=True)
    return row


def _trial(exchanges: Sequence[Exchange], start: int, limits: Limits) -> ShadowReport:
    """What a replay that began with the request `start` would have said."""
    subject = Subject(model="network", staging=2, production=1, reference=None)
    gathered = Gathered(subject, limits, Burden(1.0, LIMIT_MS, 99))
    alone = False
    while not gathered.exhausted:
        request, answers = exchanges[(start + gathered.record.sent) % len(exchanges)]
        if alone:
            gathered.add_only_staging(request, alone_of(answers))
        else:
            gathered.add(request, answers)
        if gathered.hopeless:
            break
        if gathered.record.sent % CHECK_EVERY == 0:
            if settled(parts := gathered.parts()):
                break
            alone = lacks_failures_only(parts, gathered.record)
    return gathered.report(0.0)


def alone_of(answers: Answers) -> Answers:
    """What would have been said to a request that Staging alone is asked."""
    if answers.candidate is not None:
        return replace(answers, base=None, again=None, candidate_again=None)
    return replace(answers, again=None, candidate_again=None)


def _figures(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    rows = [row for subject in found.values() for row in subject.values()]
    promoted = max((row["promoted"] for row in rows if not row["harmless"]), default=0.0)
    refused = statistics.mean([row["refused"] for row in rows if row["harmless"]] or [0.0])
    return {"promoted": promoted, "refused": round(refused, 4), "ok": promoted == 0 and refused <= ALLOWED}


if __name__ == "__main__":
    end_by_sigterm()
    sys.exit(main())
