"""In which order tables are erased. Pure.

Rules:
1. A table comes after every table that refers to it, so that what still refers to a row when its
   turn comes will stay, and the row with it. So it does after every table whose rows find their
   person through its rows, without a foreign key: afterwards nobody could say whose they are.
2. Tables that refer to each other in a circle, and tables that refer to themselves, are erased
   together, in one statement.
"""

from __future__ import annotations

from collections.abc import Iterable

from domicile.inventory import Reference
from domicile.sites.postgres import TableName

__all__ = ["erasure_groups", "refers_to_itself"]


def erasure_groups(
    tables: Iterable[TableName], keys: Iterable[Reference]
) -> list[tuple[TableName, ...]]:
    """The tables in groups, children first. Tarjan's strongly connected components: a component
    comes out after everything it refers to, so the list is turned around."""
    children: dict[TableName, list[TableName]] = {table: [] for table in sorted(tables)}
    for key in keys:
        if key.child in children and key.parent in children:
            children[key.child].append(key.parent)
    return list(reversed(_components(children)))


def refers_to_itself(group: tuple[TableName, ...], keys: Iterable[Reference]) -> bool:
    """Whether a group's rows may refer to each other."""
    return len(group) > 1 or any(key.child == key.parent == group[0] for key in keys)


def _components(graph: dict[TableName, list[TableName]]) -> list[tuple[TableName, ...]]:
    found: list[tuple[TableName, ...]] = []
    index: dict[TableName, int] = {}
    low: dict[TableName, int] = {}
    stack: list[TableName] = []
    for root, first in graph.items():
        if root in index:
            continue
        work = [(root, iter(first))]
        index[root] = low[root] = len(index)
        stack.append(root)
        while work:
            table, parents = work[-1]
            for parent in parents:
                if parent not in index:
                    index[parent] = low[parent] = len(index)
                    stack.append(parent)
                    work.append((parent, iter(graph[parent])))
                    break
                if parent in stack:
                    low[table] = min(low[table], index[parent])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[table])
                if low[table] == index[table]:
                    cut = stack.index(table)
                    found.append(tuple(stack[cut:]))
                    del stack[cut:]
    return found
