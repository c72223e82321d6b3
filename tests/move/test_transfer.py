"""The budget of objects and bytes in flight."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from domicile.move.transfer import Budget

MIB = 1 << 20


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 40), min_size=1, max_size=40),
    cancelled=st.sets(st.integers(0, 39)),
    turns=st.integers(0, 5),
)
def test_neither_budget_is_exceeded_and_cancelled_waiters_take_no_place(
    sizes: list[int], cancelled: set[int], turns: int
) -> None:
    budget = Budget(objects=4, size_bytes=60 * MIB)
    held: list[int] = []
    peaks: list[tuple[int, int]] = []

    async def hold(size_bytes: int) -> None:
        async with budget.take(size_bytes):
            held.append(min(size_bytes, 24 * MIB))
            peaks.append((len(held), sum(held)))
            try:
                for _ in range(3):
                    await asyncio.sleep(0)
            finally:
                held.remove(min(size_bytes, 24 * MIB))

    async def run() -> list[object]:
        tasks = [asyncio.create_task(hold(size * MIB)) for size in sizes]
        for _ in range(turns):
            await asyncio.sleep(0)
        for number in cancelled & set(range(len(tasks))):
            tasks[number].cancel()
        done = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
        async with budget.take(60 * MIB):  # nothing was lost
            pass
        places = [budget.take(15 * MIB) for _ in range(4)]
        for place in places:
            await asyncio.wait_for(place.__aenter__(), 5)
        for place in places:
            await place.__aexit__(None, None, None)
        return list(done)

    results = asyncio.run(run())
    assert all(r is None or isinstance(r, asyncio.CancelledError) for r in results)
    assert all(count <= 4 and size <= 60 * MIB for count, size in peaks)


def test_places_are_given_in_the_order_of_asking() -> None:
    async def run() -> list[int]:
        budget = Budget(objects=1, size_bytes=100)
        order: list[int] = []

        async def hold(number: int, size_bytes: int) -> None:
            async with budget.take(size_bytes):
                order.append(number)
                await asyncio.sleep(0)

        await asyncio.gather(*(hold(n, size) for n, size in enumerate([60, 100, 1, 1])))
        return order

    assert asyncio.run(run()) == [0, 1, 2, 3]
