"""What the tests of the protocol share."""

from __future__ import annotations

from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from helios_runtime.protocol import messages as m
from helios_runtime.protocol.messages import parts_of
from helios_runtime.protocol.values import ArrayPart, BytesPart

BINDINGS = Path(__file__).parents[2] / "bindings"


@pytest.fixture(scope="session")
def bindings() -> Path:
    return BINDINGS


def members(union: Any) -> tuple[type[BaseModel], ...]:
    """The models of ClientMessage or ServerMessage."""
    return get_args(get_args(union)[0])


@pytest.fixture(scope="session")
def client_models() -> tuple[type[BaseModel], ...]:
    return members(m.ClientMessage)


@pytest.fixture(scope="session")
def server_models() -> tuple[type[BaseModel], ...]:
    return members(m.ServerMessage)


@pytest.fixture(scope="session")
def any_client() -> SearchStrategy[tuple[m.Message, list[bytes]]]:
    """A client's message and its buffers."""
    return st.sampled_from(members(m.ClientMessage)).flatmap(model).flatmap(with_buffers)


@pytest.fixture(scope="session")
def any_server() -> SearchStrategy[tuple[m.Message, list[bytes]]]:
    """A server's message and its buffers."""
    return st.sampled_from(members(m.ServerMessage)).flatmap(model).flatmap(with_buffers)


def with_buffers(message: Any) -> SearchStrategy[tuple[Any, list[bytes]]]:
    sizes = [part.nbytes for part in parts_of(message)]
    contents = st.tuples(*(st.binary(min_size=size, max_size=size) for size in sizes))
    return contents.map(lambda buffers: (message, list(buffers)))


def model(kind: type[BaseModel]) -> SearchStrategy[Any]:
    """Any valid model of this kind; also with default values left out."""
    if kind is m.Reset:
        return st.sampled_from(
            [{"start": "prompt", "parts": ()}, start("image", 2, 4, 3), start("video", 2, 2, 2, 3)]
        ).flatmap(lambda fixed: fields(kind, fixed))
    if kind is m.ChunkMessage:
        return st.tuples(st.sampled_from(["rgb24", "jpeg"]), st.integers(1, 3), st.integers(0, 2)).flatmap(
            lambda drawn: fields(kind, frames(*drawn))
        )
    if kind is BytesPart:
        return st.builds(BytesPart, bytes=st.integers(0, 40))
    return fields(kind, {})


def start(kind: str, *shape: int) -> dict[str, Any]:
    return {"start": kind, "parts": (ArrayPart(shape=shape),)}


def frames(encoding: str, count: int, part: int) -> dict[str, Any]:
    made = ArrayPart(shape=(count, 2, 4, 3)) if encoding == "rgb24" else BytesPart(bytes=7)
    return {"encoding": encoding, "frames": count, "height": 2, "width": 4, "part": part, "of": 3, "parts": (made,)}


def fields(kind: type[BaseModel], fixed: dict[str, Any]) -> SearchStrategy[Any]:
    names = {name: field for name, field in kind.model_fields.items() if name not in fixed}
    needed = {name: of_field(field) for name, field in names.items() if field.is_required()}
    optional = {name: of_field(field) for name, field in names.items() if not field.is_required()}
    return st.fixed_dictionaries(needed, optional=optional).map(lambda drawn: kind(**fixed, **drawn))


def of_field(field: FieldInfo) -> SearchStrategy[Any]:
    return of_type(field.annotation, limits(field.metadata))


def limits(metadata: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for item in metadata:
        found |= limits(item.metadata) if isinstance(item, FieldInfo) else {}
        for name in ("ge", "gt", "le", "lt", "min_length", "max_length", "pattern"):
            if getattr(item, name, None) is not None:
                found[name] = getattr(item, name)
    return found


def of_type(kind: Any, limit: dict[str, Any]) -> SearchStrategy[Any]:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return of_type(arguments[0], limit | limits(arguments[1:]))
    if origin in (Union, UnionType):
        return st.one_of(*(of_type(argument, {}) for argument in arguments))
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is tuple and arguments[-1] is not Ellipsis:
        return st.tuples(*(of_type(argument, {}) for argument in arguments))
    size = {"min_size": limit.get("min_length", 0), "max_size": min(limit.get("max_length", 3), 3)}
    if origin is tuple:
        return st.lists(of_type(arguments[0], {}), **size).map(tuple)
    if origin is dict:
        return st.dictionaries(of_type(arguments[0], {}), of_type(arguments[1], {}), **size)
    return plain(kind, limit)


def plain(kind: Any, limit: dict[str, Any]) -> SearchStrategy[Any]:
    if issubclass(kind, BaseModel):
        return model(kind)
    if kind is int:
        return st.integers(limit.get("ge", -(2**63)), limit.get("le", limit.get("lt", 2**63) - 1))
    if kind is float:
        low = limit.get("ge", limit.get("gt"))
        return st.floats(low, limit.get("le"), exclude_min="gt" in limit, allow_nan=False, allow_infinity=False)
    if kind is str and "pattern" in limit:
        return st.from_regex(limit["pattern"].replace("$", r"\Z"))
    if kind is str:
        letters = st.characters(exclude_categories=["Cs"])
        return st.text(letters, min_size=limit.get("min_length", 0), max_size=min(limit.get("max_length", 20), 20))
    return {bool: st.booleans(), NoneType: st.none()}[kind]
