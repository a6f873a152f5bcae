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
    """Divides the days from the first to the last, included, into windows of at most `days` days.

    It advances without a response, so that windows can be fetched ahead. A window without rows is
    a page like any other.
    """

    def __init__(self, first: date, last: date, days: int) -> None:
        """Start at the oldest window; there is none if `last` is before `first`."""
        self._last, self._more = last, (days - 1) * ONE_DAY
        super().__init__(self._from(first))
        self._finished = first > last

    def windows(self) -> Iterator[DateWindow]:
        """Yield all windows."""
        while not self.finished:
            yield self.current_value
            self.advance()

    def _from(self, day: date) -> DateWindow:
        return DateWindow(day, min(self._last, day + self._more))

    @override
    def continue_if_empty(self, response: requests.Response | None) -> bool:
        return True

    @override
    def has_more(self, response: requests.Response | None) -> bool:
        return self._value.last < self._last

    @override
    def get_next(self, response: requests.Response | None) -> DateWindow:
        return self._from(self._value.last + ONE_DAY)

    @override
    def advance(self, response: requests.Response | None = None) -> None:
        super().advance(response)  # type: ignore[arg-type]
