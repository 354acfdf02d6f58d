"""A tree of files in memory that keeps its times as HDFS and a disk do, for the watcher's tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from seatrial.storage.port import Entry
from seatrial.uploads.settling import Observation

ROOT = "/uploads"


@dataclass
class Node:
    modified_ns: int
    bytes: int = 0
    inside: dict[str, Node] | None = None


@dataclass
class Tree:
    """A folder's time is that of the last coming, going or renaming in it. `calls` are the listings so far."""

    now_ns: int = 10**18
    root: Node = field(default_factory=lambda: Node(0, inside={}))
    calls: list[str] = field(default_factory=list)

    def entries(self, folder: str) -> list[Entry]:
        self.calls.append(folder)
        node = self._node(folder)
        if node is None or node.inside is None:
            return []
        return [
            Entry(name, one.inside is not None, one.bytes, 0.0, one.modified_ns) for name, one in node.inside.items()
        ]

    def put(self, path: str, size: int = 1) -> None:
        """Write a file; one that is there is overwritten in place, which no folder's time tells."""
        parent, _, name = path.rpartition("/")
        above = self.make(parent)
        if above is None or above.inside is None:
            return
        there = above.inside.get(name)
        if there is None:
            above.inside[name], above.modified_ns = Node(self.now_ns, size), self.now_ns
        elif there.inside is None:
            there.modified_ns, there.bytes = self.now_ns, size

    def make(self, folder: str) -> Node | None:
        """Make a folder and those above; None where a file stands."""
        node = self.root
        for name in folder.split("/") if folder else ():
            if node.inside is None:
                return None
            if name not in node.inside:
                node.inside[name], node.modified_ns = Node(self.now_ns, inside={}), self.now_ns
            node = node.inside[name]
        return node

    def remove(self, path: str) -> None:
        parent, _, name = path.rpartition("/")
        above = self._node(parent)
        if above and above.inside and above.inside.pop(name, None):
            above.modified_ns = self.now_ns

    def send(self, name: str, size: int = 1) -> None:
        """What `seatrial upload` does: built under a hidden name with the marker last, then renamed."""
        assert self.root.inside is not None
        if name in self.root.inside:
            return
        for file in ("model.yaml", "samples/a", "_SUCCESS"):
            self.put(f".incoming-1/{file}", size)
        self.root.inside[name] = self.root.inside.pop(".incoming-1")
        self.root.modified_ns = self.now_ns

    def uploads(self) -> Iterator[Observation]:
        """Every upload as it is now, by looking at everything: what the watcher must find with less."""
        for name, top in _folders(self.root):
            if any(one.inside is None for one in _inside(top).values()):
                yield _observation(name, top)
            else:
                yield from (_observation(f"{name}/{inner}", node) for inner, node in _folders(top))

    def _node(self, path: str) -> Node | None:
        node: Node | None = self.root
        for name in path.split("/") if path else ():
            node = _inside(node).get(name) if node else None
        return node


def _inside(node: Node) -> dict[str, Node]:
    return node.inside or {}


def _folders(node: Node) -> list[tuple[str, Node]]:
    return [(name, one) for name, one in _inside(node).items() if one.inside is not None and name[0] not in "._"]


def _observation(path: str, node: Node) -> Observation:
    files = sorted(_files("", node))
    marker = [modified_ns for name, _, modified_ns in files if name == "_SUCCESS"]
    rest = tuple(file for file in files if file[0] != "_SUCCESS")
    return Observation(f"{ROOT}/{path}", rest, bool(marker) and all(file[2] <= marker[0] for file in rest))


def _files(below: str, node: Node) -> Iterator[tuple[str, int, int]]:
    for name, one in _inside(node).items():
        if one.inside is None:
            yield below + name, one.bytes, one.modified_ns
        else:
            yield from _files(f"{below}{name}/", one)
