"""Requests made ahead: a fixed list, a few threads, results in order.

A slow target stops the requests, and memory is bounded: what waits stays near 32 MiB of bodies.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

_ROOM = 32 * 2**20
_UNSEEN = 8 * 2**20

_Source = TypeVar("_Source")
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Prefetch(Generic[_Source, _Item, _Result]):
    """Fetches a list of items ahead of their use, those of one source after another."""

    def __init__(  # noqa: PLR0913 - each is one number or function
        self,
        plan: Iterable[tuple[_Source, _Item]],
        fetch: Callable[[_Source, _Item], _Result],
        *,
        size: Callable[[_Result], int],
        threads: int,
        sizes: Mapping[_Source, int] | None = None,
        first_alone: bool = False,
    ) -> None:
        """Prepare; nothing is fetched yet.

        Args:
            plan: The items in the order in which they will be used, each with its source.
            fetch: Fetches an item; called from several threads.
            size: Returns the size of a result in bytes.
            threads: How many items are fetched at once.
            sizes: The largest size of a result of each source that was seen before.
            first_alone: Whether nothing else is fetched until the first item is there.
        """
        self._plan = deque(plan)
        self._sources = list(dict.fromkeys(source for source, _ in self._plan))
        self._fetch = fetch
        self._size = size
        self._threads, self._most = threads, 1 if first_alone else threads
        self._sizes = dict(sizes or {})
        self._waiting: deque[tuple[_Source, _Item, Future[_Result]]] = deque()
        self._work: SimpleQueue[tuple[_Source, _Item, Future[_Result]] | None] = SimpleQueue()
        self._started = 0

    def results(self, source: _Source) -> Iterator[tuple[_Item, _Result]]:
        """Yield the items of a source with their results, in order.

        The error of an item is raised in its turn. What is left of earlier sources is dropped.
        """
        if source not in self._sources:
            return
        self.drop(*self._sources[: self._sources.index(source)])
        while self._fill() and self._waiting[0][0] == source:
            _, item, future = self._waiting.popleft()
            if self._most > 1:
                # One more than there are threads, so that all are busy while this one is used.
                self._fill(source)
            result = future.result()
            self._most = self._threads
            self._sizes[source] = max(self._size(result), self._sizes.get(source, 0))
            held = [result]
            del result, future  # which can be large: whoever uses it may drop it
            yield item, held.pop()
        self.drop(source)

    def drop(self, *sources: _Source) -> None:
        """Drop the items of sources that were not used."""
        for found, _, future in self._waiting:
            if found in sources:
                future.cancel()
        self._waiting = deque(each for each in self._waiting if each[0] not in sources)
        self._plan = deque(each for each in self._plan if each[0] not in sources)
        if not (self._waiting or self._plan):
            for _ in range(self._started):
                self._work.put(None)
            self._started = 0

    def _fill(self, *in_use: _Source) -> bool:
        """Fetch as many items as there is room for, at least one; return whether any waits.

        `in_use` is the source of the result that is being used, if any.
        """
        while self._plan and len(self._waiting) < self._most:
            source, item = self._plan[0]
            likely = [*in_use, *(each for each, *_ in self._waiting)]
            room = _ROOM - sum(self._sizes.get(each, _UNSEEN) for each in (*likely, source))
            if likely and room < 0:
                break
            self._plan.popleft()
            entry = (source, item, Future[_Result]())
            self._waiting.append(entry)
            self._work.put(entry)
            busy = sum(not future.done() for *_, future in self._waiting)
            if self._started < min(busy, self._threads):  # each thread has memory of its own
                self._started += 1
                # Threads of concurrent.futures would delay the exit until their requests end.
                threading.Thread(target=self._run, name="request", daemon=True).start()
        return bool(self._waiting)

    def _run(self) -> None:
        while entry := self._work.get():
            source, item, future = entry
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(self._fetch(source, item))
                except BaseException as error:  # noqa: BLE001 - raised where the result is used
                    future.set_exception(error)
            del entry, future
