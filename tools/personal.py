"""The personal columns of the streams: which person each is about, and why. Data, no logic.

Two kinds: a column that identifies says who somebody is, or what they wrote or looked at. A column
that links is an id of one person or visit, a pseudonym: it is as personal as what it joins.
"""

from __future__ import annotations

from typing import NamedTuple


class Personal(NamedTuple):
    """A personal column.

    Attributes:
        kind: `identifies` or `links`.
        whom: `employee`, `visitor`, or `both`.
        why: A sentence for those who decide what is loaded.
    """

    kind: str
    whom: str
    why: str


_AGENT = Personal("links", "employee", "Id of one employee.")
_VISIT = Personal("links", "visitor", "Id of one person's visit.")
_PEOPLE = {
    "username": Personal("identifies", "employee", "User name of an employee."),
    "firstname": Personal("identifies", "employee", "Name of an employee."),
    "lastname": Personal("identifies", "employee", "Name of an employee."),
    "email": Personal("identifies", "employee", "E-mail address of an employee."),
}
_ADDRESSES = Personal("identifies", "both", "Names and e-mail addresses.")

PERSONAL: dict[str, dict[str, Personal]] = {
    "agents": {"id": _AGENT, **_PEOPLE, "cccagent_id": _AGENT},
    "conversations": {
        "browse_id": _VISIT,
        "last_agent_id": _AGENT,
        "visitor_id": Personal(
            "identifies", "visitor", "The same in all visits of a person, whom it follows."
        ),
        "assigned_agent_id": _AGENT,
        "acceptUrl": Personal(
            "identifies",
            "visitor",
            "A page that a person visited. Parameters may contain names, addresses or searches.",
        ),
        "transcriptUrl": Personal("identifies", "both", "Leads to all that was written in a chat."),
    },
    "emails": {
        "browse_id": _VISIT,
        "agent_id": _AGENT,
        "to": _ADDRESSES,
        "bcc": _ADDRESSES,
        "subject": Personal("identifies", "both", "Text that a person wrote."),
        "from": _ADDRESSES,
    },
    "agentactivity": {"agent_id": _AGENT},
    "slotsactivity": {"agent_id": _AGENT, "browse_id": _VISIT, "session_id": _VISIT},
    "agentperformance": {
        "agent_id": _AGENT,
        "session_id": Personal("links", "employee", "Id of one employee's login session."),
    },
    "cccagents": {"id": _AGENT, **_PEOPLE},
    "cccagentgroups": {"cccagent_id": _AGENT},
    "cccslotsactivity": {"cccagent_id": _AGENT, "browse_id": _VISIT, "session_id": _VISIT},
}
"""By stream and column. The streams that are missing here have none: they list accounts, websites
and groups, or count visits and chats."""
