"""Requests in flight: what is planned is fetched ahead by a few threads and delivered in order.

The plan runs over all streams of a run, so that the first windows of the next stream are under
way while one is being emitted. What is fetched but not yet delivered is never more than the
number of requests that may be in flight: a slow target stops the fetching, and memory is bounded.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_Source = TypeVar("_Source")
_Answer = TypeVar("_Answer")


class Planned(NamedTuple, Generic[_Source, _Answer]):
    """A request of a source (a stream), or its end where `fetch` is None."""

    source: _Source
    fetch: Callable[[], _Answer] | None


class FetchAhead(Generic[_Source, _Answer]):
    """Carries out a plan ahead of those who take its answers."""

    def __init__(
        self,
        plan: Callable[[_Source], Iterator[Planned[_Source, _Answer]]],
        most: int,
    ) -> None:
        """Prepare; nothing is requested yet.

        Args:
            plan: Returns the requests from a source on: its own, then those of all that follow.
            most: How many requests may be in flight or wait for delivery.
        """
        self._make_plan = plan
        self._most = most
        self._plan: Iterator[Planned[_Source, _Answer]] = iter(())
        self._under_way: deque[tuple[_Source, Future[_Answer] | None]] = deque()
        self._work: SimpleQueue[tuple[Callable[[], _Answer], Future[_Answer]]] = SimpleQueue()
        self._threads = 0

    def answers(self, source: _Source, *, one_by_one: bool = False) -> Iterator[_Answer]:
        """Yield the answers of a source in the order of the plan.

        An error of a request is raised in its turn, after all that precedes it was yielded.

        Args:
            source: The stream whose turn it is.
            one_by_one: Whether to request nothing before it is asked for.
        """
        if not self._under_way or self._under_way[0][0] is not source:
            self.plan_again(source)
        while True:
            if not (one_by_one and self._under_way):
                self._fill(1 if one_by_one else self._most)
            _, future = self._under_way.popleft()
            if future is None:
                return
            if not one_by_one:
                self._fill(self._most)
            yield future.result()

    def plan_again(self, source: _Source) -> None:
        """Drop what is under way and plan anew from a source on."""
        for _, future in self._under_way:
            if future:
                future.cancel()
        self._under_way.clear()
        self._plan = self._make_plan(source)

    def _fill(self, most: int) -> None:
        requests = sum(future is not None for _, future in self._under_way)
        while requests < most:
            planned = next(self._plan, None)
            if planned is None:
                return
            future = self._submit(planned.fetch) if planned.fetch else None
            requests += future is not None
            self._under_way.append((planned.source, future))

    def _submit(self, fetch: Callable[[], _Answer]) -> Future[_Answer]:
        future: Future[_Answer] = Future()
        self._work.put((fetch, future))
        if self._threads < self._most:
            self._threads += 1
            # Those of concurrent.futures would hold the exit until their requests end.
            threading.Thread(target=self._run, name=f"request-{self._threads}", daemon=True).start()
        return future

    def _run(self) -> None:
        while True:
            fetch, future = self._work.get()
            if future.set_running_or_notify_cancel():
                try:
                    answer = fetch()
                except BaseException as error:  # noqa: BLE001 - raised where the answer is taken
                    future.set_exception(error)
                else:
                    future.set_result(answer)
                    del answer
            del fetch, future
