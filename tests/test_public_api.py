"""The public names are one list, and the list is true."""

from __future__ import annotations

import inspect

import pytest

import helios_world
import helios_world.errors
import helios_world.snapshot
import helios_world.spec
from helios_world.errors import HeliosError
from helios_world.snapshot import Snapshot

CONTRACT = ("helios_world.spec", "helios_world.actions")
HOMES = (helios_world.spec, helios_world.snapshot, helios_world.errors)


def test_every_name_resolves_to_the_thing_itself() -> None:
    for name in helios_world.__all__:
        value = getattr(helios_world, name)
        assert any(getattr(home, name, None) is value for home in HOMES), name
    assert helios_world.Snapshot is Snapshot
    assert helios_world.HeliosError is HeliosError


def test_the_list_is_sorted_and_complete() -> None:
    public = {
        name
        for name, value in vars(helios_world.spec).items()
        if inspect.isclass(value) and value.__module__ in CONTRACT and not name.startswith("_")
    }
    assert set(helios_world.__all__) == public | {"NO_ACTION", "Snapshot", "HeliosError"}
    constants = [name for name in helios_world.__all__ if name.isupper()]
    classes = [name for name in helios_world.__all__ if not name.isupper()]
    assert helios_world.__all__ == sorted(constants) + sorted(classes)
    assert dir(helios_world) == sorted(helios_world.__all__)


def test_unknown_names_say_what_there_is() -> None:
    with pytest.raises(AttributeError, match=r"'Wrold'.*WorldSpec"):
        helios_world.Wrold  # noqa: B018


def test_every_error_has_a_code_of_its_own() -> None:
    kinds = [value for value in vars(helios_world.errors).values() if inspect.isclass(value)]
    errors = [kind for kind in kinds if issubclass(kind, HeliosError)]
    assert len({kind.code for kind in errors}) == len(errors)
    drawing = helios_world.errors.__doc__ or ""
    assert all(kind.__name__ in drawing for kind in errors)
