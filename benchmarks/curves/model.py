"""A network that does nothing for a known time: Triton's python backend runs it. Parameters of its configuration:

`base_us` + `row_us` · rows is what an execution takes; `slow_us` more for a share of `slow_every` executions, one in so
many by chance (`chance` 1) or every so many (`chance` 0). Time is spent computing, as a network spends it.
"""

import json
import random
import time
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        parameters = json.loads(args["model_config"])["parameters"]
        value = {name: int(each["string_value"]) for name, each in parameters.items()}
        self._base, self._row, self._slow = (value[name] / 1e6 for name in ("base_us", "row_us", "slow_us"))
        self._every, self._by_chance = value["slow_every"], bool(value["chance"])
        self._random, self._executions = random.Random(1), 0

    def execute(self, requests: list[Any]) -> list[Any]:
        began = time.perf_counter()
        self._executions += 1
        takes = self._base + self._row * len(requests) + (self._slow if self._is_slow() else 0.0)
        while time.perf_counter() - began < takes:
            pass
        answer = np.zeros((1, 1), np.float32)
        return [pb_utils.InferenceResponse([pb_utils.Tensor("y", answer)]) for _ in requests]

    def _is_slow(self) -> bool:
        if not self._every:
            return False
        if self._by_chance:
            return self._random.random() * self._every < 1
        return self._executions % self._every == 0
