"""The SDK's kind of paginator, over windows of days. All windowed streams share it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from singer_sdk.pagination import BaseAPIPaginator

from tap_cobrowser.days import ONE_DAY, DateWindow

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    import requests


class WindowPaginator(BaseAPIPaginator[DateWindow]):
    """Divides the days from the first to the last into windows without gap or overlap.

    It advances without a response, so that windows can be fetched ahead. A window without rows is
    a page like any other.
    """

    def __init__(self, first: date, last: date, days: int, *, newest_first: bool = False) -> None:
        """Start at the oldest window of at most so many days, or at the newest.

        If the last day is before the first, there is none.
        """
        self._first, self._last = first, last
        self._more = (days - 1) * ONE_DAY
        self._newest_first = newest_first
        super().__init__(self._up_to(last) if newest_first else self._from(first))
        self._finished = first > last

    def windows(self) -> Iterator[DateWindow]:
        """Yield all windows."""
        while not self.finished:
            yield self.current_value
            self.advance()

    def _from(self, day: date) -> DateWindow:
        return DateWindow(day, min(self._last, day + self._more))

    def _up_to(self, day: date) -> DateWindow:
        return DateWindow(max(self._first, day - self._more), day)

    @override
    def continue_if_empty(self, response: requests.Response | None) -> bool:
        return True

    @override
    def has_more(self, response: requests.Response | None) -> bool:
        if self._newest_first:
            return self._value.first > self._first
        return self._value.last < self._last

    @override
    def get_next(self, response: requests.Response | None) -> DateWindow:
        if self._newest_first:
            return self._up_to(self._value.first - ONE_DAY)
        return self._from(self._value.last + ONE_DAY)

    @override
    def advance(self, response: requests.Response | None = None) -> None:
        super().advance(response)  # type: ignore[arg-type]
