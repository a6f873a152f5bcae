"""The paginator of the SDK's kind that walks days in windows, shared by all windowed streams."""

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
    from datetime import date

    import requests


class WindowPaginator(BaseAPIPaginator[DateWindow]):
    """Walks the days from the first to the last, oldest first, in windows without gap or overlap.

    It knows its pages beforehand, so it can advance without an answer: that is what lets windows
    be fetched ahead. A window without rows is a page like any other.
    """

    def __init__(self, first: date, last: date, days: int) -> None:
        """Start at the oldest window.

        Args:
            first: The first day.
            last: The last day, included. If it is before `first`, there is no window at all.
            days: How many days a window holds at most.
        """
        super().__init__(DateWindow(first, min(last, first + (days - 1) * ONE_DAY)))
        self._last = last
        self._days = days
        self._finished = first > last

    @override
    def continue_if_empty(self, response: requests.Response | None) -> bool:
        return True

    @override
    def has_more(self, response: requests.Response | None) -> bool:
        return self._value.last < self._last

    @override
    def get_next(self, response: requests.Response | None) -> DateWindow:
        first = self._value.last + ONE_DAY
        return DateWindow(first, min(self._last, first + (self._days - 1) * ONE_DAY))

    @override
    def advance(self, response: requests.Response | None = None) -> None:
        super().advance(response)  # type: ignore[arg-type]
