"""`seatrial infer` with files of every kind, against a real manager that serves real models."""

from __future__ import annotations

import io
import json
import wave
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ml_metadata", reason="the manager runs in its own environment only")

from PIL import Image

from tests.commands import Done, Seatrial, document, seatrial_in
from tests.managers import environ_of, managers
from tests.models import twice_onnx, write_text_upload, write_upload
from tests.served import serve

PIXELS = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("seatrial")


@pytest.fixture(scope="module")
def seatrial(home: Path) -> Iterator[Seatrial]:
    """`tiny`@1 (y = 2x) in Production, `tiny`@2 (y = 3x) in Staging; `image` (INT32[-1,-1,3]), `audio` (FP32[-1,4]) and
    `words` in Production."""
    uploads = home / "uploads"
    with managers(environ_of(home)) as (api,):
        serve(api, write_upload(uploads / "one"))
        serve(api, write_upload(uploads / "two", scale=3.0), "Staging")
        for name, dtype, shape in (("image", "INT32", [2, 4, 3]), ("audio", "FLOAT", [1, 4])):
            zeros = np.zeros(shape, np.int32 if dtype == "INT32" else np.float32)
            upload = write_upload(uploads / name, name=name, model=False, samples={"samples/a.npz": {"x": zeros}})
            twice_onnx(upload / "model.onnx", dtype, [None, None, 3] if name == "image" else [None, 4])
            serve(api, upload)
        serve(api, write_text_upload(uploads / "text"))
        yield partial(seatrial_in(home, environ_of(home)), "infer")


def values(done: Done, layer: str = "y") -> Any:
    return document(done)["outputs"][layer]["data"]


X = np.array([[1, 2, 3, 4]], np.float32)


def test_npy_npz_and_json_are_the_same_request(seatrial: Seatrial, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    np.savez(tmp_path / "x.npz", x=X, other=X)
    np.savez(tmp_path / "all.npz", x=X)
    (tmp_path / "x.json").write_text("[[1, 2, 3, 4]]")
    (tmp_path / "all.json").write_text('{"x": [[1, 2, 3, 4]]}')
    for given in ("x=x.npy", "x=x.npz", "all.npz", "x=x.json", "all.json"):
        layer, equals, file = given.rpartition("=")
        assert values(seatrial("tiny", f"{layer}{equals}{tmp_path / file}", "--json")) == [[2, 4, 6, 8]], given


def test_json_comes_on_standard_input_as_layers_or_as_one(seatrial: Seatrial) -> None:
    assert values(seatrial("tiny", "-", "--json", said='{"x": [[1, 2, 3, 4]]}')) == [[2, 4, 6, 8]]
    assert values(seatrial("tiny", "x=-", "--json", said="[[1, 2, 3, 4]]")) == [[2, 4, 6, 8]]


def test_the_version_stage_and_environment_can_be_said(seatrial: Seatrial) -> None:
    for where in (["--version", "2"], ["--stage", "Staging"], ["--stage", "Staging", "--environment", "local"]):
        assert values(seatrial("tiny", "x=-", "--json", *where, said="[[1, 2, 3, 4]]")) == [[3, 6, 9, 12]]
    model_id = str(json.loads(_json(seatrial))["model_id"])
    assert values(seatrial(model_id, "x=-", "--json", said="[[1, 2, 3, 4]]")) == [[2, 4, 6, 8]]


def test_an_image_is_laid_out_as_the_layer_asks(seatrial: Seatrial, tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "cat.PNG")
    assert values(seatrial("image", f"x={tmp_path / 'cat.PNG'}", "--json")) == (PIXELS * 2).tolist()


def test_a_sound_is_laid_out_as_the_layer_asks(seatrial: Seatrial, tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "a.wav"), "wb") as sound:
        sound.setparams((1, 2, 16000, 0, "NONE", ""))
        sound.writeframes(np.array([-32768, 0, 8192, 16384], "<i2").tobytes())
    assert values(seatrial("audio", f"x={tmp_path / 'a.wav'}", "--json")) == [[-2.0, 0.0, 0.5, 1.0]]


def test_values_that_json_has_not_are_text(seatrial: Seatrial, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([[np.nan, np.inf, -np.inf, 1]], np.float32))
    assert values(seatrial("tiny", f"x={tmp_path / 'x.npy'}", "--json")) == [["NaN", "Infinity", "-Infinity", 2.0]]
    done = seatrial("words", "-", "--json", said='{"words": [["née", "x"]]}')
    assert (values(done, "same"), values(done, "number")) == ([["née", "x"]], [[7, -1]])


def test_outputs_are_kept_in_a_folder_a_file_each(seatrial: Seatrial, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "answer"
    done = seatrial("tiny", "x=-", "--output", str(folder), said="[[1, 2, 3, 4]]")
    assert done.stdout == f"tiny@1 (model id {json.loads(_json(seatrial))['model_id']}) answered\n  y: FP32[1, 4]\n"
    assert np.array_equal(np.load(folder / "y.npy"), X * 2)
    seatrial("words", "-", "--output", str(folder), said='{"words": [["née", "x"]]}')
    assert json.loads((folder / "same.json").read_text()) == [["née", "x"]]


def _json(seatrial: Seatrial) -> str:
    return seatrial("tiny", "x=-", "--json", said="[[1, 2, 3, 4]]").stdout


def _npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


WRONG: list[tuple[str, bytes | None, int, str]] = [
    ("tiny x=x.npy", _npy(np.zeros((1, 5), np.float32)), 2, "layer 'x': expected FP32[-1,4], got FP32[1,5] from x.npy"),
    ("tiny x=x.npy", _npy(X.astype(float)), 2, "layer 'x': expected FP32[-1,4], got FP64[1,4] from x.npy"),
    ("tiny z=x.npy", _npy(X), 2, "layer 'z': expected one of the layers x, got a layer that the model does not have"),
    ("tiny x=x.json", b'[["a"]]', 2, "layer 'x': expected FP32[-1,4], got values of type <U1 from x.json"),
    ("tiny x=x.npy", _npy(np.array([{}])), 2, "x.npy: cannot be read: Object arrays cannot be loaded"),
    ("tiny x=x.npy", _npy(X)[:100], 2, "x.npy: cannot be read: "),
    ("tiny x=x.npy", b"", 2, "x.npy: cannot be read: "),
    ("tiny x=x.npz", b"PK", 2, "x.npz: is not a readable .npz file"),
    ("tiny x.json", b"[1]", 2, "x.json: is no JSON object of layers by name"),
    ("tiny x.json", b"[" * 200_000, 2, "x.json: cannot be read: "),
    ("tiny x.npy", _npy(X), 2, "x.npy: which layer is it for? Say LAYER=x.npy"),
    ("tiny x=x.txt", b"", 2, "x=x.txt: is not LAYER=FILE (limit: .npy, .npz, .json, .png, .wav)"),
    ("tiny x=x.npy x=x.npy", _npy(X), 2, "x.npy: layer 'x' is also in x.npy"),
    ("tiny x=gone.npy", None, 2, "gone.npy: No such file or directory"),
    ("image x=x.png", b"\x89PNG", 2, "x.png: is no readable PNG image"),
    ("audio x=x.wav", b"RIFF", 2, "x.wav: is no readable WAV file of PCM samples"),
    ("nobody x=x.npy", _npy(X), 3, "no model 'nobody'"),
    ("tiny x=x.npy --version 9", _npy(X), 3, "no server answers for tiny@9"),
    ("tiny x=x.npy --output x.npy/y", _npy(X), 2, "Not a directory"),
]


@pytest.mark.parametrize(("arguments", "data", "status", "said"), WRONG, ids=lambda value: str(value)[:40])
def test_an_error_is_one_line_that_names_the_file_and_the_layer(
    seatrial: Seatrial, home: Path, arguments: str, data: bytes | None, status: int, said: str
) -> None:
    for file in arguments.split()[1:2]:
        if data is not None:
            (home / file.rpartition("=")[2]).write_bytes(data)
    done = seatrial(*arguments.split())
    assert (done.returncode, done.stdout) == (status, ""), done.stderr
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_media_that_do_not_fit_are_named_with_the_layer_and_what_they_are(seatrial: Seatrial, home: Path) -> None:
    Image.fromarray(PIXELS[:, :3]).save(home / "cat.png")
    done = seatrial("audio", "x=cat.png")
    expected = "layer 'x': expected FP32[-1,4], got a colour image of 2 × 3 pixels from cat.png"
    assert (done.returncode, done.stderr) == (2, f"seatrial: {expected}\n")
    done = seatrial("image", "picture=cat.png")
    assert "layer 'picture': expected one of the layers x, got another layer from cat.png" in done.stderr


def test_the_rules_are_said_by_help(seatrial: Seatrial) -> None:
    said = seatrial("--help").stdout
    assert all(
        word in said for word in (".npy", ".npz", ".json", ".png", ".wav", "0 to 255", "-1 to 1", "never resized")
    )
