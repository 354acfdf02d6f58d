"""`pip install seatrial` in fresh environments: what comes with it, what does not, and a new user's first call."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ml_metadata", reason="the manager runs in its own environment only")

from seatrial.client.manager_api import ManagerAPI
from seatrial.manager.tokens import TokenFile
from tests.managers import environ_of, managers
from tests.models import twice_onnx, write_upload
from tests.served import serve

ROOT = Path(__file__).parents[2]
UV, MYPY = ROOT / ".venv-tools/bin/uv", ROOT / ".venv-tools/bin/mypy"
COMES = {
    *("seatrial", "numpy", "httpx", "httpcore", "h11", "anyio", "certifi", "idna", "exceptiongroup"),
    *(
        "tritonclient",
        "grpcio",
        "protobuf",
        "typing-extensions",
        "packaging",
        "python-rapidjson",
        "urllib3",
        "ml-dtypes",
    ),
}
WINDOW = (1, 43844, 1)


def oldest_python() -> str:
    """The oldest Python that the client is for, where this machine has it; else the one that runs the tests."""
    for python in ("python3.10", *map(str, Path.home().glob(".pyenv/versions/3.10.*/bin/python"))):
        try:
            subprocess.run([python, "-c", ""], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):  # not there, or a shim of one that is not chosen
            continue
        return python
    return sys.executable


@dataclass
class Installed:
    """An environment with the built wheel and nothing else, under a new user's home."""

    folder: Path
    environ: dict[str, str]

    def run(self, *command: str, **environ: str) -> subprocess.CompletedProcess[str]:
        program = str(self.folder / "venv" / "bin" / command[0])
        return subprocess.run(
            [program, *command[1:]],
            env={**self.environ, **environ},
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )

    def python(self, code: str) -> str:
        done = self.run("python", "-W", "error", "-c", code)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([UV, "build", "--quiet", "--wheel", "--out-dir", folder, ROOT], check=True)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManagerAPI]:
    """A model `pitch` in Production with the layers of the README's example: `note` is twice `audio`."""
    home = tmp_path_factory.mktemp("home")
    with managers(environ_of(home)) as (api,):
        sample = {"samples/a.npz": {"audio": np.zeros(WINDOW, np.float32)}}
        layers = {"audio": "x", "note": "y"}
        upload = write_upload(home / "uploads" / "one", name="pitch", model=False, samples=sample, layers=layers)
        twice_onnx(upload / "model.onnx", "FLOAT", [None, *WINDOW[1:]])
        serve(api, upload)
        yield api


@pytest.fixture(scope="module", params=["oldest", "newest"])
def installed(
    request: pytest.FixtureRequest, wheel: Path, manager: ManagerAPI, tmp_path_factory: pytest.TempPathFactory
) -> Installed:
    """`oldest`: the manager's pins, protobuf 4 among them; `newest`: Airflow's, with protobuf 6."""
    folder, home = tmp_path_factory.mktemp(request.param), Path(manager.health()["home"])
    python, pins = (oldest_python(), "requirements-manager.txt") if request.param == "oldest" else (sys.executable, "")
    subprocess.run([UV, "venv", "--quiet", "--python", python, folder / "venv"], check=True)
    install = [str(UV), "pip", "install", "--quiet", "--python", str(folder / "venv")]
    install += ["-c", str(ROOT / (pins or "requirements.txt"))]
    subprocess.run([*install, str(wheel)], check=True)
    token = TokenFile(home).create(request.param, "client")[1]
    return Installed(
        folder, {"HOME": str(folder), "SEATRIAL_MANAGER_URL": manager.url, "SEATRIAL_TOKEN": token, "PATH": os.defpath}
    )


def test_the_client_comes_and_nothing_of_the_platform(installed: Installed) -> None:
    told = subprocess.run(
        [UV, "pip", "list", "--quiet", "--format", "json", "--python", installed.folder / "venv"],
        capture_output=True,
        text=True,
        check=True,
    )
    names = {package["name"] for package in json.loads(told.stdout)}
    assert {"seatrial", "numpy", "httpx", "tritonclient", "grpcio", "protobuf"} <= names
    assert names <= COMES


def test_importing_it_loads_nothing_and_the_client_no_more_than_it_needs(installed: Installed) -> None:
    loaded = "import json, sys; print(json.dumps(sorted({m.partition('.')[0] for m in sys.modules})))"
    assert not {"numpy", "httpx", "grpc", "tritonclient"} & set(
        json.loads(installed.python(f"import seatrial; {loaded}"))
    )
    client = set(json.loads(installed.python(f"from seatrial import InferenceClient; {loaded}")))
    assert {"numpy", "grpc"} <= client
    assert "httpx" not in client


def test_every_module_of_the_client_and_of_its_commands_is_importable(installed: Installed) -> None:
    installed.python(
        "import importlib, pkgutil, seatrial.client as client, seatrial.cli, seatrial.cli_infer\n"
        "import seatrial.cli_layers, seatrial.cli_media, seatrial.cli_tensors\n"
        "optional = {'prometheus_client', 'opentelemetry'}\n"
        "for module in pkgutil.iter_modules(client.__path__, 'seatrial.client.'):\n"
        "    try:\n"
        "        importlib.import_module(module.name)\n"
        "    except ModuleNotFoundError as error:\n"
        "        assert error.name.partition('.')[0] in optional, error\n"
    )


def test_it_is_typed(installed: Installed) -> None:
    code = "from seatrial import InferenceClient\nreveal_type(InferenceClient().infer('x', x=[1.0]).version)\n"
    python = installed.folder / "venv" / "bin" / "python"
    environ = {"PATH": os.defpath, "HOME": str(installed.folder), "MYPY_CACHE_DIR": str(installed.folder / "mypy")}
    done = subprocess.run(
        [MYPY, "--strict", "--python-executable", python, "-c", code],
        cwd=installed.folder,
        env=environ,
        capture_output=True,
        text=True,
    )
    assert 'Revealed type is "int"' in done.stdout.replace("builtins.int", "int"), done.stdout


def examples(document: str) -> list[str]:
    """The Python examples of a document that stand for themselves."""
    blocks: list[str] = re.findall(r"^```python\n(.*?)^```$", (ROOT / document).read_text(), re.M | re.S)
    return [block for block in blocks if "import" in block]


@pytest.mark.parametrize("code", [*examples("README.md"), *examples("docs/client.md")])
def test_an_example_of_the_documents_works_as_it_stands(installed: Installed, code: str) -> None:
    assert installed.python(code).startswith("1 (1, 43844, 1)")


def test_the_shell_command_calls_a_model(installed: Installed) -> None:
    np.save(installed.folder / "x.npy", np.full(WINDOW, 3, np.float32))
    done = installed.run("seatrial", "infer", "pitch", "audio=x.npy", "--output", "answer")
    assert done.returncode == 0, done.stderr
    assert np.array_equal(np.load(installed.folder / "answer" / "note.npy"), np.full(WINDOW, 6, np.float32))


def test_what_needs_more_says_what_to_install(installed: Installed) -> None:
    (installed.folder / "x.png").write_bytes(b"\x89PNG")
    done = installed.run("seatrial", "infer", "pitch", "audio=x.png")
    assert done.stderr == "seatrial: x.png: images need Pillow: pip install 'seatrial[images]'\n"
    done = installed.run("seatrial", "upload", str(installed.folder))
    assert done.stderr.startswith("seatrial: this needs "), done.stderr
    assert "pip install 'seatrial[library]'" in done.stderr
    done = installed.run("seatrial-manager")
    assert "Python 3.11, this is 3.10" in done.stderr or "pip install 'seatrial[manager]'" in done.stderr
