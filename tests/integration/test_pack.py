"""`seatrial pack`: from a model file and samples to a folder that a run would accept."""

from __future__ import annotations

import json
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seatrial.cli import main
from seatrial.formats.check import check_upload
from seatrial.shadow.relation import built_of, class_alone
from seatrial.tensors import from_npz, to_npz
from seatrial.uploads.declaration import read_declaration
from tests.models import text_onnx, tiny_onnx, twice_onnx
from tests.plans import plan
from tests.saved_models import write_saved_model

X = np.array([[1, 2, 3, 4]], np.float32)
Pack = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("x.npz", x=X)
    np.save("x.npy", X)


@pytest.fixture
def pack(capsys: pytest.CaptureFixture[str]) -> Pack:
    def run(model: object, *arguments: str, to: str = "packed") -> dict[str, Any]:
        main(["pack", str(model), *arguments, "--latency-ms", "150", "--to", to, "--json"])
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    return run


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    before = sorted(path.name for path in Path().iterdir())
    with pytest.raises(SystemExit) as ended:
        main(["pack", *arguments, "--latency-ms", "150", "--to", "packed"])
    assert sorted(path.name for path in Path().iterdir()) == before
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return int(str(ended.value.code)), said


def external_onnx(path: Path) -> Path:
    import onnx

    (path.parent / "weights").mkdir()
    model = onnx.load(tiny_onnx(path))
    weights = np.full((1,), 2, np.float32)
    model.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(weights, "w"))
    onnx.save(model, path, save_as_external_data=True, location="weights/w.bin", size_threshold=0)
    return path


@pytest.mark.parametrize(("name", "value"), [("FILES", "1"), ("BYTES", "100")])
@pytest.mark.parametrize("model", ["onnx", "savedmodel"])
@pytest.mark.parametrize("more", [(), ("--no-check",)])
def test_what_is_packed_is_within_the_limits_of_an_upload(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    model: str,
    name: str,
    value: str,
    more: tuple[str, ...],
) -> None:
    path = tiny_onnx(Path("tiny.onnx")) if model == "onnx" else write_saved_model(Path("tiny"))
    monkeypatch.setenv(f"SEATRIAL_UPLOAD_{name}", value)
    status, said = refused(capsys, str(path), "x.npz", *more)
    assert (status, f"limit: {value} " in said) == (2, True), said


def tiny_plan(path: Path) -> Path:
    path.write_bytes(plan((10, 3, 0, 26)))
    return path


def test_a_packed_onnx_file_is_an_upload_that_says_what_was_found_in_it(pack: Pack) -> None:
    found = pack(tiny_onnx(Path("Tiny Net (v2).onnx")), "x.npz")
    assert (found["model"], found["format"], found["checked"]) == ("tiny-net-v2", "onnx", True)
    assert found["signature"]["inputs"] == [{"name": "x", "dtype": "FP32", "shape": [-1, 4]}]
    manifest = read_declaration(Path("packed")).manifest
    assert (manifest.name, manifest.objective.latency_ms, manifest.samples) == ("tiny-net-v2", 150, ("samples/x.npz",))
    assert manifest.user
    assert "#   input   x  FP32[-1,4]\n" in Path("packed/model.yaml").read_text()
    assert check_upload(Path("packed")).served.name == "tiny-net-v2"


@pytest.mark.parametrize(
    ("make", "source", "main_file", "files"),
    [
        (external_onnx, "net.onnx", "model.onnx", {"model.onnx", "weights/w.bin"}),
        (write_saved_model, "net", "saved_model", {"saved_model/saved_model.pb"}),
        (tiny_plan, "net.engine", "model.plan", {"model.plan"}),
        (tiny_plan, "net.bin", "model.plan", {"model.plan"}),
        (tiny_onnx, "net.bin", "model.onnx", {"model.onnx"}),
    ],
)
def test_all_files_of_each_format_are_taken_along_and_no_others(
    pack: Pack, make: Callable[[Path], object], source: str, main_file: str, files: set[str]
) -> None:
    Path("from").mkdir()
    Path("from/notes.txt").write_text("not the model's")
    make(Path("from") / source)
    found = pack(f"from/{source}", "x.npz")
    assert read_declaration(Path("packed")).manifest.model_file == main_file
    there = {str(path.relative_to("packed")) for path in Path("packed").rglob("*") if path.is_file()}
    assert files <= there
    assert {path for path in there if not path.startswith("saved_model/variables/")} == {
        *files,
        "model.yaml",
        "samples/x.npz",
    }
    assert found["model"] == "net"


def test_the_files_of_a_saved_model_may_be_named_by_its_protobuf(pack: Pack) -> None:
    write_saved_model(Path("pitch/1"))
    assert pack("pitch/1/saved_model.pb", "x.npz")["model"] == "pitch"


@pytest.mark.parametrize("name", ["model.onnx", "1.onnx", "best.onnx"])
def test_a_file_name_that_says_nothing_leaves_the_name_to_its_folder(pack: Pack, name: str) -> None:
    assert pack(tiny_onnx(Path("2nd_pitch") / name), "x.npz")["model"] == "m-2nd_pitch"


def test_options_go_before_what_is_found(pack: Pack) -> None:
    Path("named.npz").write_bytes(to_npz({"audio": X, "expected.y": 2 * X}))
    pack(tiny_onnx(Path("a.onnx")), "named.npz", "--name", "pitch", "--user", "ann", "--layer", "audio=x")
    manifest = read_declaration(Path("packed")).manifest
    assert (manifest.name, manifest.user, manifest.layers) == ("pitch", "ann", {"audio": "x"})


def test_samples_come_in_every_form_and_from_folders_and_keep_their_names(pack: Pack) -> None:
    Path("more").mkdir()
    Path("more/.hidden").write_text("left alone")
    np.save("more/x.npy", X)
    Path("more/y.json").write_text(json.dumps({"x": X.tolist(), "expected.y": (2 * X).tolist()}))
    with wave.open("more/z.wav", "wb") as sound:
        sound.setparams((1, 2, 8000, 4, "NONE", ""))
        sound.writeframes(np.array([0, 1, 2, 3], np.int16).tobytes())
    found = pack(tiny_onnx(Path("a.onnx")), "x.npz", "more")
    assert found["samples"] == ["samples/x.npz", "samples/sample-2.npz", "samples/y.npz", "samples/z.npz"]
    y = from_npz(Path("packed/samples/y.npz").read_bytes())
    assert {name: str(array.dtype) for name, array in y.items()} == {"x": "float32", "expected.y": "float32"}


def test_text_is_kept_as_text(pack: Pack) -> None:
    Path("w.json").write_text(json.dumps({"words": [["née", "other"]], "expected.number": [[7, -1]]}))
    pack(text_onnx(Path("words.onnx")), "w.json")
    assert from_npz(Path("packed/samples/w.npz").read_bytes())["words"].tolist() == [["née", "other"]]


def test_a_model_of_half_precision_is_compared_as_one(pack: Pack) -> None:
    np.save("h.npy", X.astype(np.float16))
    pack(twice_onnx(Path("half.onnx"), "FLOAT16", [None, 4]), "h.npy")
    found = check_upload(Path("packed"), None)
    assert class_alone(built_of(found.served, found.tree_digest, found.weights))[0] == "same-graph-fp16"


def _file(name: str, data: bytes) -> Callable[[], str]:
    return lambda: str(Path(name)) if Path(name).write_bytes(data) else ""


@pytest.mark.parametrize(
    ("model", "samples", "said"),
    [
        (_file("a.pt", b"PK\x03\x04" + b"0" * 99), ("x.npz",), "export it as ONNX"),
        (_file("a.h5", b"\x89HDF\r\n\x1a\n" + b"0" * 99), ("x.npz",), "HDF5"),
        (_file("a.tflite", b"\x1c\0\0\0TFL3" + b"0" * 99), ("x.npz",), "TensorFlow Lite"),
        (_file("a.onnx", b"version https://git-lfs.github.com/spec/v1\n"), ("x.npz",), "Git LFS pointer"),
        (_file("a.txt", b"hello"), ("x.npz",), "limit: ONNX, SavedModel folder, TensorRT plan"),
        (_file("a.onnx", b"hello"), ("x.npz",), "a.onnx"),
        (_file("a.plan", b"hello"), ("x.npz",), "starts no TensorRT plan"),
        (lambda: "nowhere.onnx", ("x.npz",), "No such file"),
        (lambda: ".", ("x.npz",), "without saved_model.pb"),
        (lambda: str(tiny_onnx(Path("a.onnx"))), (), "np.savez('sample.npz', **{'x': np.zeros((1, 4), 'float32')})"),
        (lambda: str(tiny_onnx(Path("a.onnx"))), ("nowhere.npz",), "nowhere.npz: No such file"),
        (lambda: str(tiny_onnx(Path("a.onnx"))), ("wrong.npz",), "samples/wrong.npz: z"),
        (lambda: str(tiny_onnx(Path("a.onnx"))), ("x.npz", "--name", "Not OK"), "name: 'Not OK'"),
        (lambda: str(tiny_onnx(Path("a.onnx"))), ("x.npz", "--layer", "audio=z"), "is not a tensor of the model"),
        (
            lambda: str(text_onnx(Path("a.onnx"))),
            ("nul.json",),
            "nul.json: layer 'words' holds a text that ends in NUL",
        ),
        (
            lambda: str(tiny_onnx(Path("a.onnx"))),
            ("null.json",),
            "null.json: layer 'other' holds a value that is no text",
        ),
        (lambda: str(tiny_onnx(Path("a.onnx"))), ("strange.json",), "from strange.json\n"),
        (lambda: str(tiny_plan(Path("a.plan"))), ("x.npy",), "not known before a server has loaded it"),
    ],
)
def test_what_cannot_be_packed_is_one_line_and_leaves_nothing(
    capsys: pytest.CaptureFixture[str], model: Callable[[], str], samples: tuple[str, ...], said: str
) -> None:
    np.savez("wrong.npz", z=X)
    Path("nul.json").write_text(json.dumps({"words": [["a\0"]], "expected.number": [[7]]}))
    Path("null.json").write_text(json.dumps({"x": X.tolist(), "other": [None]}))
    Path("strange.json").write_text(json.dumps({"x": [["no number"] * 4]}))
    status, line = refused(capsys, model(), *samples)
    assert status == 2
    assert said in line
    assert not samples or line.count(samples[0]) <= 1


def test_a_wrong_sample_is_found_by_the_check_and_only_by_it(pack: Pack, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez("wrong.npz", x=X[:, :3])
    model = str(tiny_onnx(Path("a.onnx")))
    status, line = refused(capsys, model, "wrong.npz")
    assert (status, "'FP32[1,3]' does not fit the model (limit: FP32[-1,4])" in line) == (2, True)
    assert not pack(model, "wrong.npz", "--no-check")["checked"]


def test_nothing_is_overwritten(pack: Pack, capsys: pytest.CaptureFixture[str]) -> None:
    pack(tiny_onnx(Path("a.onnx")), "x.npz")
    before = Path("packed/model.yaml").read_bytes()
    assert refused(capsys, "a.onnx", "x.npz")[0] == 4
    assert Path("packed/model.yaml").read_bytes() == before


def test_the_sample_that_a_refusal_proposes_is_one(pack: Pack, capsys: pytest.CaptureFixture[str]) -> None:
    for name, make in (("a.onnx", tiny_onnx), ("b.onnx", text_onnx)):
        line = refused(capsys, str(make(Path(name))))[1]
        exec(line.split('python -c "')[1].rsplit('"')[0], {})
        assert pack(name, "sample.npz", to=f"packed-{name}")["checked"]


def test_lines_for_a_person_say_what_was_found_and_what_is_next(capsys: pytest.CaptureFixture[str]) -> None:
    main(["pack", str(tiny_onnx(Path("a.onnx"))), "x.npz", "--latency-ms", "5", "--to", "packed"])
    first, *tensors, last = capsys.readouterr().out.splitlines()
    assert first.startswith("packed: a (onnx) with 1 sample(s), checked in ")
    assert tensors == ["  input   x  FP32[-1,4]", "  output  y  FP32[-1,4]"]
    assert last.endswith("seatrial upload packed")
