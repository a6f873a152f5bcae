"""Is it odd that there were no rows at all?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_cobrowser.models import Notice

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from tap_cobrowser.days import DateWindow

_ODD = 14
_MOST_NAMED = 10


def silence_notice(days: DateWindow) -> Notice | None:
    """Return a notice if a run without a row in any stream with windows read 14 days or more."""
    if (days.last - days.first).days + 1 < _ODD:
        return None
    return Notice(
        "silence",
        f"No stream with days has a row from {days.first} to {days.last}. If that is not right, "
        "check whether `user` may see the account's data, and ask CoBrowser.net.",
    )


def reach_notice(oldest: str, bookmark: str) -> Notice:
    """Return the notice that a response without windows does not reach back to the bookmark."""
    return Notice(
        "reach",
        f"The oldest row ({oldest}) is after the bookmark ({bookmark}): the response may not reach "
        "back far enough, so rows in between may be missing. Run more often, and ask CoBrowser.net "
        "how far back this command goes.",
    )


def nothing_notice(what: Sequence[str]) -> Notice:
    """Return the notice that windows, or `the full table`, had not even a header."""
    more = len(what) - _MOST_NAMED
    named = ", ".join(what[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
    return Notice(
        "nothing",
        f"The response to {named} was empty, twice, without even a header, and counts as no rows. "
        "If there should be rows, read these days again.",
    )


def bookmark_notice(bookmark: date, today: date) -> Notice:
    """Return the notice that the bookmark of a stream without windows is after the server's day."""
    return Notice(
        "bookmark",
        f"The bookmark ({bookmark}) is after the server's today ({today}), so all rows are "
        "emitted. Set it back or remove it.",
    )
