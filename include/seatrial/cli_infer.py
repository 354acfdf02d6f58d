"""`seatrial infer`: call a model from the shell, with tensors from files."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from seatrial.cli_common import Answer, command, settings
from seatrial.errors import BadInput
from seatrial.waiting import Deadline

EXAMPLES = "seatrial infer pitch audio=window.wav --output answer/ · echo '{\"x\": [[1, 2]]}' | seatrial infer tiny -"
READS = """Each INPUT is LAYER=FILE, or a FILE with several layers by name, or - for JSON on standard input:
  .npy   an array as it is: its dtype and shape must be the layer's
  .npz   an array a layer
  .json  LAYER=FILE: a number, text, or nested lists; FILE and -: an object of these by layer. Values become the
         layer's dtype where that loses nothing
  .png   height × width pixels, never resized. The first that fits the layer's shape, each also with a 1 before it:
         height × width × 3 (red, green, blue), 3 × height × width, the same with 4 (and opacity) and 1 (grey),
         height × width (grey); grey first for a grey image. Integer layers take 0 to 255, float layers 0 to 1
  .wav   PCM samples, at the file's rate, never mixed down. The first that fits: samples, 1 × samples,
         samples × channels, channels × samples, the last two also with a 1 before them. Float layers take -1 to 1,
         INT16 and INT32 layers the samples of that width
--output writes LAYER.npy, and LAYER.json for text. --json shows every value; NaN and Infinity as text."""


def add_to(commands: Any) -> None:
    new = command(commands, "infer", infer, "call a model", EXAMPLES, READS)
    new.add_argument("model", help="a model's name, or a model id")
    new.add_argument("inputs", nargs="+", metavar="INPUT", help="LAYER=FILE, FILE, or - (see above)")
    new.add_argument("--version", type=int, help="this version instead of a stage's")
    new.add_argument("--stage", default="Production", choices=("Production", "Staging"))
    new.add_argument("--environment", default="local", help="a serving target (default: local)")
    new.add_argument("--timeout", type=float, default=10.0, metavar="SECONDS", help="for all of it (default: 10)")
    new.add_argument("--output", metavar="DIR", help="keep the outputs in this folder, a file each")


def infer(arguments: argparse.Namespace) -> Answer:
    from seatrial import cli_tensors
    from seatrial.cli_layers import read_inputs
    from seatrial.client.client import InferenceClient

    read, model = settings(), int(arguments.model) if arguments.model.isdigit() else arguments.model
    given = read_inputs(arguments.inputs, sys.stdin.buffer)
    where = {key: getattr(arguments, key) for key in ("version", "stage", "environment")}
    deadline = Deadline.after(arguments.timeout)
    with InferenceClient(read.manager_url, token=read.token, timeout_s=arguments.timeout) as client:
        layers = given.layers(client.describe(model, **where)["inputs"])
        try:
            found = client.infer(model, layers, **where, timeout_s=deadline.left_s)
        except BadInput as error:
            raise given.naming(error) from error
    if arguments.output:
        cli_tensors.write_outputs(Path(arguments.output), found)
    document = {"model": found.model, "version": found.version, "model_id": found.model_id}
    return {**document, "outputs": cli_tensors.shown(found, values=arguments.json)}, cli_tensors.lines(found)
