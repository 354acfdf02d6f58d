"""Listings of models and versions: filtered, ordered, in pages. ml-metadata narrows, the pure filter decides.

Measured on 10 000 versions of 1000 models (SQLite, benchmarks/listing.py): reading and judging all of them in Python
takes seconds, the first page that ml-metadata narrows for us takes hundredths of one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from seatrial.errors import Refused
from seatrial.registry import paging, rules
from seatrial.registry.entities import ModelVersion, RegisteredModel, StageMove
from seatrial.registry.mlmd_query import version_query
from seatrial.registry.mlmd_store import Registry
from seatrial.registry.paging import Key, Order, Page
from seatrial.registry.query import Filter, Place, in_place, matches, parse_field, value_of

NOWHERE: tuple[Place, ...] = (("local", "None"),)
BATCH = 200  # versions read at once while a page is filled

Places = Callable[[ModelVersion], tuple[Place, ...]]


def find_versions(
    registry: Registry, wanted: Filter, order: Order, limit: int = paging.DEFAULT_LIMIT, cursor: str | None = None
) -> Page[ModelVersion]:
    """A page of the versions of all models that meet the filter.

    `created` is the order of registration; any other field but text, stage and environment orders by its value, and
    versions without one come last. Raises Refused for other fields, limits and foreign cursors.
    """
    limit, question = paging.check_limit(limit), f"versions {wanted} by {order}"
    names, places = _places(registry, wanted)
    if order.field != "created":
        keyed = _keyed(order, _matching(registry, wanted, names, places))
        return paging.page(keyed, order, limit, question, cursor)
    after = None if cursor is None else int(paging.decode(cursor, question)[2])
    found: list[tuple[Key, ModelVersion]] = []
    for version in _in_order(registry, version_query(wanted, names), after, newest_first=order.descending):
        if _is_met(wanted, version, places):
            found.append((paging.key_of(version.model_id, version.model_id), version))
            if len(found) > limit:
                break
    return paging.page(found, order, limit, question, cursor)


def find_models(
    registry: Registry, wanted: Filter, order: Order, limit: int = paging.DEFAULT_LIMIT, cursor: str | None = None
) -> Page[RegisteredModel]:
    """A page of the models of which at least one version meets the filter, by `name` or `created`."""
    if order.field not in ("name", "created"):
        raise Refused(f"models cannot be ordered by {order.field!r} (limit: name, created)", field="order")
    limit, question = paging.check_limit(limit), f"models {wanted} by {order}"
    models = registry.models()
    if wanted.clauses:
        names, places = _places(registry, wanted)
        having = {version.model for version in _matching(registry, wanted, names, places)}
        models = [model for model in models if model.name in having]
    keyed = [(paging.key_of(m.name if order.field == "name" else m.created_ms, m.name), m) for m in models]
    return paging.page(keyed, order, limit, question, cursor)


def places_of(ledger: list[StageMove], version: int) -> tuple[Place, ...]:
    """Where a version is, by environment; None in `local` for one that was never moved."""
    folded = rules.stages(ledger).items()
    return tuple((environment, stage) for (environment, number), stage in folded if number == version) or NOWHERE


def _places(registry: Registry, wanted: Filter) -> tuple[set[str] | None, Places]:
    """The only versions that the filter can mean by their places, if they can be told, and every version's places."""
    if not wanted.asks_place:
        return None, lambda _: NOWHERE
    placed: dict[tuple[str, int], tuple[Place, ...]] = {}
    for model, ledger in registry.ledgers().items():
        for (environment, number), stage in rules.stages(ledger).items():
            placed[model, number] = (*placed.get((model, number), ()), (environment, stage))
    names = {f"{model}@{number}" for (model, number), places in placed.items() if in_place(wanted, places)}
    unmoved = in_place(wanted, NOWHERE)
    return None if unmoved else names, lambda version: placed.get((version.model, version.version), NOWHERE)


def _matching(registry: Registry, wanted: Filter, names: set[str] | None, places: Places) -> list[ModelVersion]:
    found = registry.find_versions(version_query(wanted, names))
    return [version for version in found if _is_met(wanted, version, places)]


def _is_met(wanted: Filter, version: ModelVersion, places: Places) -> bool:
    return version.deleted is None and matches(wanted, version, places(version))


def _in_order(registry: Registry, query: str, after: int | None, *, newest_first: bool) -> Iterator[ModelVersion]:
    while True:
        beyond = "" if after is None else f" AND id {'<' if newest_first else '>'} {after}"
        batch = registry.find_versions(query + beyond, BATCH, newest_first=newest_first)
        yield from batch
        if len(batch) < BATCH:
            return
        after = batch[-1].model_id


def _keyed(order: Order, versions: list[ModelVersion]) -> list[tuple[Key, ModelVersion]]:
    try:
        field, key = parse_field(order.field)
    except Refused as error:
        raise Refused(error.message.replace("filter", "order", 1), field="order", value=order.field) from error
    if field in ("text", "stage", "environment"):
        raise Refused(f"versions cannot be ordered by {field}", field="order", value=field)
    keyed = []
    for version in versions:
        value = value_of(field, key, version)
        assert not isinstance(value, tuple)
        keyed.append((paging.key_of(value, version.model_id), version))
    return keyed
