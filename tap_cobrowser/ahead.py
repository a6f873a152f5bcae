"""Requests in flight: what is planned is fetched ahead by a few threads and delivered in order.

The plan runs over all streams of a run, so that the first windows of the next stream are under
way while one is being emitted. What is fetched but not yet delivered is never more than the
number of requests that may be in flight: a slow target stops the fetching, and memory is bounded.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_Source = TypeVar("_Source")
_Page = TypeVar("_Page")
_Mark = TypeVar("_Mark")
_Response = TypeVar("_Response")


@dataclass(frozen=True, slots=True)
class Planned(Generic[_Source, _Page]):
    """A request of a source (a pass over a stream) for a page of it, or its end."""

    source: _Source
    page: _Page | None = None
    end: bool = False


class FetchAhead(Generic[_Source, _Page, _Mark, _Response]):
    """Carries out a plan ahead of those who take its responses."""

    def __init__(
        self,
        plan: Callable[[_Source, _Mark | None], Iterator[Planned[_Source, _Page]]],
        fetch: Callable[[_Source, _Page | None], _Response],
        most: int,
    ) -> None:
        """Prepare; nothing is requested yet.

        Args:
            plan: Returns the requests from a source on: its own, behind what it has read already if
                that is given, then those of all that follow.
            fetch: Makes a request; called from several threads.
            most: How many requests may be in flight or wait for delivery.
        """
        self._make_plan = plan
        self._fetch = fetch
        self._most = most
        self._plan: Iterator[Planned[_Source, _Page]] = iter(())
        self._under_way: deque[tuple[Planned[_Source, _Page], Future[_Response]]] = deque()
        self._kept: dict[Planned[_Source, _Page], Future[_Response]] = {}
        self._work: SimpleQueue[tuple[Planned[_Source, _Page], Future[_Response]] | None]
        self._work = SimpleQueue()
        self._threads = 0

    def responses(
        self, source: _Source, after: _Mark | None = None, *, one_by_one: bool = False
    ) -> Iterator[_Response]:
        """Yield the responses of a source in the order of the plan.

        An error of a request is raised in its turn, after all that precedes it was yielded.

        Args:
            source: The one whose turn it is.
            after: What it has read already, where it is planned anew.
            one_by_one: Whether to request nothing before it is asked for.
        """
        if not self._under_way or self._under_way[0][0].source != source:
            self.plan_again()
            self._plan = self._make_plan(source, after)
        while True:
            if not (one_by_one and self._under_way):
                self._fill(1 if one_by_one else self._most)
            planned, future = self._under_way.popleft()
            if planned.end:
                break
            if not one_by_one:
                self._fill(self._most)
            try:
                response = future.result()
            except BaseException:
                self._end()
                raise
            yield response
        if not self._under_way:
            self._end()

    def plan_again(self) -> None:
        """Drop the plan. Of what is under way, only what the next plan has is kept."""
        self._kept.update(self._under_way)
        self._under_way.clear()

    def _end(self) -> None:
        """Let the threads end: there is no more to fetch, or no use for it."""
        for _, future in self._under_way:
            future.cancel()
        self._under_way.clear()
        for _ in range(self._threads):
            self._work.put(None)
        self._threads = 0

    def _fill(self, most: int) -> None:
        requests = sum(not planned.end for planned, _ in self._under_way)
        while requests < most:
            planned = next(self._plan, None)
            if planned is None:
                break
            future = self._kept.pop(planned, None)
            if future is None:
                future = Future()
                if not planned.end:
                    self._submit(planned, future)
            self._under_way.append((planned, future))
            requests += not planned.end
        for future in self._kept.values():
            future.cancel()
        self._kept.clear()

    def _submit(self, planned: Planned[_Source, _Page], future: Future[_Response]) -> None:
        self._work.put((planned, future))
        if self._threads < self._most:
            self._threads += 1
            # Those of concurrent.futures would hold the exit until their requests end.
            threading.Thread(
                target=self._work_off, name=f"request-{self._threads}", daemon=True
            ).start()

    def _work_off(self) -> None:
        while work := self._work.get():
            planned, future = work
            if future.set_running_or_notify_cancel():
                try:
                    response = self._fetch(planned.source, planned.page)
                except BaseException as error:  # noqa: BLE001 - raised where the response is taken
                    future.set_exception(error)
                else:
                    future.set_result(response)
                    del response
            del work, planned, future
