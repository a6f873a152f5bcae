"""Requests made ahead: order, errors in their turn, bounds."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tap_cobrowser.api.prefetch import Prefetch

MIB = 2**20


class Fetched:
    """Counts what is fetched at once, and what was fetched."""

    def __init__(self, *, size: int = 1, fails_at: int | None = None) -> None:
        self.size, self.fails_at = size, fails_at
        self.items: list[int] = []
        self.now = self.most = 0
        self.lock = threading.Lock()
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, source: str, item: int) -> int:
        with self.lock:
            self.items.append(item)
            self.now += 1
            self.most = max(self.most, self.now)
        self.gate.wait(5)
        with self.lock:
            self.now -= 1
        if item == self.fails_at:
            msg = f"{source} {item}"
            raise ValueError(msg)
        return item

    def ahead(
        self, plan: list[tuple[str, int]], threads: int = 4, **more: Any
    ) -> Prefetch[str, int, int]:
        return Prefetch(plan, self, size=lambda _: self.size, threads=threads, **more)


def plan_of(**counts: int) -> list[tuple[str, int]]:
    numbers = iter(range(100))
    return [(source, next(numbers)) for source, count in counts.items() for _ in range(count)]


def test_results_arrive_in_the_order_of_the_plan() -> None:
    fetched = Fetched()
    ahead = fetched.ahead(plan_of(a=5, b=7))
    assert [item for item, _ in ahead.results("a")] == [0, 1, 2, 3, 4]
    assert [item for item, _ in ahead.results("b")] == [5, 6, 7, 8, 9, 10, 11]
    assert sorted(fetched.items) == list(range(12))


def test_no_more_items_are_fetched_at_once_than_there_are_threads() -> None:
    fetched = Fetched()
    assert len(list(fetched.ahead(plan_of(a=30), threads=3).results("a"))) == 30
    assert fetched.most <= 3


def test_an_error_is_raised_in_its_turn_and_the_next_source_is_whole() -> None:
    fetched = Fetched(fails_at=2)
    ahead = fetched.ahead(plan_of(a=5, b=3))
    results = ahead.results("a")
    assert [next(results)[0], next(results)[0]] == [0, 1]
    with pytest.raises(ValueError, match="a 2"):
        next(results)
    assert [item for item, _ in ahead.results("b")] == [5, 6, 7]


def test_what_is_left_of_a_source_that_was_abandoned_is_dropped() -> None:
    fetched = Fetched()
    ahead = fetched.ahead(plan_of(a=20, b=2, c=2))
    next(ahead.results("a"))
    assert [item for item, _ in ahead.results("c")] == [22, 23]
    assert len(fetched.items) < 20


def test_a_source_without_items_drops_nothing() -> None:
    ahead = Fetched().ahead(plan_of(a=2, b=2))
    assert list(ahead.results("z")) == []
    assert [item for item, _ in ahead.results("a")] == [0, 1]


def test_a_slow_consumer_stops_the_requests() -> None:
    fetched = Fetched()
    results = fetched.ahead(plan_of(a=50), threads=4).results("a")
    next(results)
    assert len(fetched.items) <= 5


def test_large_bodies_lower_the_number_of_requests() -> None:
    fetched = Fetched(size=30 * MIB)
    results = fetched.ahead(plan_of(a=20), threads=4).results("a")
    for _ in range(5):
        next(results)
    # the four of the beginning, when the size was not known, and then only what is needed
    assert len(fetched.items) <= 6


def test_sizes_that_were_seen_before_count_from_the_beginning() -> None:
    fetched = Fetched(size=30 * MIB)
    results = fetched.ahead(plan_of(a=20), threads=4, sizes={"a": 30 * MIB}).results("a")
    next(results)
    assert len(fetched.items) == 1


def test_the_first_item_can_be_fetched_alone() -> None:
    fetched = Fetched()
    fetched.gate.clear()
    results = fetched.ahead(plan_of(a=9), threads=4, first_alone=True).results("a")
    threading.Timer(0.2, fetched.gate.set).start()
    next(results)
    assert fetched.items == [0]
    assert len(list(results)) == 8


def test_the_threads_end_with_the_plan() -> None:
    before = set(threading.enumerate())
    list(Fetched().ahead(plan_of(a=8)).results("a"))
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
        assert not thread.is_alive()
