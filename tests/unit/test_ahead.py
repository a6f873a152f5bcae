"""Requests in flight: order, bounds and errors, by counting."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from tap_cobrowser.ahead import FetchAhead, Planned

if TYPE_CHECKING:
    from collections.abc import Iterator

PLAN = {"first": 7, "without any": 0, "second": 5}


class Fetches:
    """A plan of numbered requests that counts what is under way."""

    def __init__(self, *, failing: set[tuple[str, int]] | None = None) -> None:
        self.failing = failing or set()
        self.asked: list[tuple[str, int]] = []
        self.lock = threading.Lock()
        self.running = self.most_running = 0

    def plan(self, first: str, after: int | None = None) -> Iterator[Planned[str, int]]:
        sources = list(PLAN)
        for source in sources[sources.index(first) :]:
            for number in range((after or 0) if source == first else 0, PLAN[source]):
                yield Planned(source, number)
            yield Planned(source, end=True)

    def fetch(self, source: str, number: int | None) -> tuple[str, int]:
        assert number is not None
        with self.lock:
            self.asked.append((source, number))
            self.running += 1
            self.most_running = max(self.most_running, self.running)
        threading.Event().wait(0.001 * (number % 3))
        with self.lock:
            self.running -= 1
        if (source, number) in self.failing:
            raise ValueError(source, number)
        return source, number


@pytest.mark.parametrize("most", [1, 2, 4, 16])
def test_answers_come_in_the_order_of_the_plan(most: int) -> None:
    fetches = Fetches()
    ahead = FetchAhead(fetches.plan, fetches.fetch, most)
    for source, count in PLAN.items():
        assert list(ahead.responses(source)) == [(source, number) for number in range(count)]
    assert sorted(fetches.asked) == sorted(
        (source, number) for source, count in PLAN.items() for number in range(count)
    )


@pytest.mark.parametrize("most", [1, 2, 4])
def test_no_more_is_fetched_than_may_be_in_flight_until_it_is_taken(most: int) -> None:
    fetches = Fetches()
    ahead = FetchAhead(fetches.plan, fetches.fetch, most)
    for taken, _ in enumerate(ahead.responses("first"), 1):
        threading.Event().wait(0.01)  # a slow target: whatever may be fetched has been
        with fetches.lock:
            assert len(fetches.asked) <= taken + most
    assert fetches.most_running <= most


def test_the_next_source_is_fetched_while_one_is_emitted() -> None:
    fetches = Fetches()
    ahead = FetchAhead(fetches.plan, fetches.fetch, 4)
    answers = ahead.responses("first")
    for _ in range(PLAN["first"]):
        next(answers)
    while ("second", 3) not in fetches.asked:
        threading.Event().wait(0.001)


def test_an_error_is_raised_in_its_turn() -> None:
    fetches = Fetches(failing={("first", 3)})
    ahead = FetchAhead(fetches.plan, fetches.fetch, 4)
    answers = ahead.responses("first")
    assert [next(answers) for _ in range(3)] == [("first", number) for number in range(3)]
    with pytest.raises(ValueError, match="3"):
        next(answers)


def test_one_by_one_asks_for_nothing_before_it_is_wanted() -> None:
    fetches = Fetches()
    ahead = FetchAhead(fetches.plan, fetches.fetch, 4)
    answers = ahead.responses("first", one_by_one=True)
    for number in range(3):
        assert next(answers) == ("first", number)
        assert len(fetches.asked) == number + 1
    assert next(ahead.responses("second", one_by_one=True)) == ("second", 0)
    assert len(fetches.asked) == 4


def test_planning_again_asks_anew_only_for_what_is_not_under_way() -> None:
    fetches = Fetches()
    ahead = FetchAhead(fetches.plan, fetches.fetch, 3)
    assert next(ahead.responses("first")) == ("first", 0)
    ahead.plan_again()
    assert list(ahead.responses("first", 1)) == [("first", number) for number in range(1, 7)]
    assert [fetches.asked.count(("first", number)) for number in range(7)] == [1] * 7


def test_a_source_may_be_left_out_or_begun_before_the_one_before_it_ended() -> None:
    fetches = Fetches()
    ahead = FetchAhead(fetches.plan, fetches.fetch, 4)
    next(ahead.responses("first"))
    assert list(ahead.responses("second")) == [("second", number) for number in range(5)]


@pytest.mark.parametrize("failing", [True, False])
def test_threads_do_not_hold_the_exit_and_end_with_the_run(*, failing: bool) -> None:
    before = set(threading.enumerate())
    fetches = Fetches(failing={("second", 3)} if failing else None)
    ahead = FetchAhead(fetches.plan, fetches.fetch, 4)
    list(ahead.responses("first"))
    workers = set(threading.enumerate()) - before
    assert len(workers) == 4
    assert all(worker.daemon for worker in workers)
    list(ahead.responses("without any"))
    with pytest.raises(ValueError, match="second") if failing else nullcontext():
        list(ahead.responses("second"))
    for worker in workers:
        worker.join(5)
        assert not worker.is_alive()
