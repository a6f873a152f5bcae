"""Requests in flight: a few threads make the planned requests ahead, and deliver them in order.

The plan covers all streams of a run, so that the first windows of the next stream are requested
while one is being emitted. The number of responses that wait for delivery is limited to the number
of requests that may be in flight: a slow target stops the requests, and memory is bounded.

It is also bounded in bytes. A request is made ahead only if there is room for a response as large
as earlier ones of its source. If a response turns out to be too large, it is dropped, and requested
again when it is its turn. No thread ever waits for room, so there is no deadlock.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import chain
from queue import SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeVar, cast

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


class PutOffError(Exception):
    """A response is too large to be fetched ahead. It is requested again when it is its turn."""


@dataclass(eq=False, slots=True)
class _Request(Generic[_Source, _Page, _Response]):
    """A request in flight, and the number of bytes of its response so far."""

    planned: Planned[_Source, _Page]
    future: Future[_Response]
    size: int = 0


class FetchAhead(Generic[_Source, _Page, _Mark, _Response]):
    """Makes the requests of a plan ahead of their use."""

    def __init__(
        self,
        plan: Callable[[_Source, _Mark | None], Iterator[Planned[_Source, _Page]]],
        fetch: Callable[[_Source, _Page | None], _Response],
        most: int,
        room: int = 32 * 2**20,
    ) -> None:
        """Prepare; nothing is requested yet.

        Args:
            plan: Returns the requests of a source, after what it has read already if that is given,
                and those of all later sources.
            fetch: Makes a request; called from several threads. It reports progress to `received`.
            most: Maximum number of requests that are in flight or wait for delivery.
            room: Maximum number of bytes of responses that are fetched ahead.
        """
        self._make_plan = plan
        self._fetch = fetch
        self._most, self._room = most, room
        self._plan: Iterator[Planned[_Source, _Page]] = iter(())
        # Replaced as a whole, never changed, because the threads read it, too.
        self._under_way: tuple[_Request[_Source, _Page, _Response], ...] = ()
        self._kept: dict[Planned[_Source, _Page], _Request[_Source, _Page, _Response]] = {}
        self._work: SimpleQueue[_Request[_Source, _Page, _Response] | None] = SimpleQueue()
        self._threads = 0
        self._sizes: dict[_Source, int] = {}
        self._awaited: _Request[_Source, _Page, _Response] | None = None
        self._of_thread = threading.local()

    @property
    def source(self) -> _Source:
        """The source of the request that this thread makes."""
        return cast("_Source", self._of_thread.request.planned.source)

    def received(self, size: int) -> None:
        """Record the progress of the response to the request that this thread makes.

        Args:
            size: The bytes that were received since the last call.

        Raises:
            PutOffError: If there is no room for more.
        """
        request = self._of_thread.request
        request.size += size
        if request is not self._awaited and self._ahead() > self._room:
            raise PutOffError

    def dropped(self) -> None:
        """Record that the bytes so far are dropped, because the request is retried."""
        self._of_thread.request.size = 0

    def responses(
        self, source: _Source, after: _Mark | None = None, *, one_by_one: bool = False
    ) -> Iterator[_Response]:
        """Yield the responses of a source in the order of the plan.

        An error of a request is raised in its turn, after all responses before it were yielded.

        Args:
            source: The current source.
            after: What it has read already, if its requests are planned again.
            one_by_one: Whether to make each request only when its response is needed.
        """
        if not self._under_way or self._under_way[0].planned.source != source:
            self.plan_again()
            self._plan = self._make_plan(source, after)
        while True:
            if not (one_by_one and self._under_way):
                self._fill(1 if one_by_one else self._most)
            request, *_ = self._under_way
            if not request.planned.end:
                self._awaited = request
            self._under_way = self._under_way[1:]
            if request.planned.end:
                break
            if not one_by_one:
                self._fill(self._most)
            try:
                response = self._result(request)
            except BaseException:
                self._end()
                raise
            finally:
                self._awaited = None
            yield response
            del response, request  # before the next one is read
        if not self._under_way:
            self._end()

    def plan_again(self) -> None:
        """Drop the plan. Of the requests in flight, those that the next plan has are kept."""
        self._kept.update({request.planned: request for request in self._under_way})
        self._under_way = ()

    def _result(self, request: _Request[_Source, _Page, _Response]) -> _Response:
        try:
            response = request.future.result()
        except PutOffError:
            request.future, request.size = Future(), 0
            self._submit(request)
            response = request.future.result()
        source = request.planned.source
        # The windows of a source differ, for example by weekday; a rare size is forgotten.
        self._sizes[source] = max(request.size, self._sizes.get(source, 0) * 7 // 8)
        return response

    def _ahead(self) -> int:
        return sum(request.size for request in self._under_way)

    def _has_room(self, source: _Source) -> bool:
        likely = (
            max(request.size, self._sizes.get(request.planned.source, 0))
            for request in self._under_way
            if not request.planned.end
        )
        return sum(likely) + self._sizes.get(source, 0) <= self._room

    def _end(self) -> None:
        """Let the threads end: there are no more requests, or they are not needed."""
        for request in self._under_way:
            request.future.cancel()
        self._under_way = ()
        for _ in range(self._threads):
            self._work.put(None)
        self._threads = 0

    def _fill(self, most: int) -> None:
        requests = sum(not request.planned.end for request in self._under_way)
        while requests < most:
            planned = next(self._plan, None)
            if planned is None:
                break
            # The next request in the order of the plan is made in any case.
            if (
                not planned.end
                and (self._under_way or self._awaited)
                and not self._has_room(planned.source)
            ):
                self._plan = chain([planned], self._plan)
                break
            request = self._kept.pop(planned, None)
            if request is None:
                request = _Request(planned, Future())
                if not planned.end:
                    self._submit(request)
            self._under_way = (*self._under_way, request)
            requests += not planned.end
        for request in self._kept.values():
            request.future.cancel()
        self._kept.clear()

    def _submit(self, request: _Request[_Source, _Page, _Response]) -> None:
        self._work.put(request)
        if self._threads < self._most:
            self._threads += 1
            # Threads of concurrent.futures would delay the exit until their requests end.
            threading.Thread(
                target=self._work_off, name=f"request-{self._threads}", daemon=True
            ).start()

    def _work_off(self) -> None:
        while request := self._work.get():
            self._of_thread.request = request
            planned, future = request.planned, request.future
            if future.set_running_or_notify_cancel():
                try:
                    response = self._fetch(planned.source, planned.page)
                except BaseException as error:  # noqa: BLE001 - raised where the response is taken
                    future.set_exception(error)
                else:
                    future.set_result(response)
                    del response
            del request, planned, future, self._of_thread.request
