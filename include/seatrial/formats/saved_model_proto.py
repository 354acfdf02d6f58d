"""The few messages of a SavedModel's protobufs that are looked into, made at run time: no TensorFlow is needed.

Field numbers are those of TensorFlow's saved_model.proto, meta_graph.proto, graph.proto, function.proto,
tensor_shape.proto and tensor_bundle.proto. Everything else in
the file is an unknown field to these messages and is skipped. Maps are read as what they are on the wire: repeated
entries of a key (1) and a value (2), which also keeps their order. Works with protobuf 4 to 6.
"""

from __future__ import annotations

from functools import cache
from typing import Any

PACKAGE = "seatrial.savedmodel"

# message → (field, number, kind, repeated); a kind that starts with a capital letter is another of these messages
MESSAGES: dict[str, tuple[tuple[str, int, str, bool], ...]] = {
    "Dim": (("size", 1, "int64", False),),
    "Shape": (("dim", 2, "Dim", True), ("unknown_rank", 3, "bool", False)),
    "TensorInfo": (
        ("name", 1, "string", False),
        ("dtype", 2, "int32", False),
        ("tensor_shape", 3, "Shape", False),
    ),
    "TensorEntry": (("key", 1, "string", False), ("value", 2, "TensorInfo", False)),
    "Signature": (("inputs", 1, "TensorEntry", True), ("outputs", 2, "TensorEntry", True)),
    "SignatureEntry": (("key", 1, "string", False), ("value", 2, "Signature", False)),
    "MetaInfo": (("tags", 4, "string", True), ("tensorflow_version", 5, "string", False)),
    "Node": (("name", 1, "string", False), ("op", 2, "string", False), ("inputs", 3, "string", True)),
    "OpDef": (("name", 1, "string", False),),
    "Function": (("signature", 1, "OpDef", False), ("nodes", 3, "Node", True)),
    "Library": (("functions", 1, "Function", True),),
    "Graph": (("nodes", 1, "Node", True), ("library", 2, "Library", False)),
    "Asset": (("tensor_info", 1, "TensorInfo", False), ("filename", 2, "string", False)),
    "MetaGraph": (
        ("meta_info", 1, "MetaInfo", False),
        ("graph", 2, "Graph", False),
        ("signatures", 5, "SignatureEntry", True),
        ("assets", 6, "Asset", True),
    ),
    "SavedModel": (("schema_version", 1, "int64", False), ("meta_graphs", 2, "MetaGraph", True)),
    "BundleHeader": (("num_shards", 1, "int32", False),),
    "BundleEntry": (
        ("dtype", 1, "int32", False),
        ("shape", 2, "Shape", False),
        ("shard_id", 3, "int32", False),
        ("offset", 4, "int64", False),
        ("size", 5, "int64", False),
        ("crc32c", 6, "fixed32", False),
    ),
}


def parse(kind: str, data: bytes) -> Any:
    """The message of that kind in `data`. Raises google.protobuf.message.DecodeError for bytes that are not one."""
    from google.protobuf import message_factory

    message = message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{PACKAGE}.{kind}"))()
    message.ParseFromString(data)
    return message


@cache
def _pool() -> Any:
    from google.protobuf import descriptor_pb2, descriptor_pool

    file = descriptor_pb2.FileDescriptorProto(name="seatrial/savedmodel.proto", package=PACKAGE, syntax="proto3")
    field = descriptor_pb2.FieldDescriptorProto
    for message, fields in MESSAGES.items():
        made = file.message_type.add(name=message)
        for name, number, kind, repeated in fields:
            made.field.add(
                name=name,
                number=number,
                label=field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL,
                type=field.TYPE_MESSAGE if kind in MESSAGES else field.Type.Value(f"TYPE_{kind.upper()}"),
                type_name=f".{PACKAGE}.{kind}" if kind in MESSAGES else None,
            )
    # A pool of its own: TensorFlow's messages may be in the default one.
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool
