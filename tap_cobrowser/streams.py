"""The streams, one class per command of the API. Data, no logic.

Columns have the order and the spelling of the API's page. Ids are strings, because the API does
not define their form; counts are integers; measurements are numbers.
"""

from __future__ import annotations

from typing import Any

from singer_sdk import typing as th

from tap_cobrowser.client import CobrowserStream


def text(name: str, description: str, *, required: bool = False) -> th.Property[Any]:
    """A column of text, ids included."""
    return th.Property(name, th.StringType, required=required, description=description)


def personal(name: str, description: str, *, required: bool = False) -> th.Property[Any]:
    """A column of text about a person, or that leads to one. `docs/personal_data.md` says why."""
    return text(name, f"{description} Personal data.", required=required)


def integer(name: str, description: str) -> th.Property[Any]:
    """A column of counts."""
    return th.Property(name, th.IntegerType, description=description)


def number(name: str, description: str) -> th.Property[Any]:
    """A column of measurements."""
    return th.Property(name, th.NumberType, description=description)


def moment(name: str, description: str, *, required: bool = False) -> th.Property[Any]:
    """A column of date-times."""
    return th.Property(name, th.DateTimeType, required=required, description=description)


def boolean(name: str, description: str) -> th.Property[Any]:
    """A column of truth values."""
    return th.Property(name, th.BooleanType, description=description)


def columns(*properties: th.Property[Any]) -> dict[str, Any]:
    """Return the JSON Schema of a stream with these columns."""
    return th.PropertiesList(*properties).to_dict()


_HOURLY_COUNTS = (
    moment("hourEnd_time", "End of the hour, at 59 minutes and 59 seconds."),
    integer("hourOfDay", "Hour of the day, 0 to 23. The API does not name its time zone."),
    integer("num_vists", "Number of unique visits in the hour (spelled as in the API)."),
    integer("num_pageviews", "Number of page views in the hour."),
    integer("num_visitors", "Number of unique visitors in the hour."),
    integer(
        "num_reactive",
        "Number of reactive chat requests in the hour, which visitors made themselves.",
    ),
    integer(
        "num_reactive_accepted", "Number of reactive chat requests that were accepted in the hour."
    ),
    integer(
        "num_proactive",
        "Number of proactive chat requests in the hour: invitations that a filter made to "
        "visitors.",
    ),
    integer(
        "num_proactive_accepted",
        "Number of proactive chat requests that were accepted in the hour.",
    ),
)

_ID_OF_ACCOUNT = "Id of the account; joins `accounts.id`."

_OF_SLOT = (
    moment("time_start", "When the number of slots in use changed.", required=True),
    text("action", "`add` if one more slot is in use, `remove` if one less."),
    text("account_id", _ID_OF_ACCOUNT),
    personal(
        "browse_id", "Id of the visit that the slot was used for; joins `conversations.browse_id`."
    ),
    personal(
        "session_id",
        "Id of the visit. The API says that it links to a conversation, but not to which column.",
    ),
    text("activity_id", "Id of the change.", required=True),
    integer(
        "numslots_used",
        "Number of slots in use. The API does not say whether before or after the change.",
    ),
)


class Accounts(CobrowserStream):
    """One row per account that the user may see."""

    name = "accounts"
    primary_keys = ("id",)
    schema = columns(
        text("id", "Id of the account.", required=True),
        text("name", "Name of the account."),
        text("postfix", "Part of the account's user names after the `@`, such as `account.net`."),
        text("reseller_id", "Id of the CoBrowser.net reseller or account group."),
    )


class Agents(CobrowserStream):
    """One row per agent of an account, including deleted ones."""

    name = "agents"
    primary_keys = ("id",)
    schema = columns(
        personal("id", "Id of the agent.", required=True),
        personal("username", "User name, without the account's postfix."),
        personal("firstname", "First name."),
        personal("lastname", "Last name."),
        personal("email", "E-mail address."),
        text("account_id", _ID_OF_ACCOUNT),
        personal("cccagent_id", "Id of the associated CCC agent, if any; joins `cccagents.id`."),
        boolean("disabled", "True if the agent has been deleted."),
    )


class Hosts(CobrowserStream):
    """One row per host: a website on which visitors can chat."""

    name = "hosts"
    primary_keys = ("id",)
    schema = columns(
        text("id", "Id of the host.", required=True),
        text("account_id", _ID_OF_ACCOUNT),
        text("hostname", "Domain name or host name."),
        text(
            "multiple_acc_id", "Identifier that is used if several accounts share one domain name."
        ),
    )


class Conversations(CobrowserStream):
    """One row per conversation between a visitor and an agent. A visit may have several."""

    name = "conversations"
    primary_keys = ("browse_id", "conversation_start")
    replication_key = "conversation_start"
    windowed = True
    schema = columns(
        moment("conversation_start", "Time of the first message.", required=True),
        personal(
            "browse_id", "Id of the visit in which the conversation took place.", required=True
        ),
        text("account_id", _ID_OF_ACCOUNT),
        integer("num_messages", "Number of lines in the conversation."),
        number("duration_secs", "Duration of the conversation in seconds."),
        number("avgMessageLength", "Average length of the lines. The API gives no unit."),
        number("maxMessageLength", "Length of the longest line. The API gives no unit."),
        personal("last_agent_id", "Id of the agent who ended the conversation; joins `agents.id`."),
        text(
            "reseller_id",
            "Id of the CoBrowser.net reseller or account group; joins `accounts.reseller_id`.",
        ),
        personal("visitor_id", "Id of the website visitor."),
        text(
            "requestType",
            "Type of the chat request: `ask_proactive` (a filter invited the visitor) or "
            "`ask_reactive` (the visitor asked).",
        ),
        personal(
            "assigned_agent_id",
            "Id of the agent to whom the conversation was assigned first; joins `agents.id`.",
        ),
        personal("acceptUrl", "URL of the page on which the conversation was started or accepted."),
        text(
            "accept_host_id",
            "Id of the host on which the conversation was started; joins `hosts.id`.",
        ),
        number("decisionTime", "Seconds from the invitation until the visitor accepted it."),
        number("firstResponseTime", "Seconds from the acceptance until the agent's first message."),
        personal("transcriptUrl", "External URL of the full transcript."),
        number(
            "avgResponseTime",
            "Average time that the visitor waited for the agent's messages. The API gives no unit.",
        ),
        number(
            "maxResponseTime",
            "Longest time that the visitor waited for one of the agent's messages. The API "
            "gives no unit.",
        ),
        text(
            "successcode", "Result of the conversation, as a code. The API does not list the codes."
        ),
        number(
            "firstReplyTime",
            "Time from the visitor's first message until the agent's first message. The API "
            "gives no unit.",
        ),
    )


class Emails(CobrowserStream):
    """One row per e-mail sent from CoBrowser.net, usually a transcript."""

    name = "emails"
    primary_keys = ("id",)
    replication_key = "timestamp"
    windowed = True
    schema = columns(
        personal(
            "browse_id",
            "Id of the visit that the e-mail is about; joins `conversations.browse_id`.",
        ),
        text("id", "Id of the e-mail.", required=True),
        moment("timestamp", "When the e-mail was sent.", required=True),
        personal("agent_id", "Id of the agent who sent the e-mail; joins `agents.id`."),
        personal("to", "Recipients (To)."),
        personal("bcc", "Hidden recipients (Bcc)."),
        personal("subject", "Subject."),
        personal("from", "Sender (From)."),
        text("account_id", _ID_OF_ACCOUNT),
    )


class AgentActivity(CobrowserStream):
    """One row per period in which an agent was online or offline."""

    name = "agentactivity"
    primary_keys = ("activity_id",)
    replication_key = "time_start"
    windowed = True
    reaches_back = True
    regular = True
    schema = columns(
        personal("agent_id", "Id of the agent; joins `agents.id`."),
        moment("time_start", "When the agent changed to this state.", required=True),
        moment("time_end", "When the state ended; null if it has not ended yet."),
        text("state", "`online` or `offline`."),
        number("duration_secs", "Duration of the state in seconds."),
        text("account_id", _ID_OF_ACCOUNT),
        text("activity_id", "Id of the activity.", required=True),
    )


class SlotsActivity(CobrowserStream):
    """One row per change in the number of chat slots that an agent uses."""

    name = "slotsactivity"
    primary_keys = ("activity_id",)
    replication_key = "time_start"
    windowed = True
    reaches_back = True
    schema = columns(
        personal("agent_id", "Id of the agent; joins `agents.id`."),
        *_OF_SLOT,
        integer("numslots_max", "Maximum number of slots of the agent."),
        number(
            "open_duration",
            "Seconds in which the slot was open. The API does not define this state.",
        ),
        number(
            "closed_duration",
            "Seconds in which the slot was closed or offline. The API does not define this state.",
        ),
        number(
            "new_duration", "Seconds in which the slot was new. The API does not define this state."
        ),
        number(
            "sleeping_duration",
            "Seconds in which the slot was sleeping. The API does not define this state.",
        ),
        number(
            "burning_duration",
            "Seconds in which the slot was burning. The API does not define this state.",
        ),
        text(
            "presetName",
            "Name of the preset of the chat. The API does not define what a preset is.",
        ),
    )


class AgentPerformance(CobrowserStream):
    """One row per agent, login session and preset.

    The API says that the counts are for the preset, but not whether the durations are: these may
    be those of the whole session, repeated for each preset. Then sum them once per session.
    """

    name = "agentperformance"
    primary_keys = ("agent_id", "session_id", "preset")
    replication_key = "session_start"
    windowed = True
    reaches_back = True
    schema = columns(
        personal("agent_id", "Id of the agent; joins `agents.id`.", required=True),
        personal("session_id", "Id of the login session.", required=True),
        text(
            "preset",
            "Preset that the row is about; may be empty. The API does not define what a preset is.",
            required=True,
        ),
        moment("session_start", "When the session started.", required=True),
        integer(
            "numChats", "Number of chats that the agent received in the session for this preset."
        ),
        integer(
            "numBreaks",
            "Number of times that the agent went offline in the session for this preset.",
        ),
        integer("numIgnored", "Number of chats without a message from the visitor."),
        integer("numAbandoned", "Number of chats without a message from the agent."),
        number(
            "avgConcurrency", "Average number of concurrent chats in the session for this preset."
        ),
        number(
            "firstResponseDuration",
            "Seconds in which the agent had not yet replied to any of the current chats.",
        ),
        number(
            "openDuration",
            "Seconds in which any of the chats was open. The API does not define this state.",
        ),
        number(
            "closedDuration",
            "Seconds in which any of the chats was closed or offline. The API does not define "
            "this state.",
        ),
        number(
            "newDuration",
            "Seconds in which any of the chats was new. The API does not define this state.",
        ),
        number(
            "sleepingDuration",
            "Seconds in which any of the chats was sleeping. The API does not define this state.",
        ),
        number(
            "burningDuration",
            "Seconds in which any of the chats was burning. The API does not define this state.",
        ),
        number("onlineDuration", "Time in which the agent was online. The API gives no unit."),
        number("offlineDuration", "Time in which the agent was offline. The API gives no unit."),
        number(
            "availableDuration", "Time in which the agent was available. The API gives no unit."
        ),
        number("idleDuration", "Time in which the agent had no chats. The API gives no unit."),
        number("sessionDuration", "Duration of the session. The API gives no unit."),
    )


class AccountSpecsHourly(CobrowserStream):
    """One row per account and hour: visits and chat requests."""

    name = "accountspecshourly"
    primary_keys = ("account_id", "hourBegin_time")
    replication_key = "hourBegin_time"
    windowed = True
    schema = columns(
        text("account_id", _ID_OF_ACCOUNT, required=True),
        moment("hourBegin_time", "Start of the hour.", required=True),
        *_HOURLY_COUNTS,
    )


class HostSpecsHourly(CobrowserStream):
    """One row per host and hour: visits and chat requests."""

    name = "hostspecshourly"
    primary_keys = ("host_id", "hourBegin_time")
    replication_key = "hourBegin_time"
    windowed = True
    schema = columns(
        text("host_id", "Id of the host; joins `hosts.id`.", required=True),
        moment("hourBegin_time", "Start of the hour.", required=True),
        *_HOURLY_COUNTS,
        text("account_id", "Id of the account that the host belongs to; joins `accounts.id`."),
    )


class FilterStatsHourly(CobrowserStream):
    """One row per filter and hour. A filter is a rule that invites visitors to a chat."""

    name = "filterstatshourly"
    primary_keys = ("account_id", "id", "hourBegin_time")
    replication_key = "hourBegin_time"
    windowed = True
    schema = columns(
        text("account_id", _ID_OF_ACCOUNT, required=True),
        moment("hourBegin_time", "Start of the hour.", required=True),
        *_HOURLY_COUNTS[:2],
        text("id", "Id of the filter.", required=True),
        text("filtername", "Name of the filter."),
        integer("num_proactive", "Number of proactive chat requests that the filter generated."),
        integer("num_proactive_accepted", "Number of them that were accepted."),
        integer("num_proactive_declined", "Number of them that were declined."),
        integer("num_proactive_match", "Number of times that the filter's requirements were met."),
        integer(
            "num_proactive_cancelled",
            "Number of proactive chat requests that were cancelled because no agent was available.",
        ),
        integer(
            "num_proactive_no_availability",
            "Number of accepted requests that could not be routed to an agent.",
        ),
        integer("num_proactive_expired", "Number of requests that expired."),
        integer("num_proactive_ignored", "Number of requests that were ignored."),
    )


class CccAgents(CobrowserStream):
    """One row per CCC agent, who serves the accounts of groups."""

    name = "cccagents"
    primary_keys = ("id",)
    ccc_only = True
    schema = columns(
        personal("id", "Id of the CCC agent.", required=True),
        personal("username", "User name, without the CCC account's postfix."),
        personal("firstname", "First name."),
        personal("lastname", "Last name."),
        personal("email", "E-mail address."),
        text("cccaccount_id", "Id of the CCC account."),
    )


class CccAgentGroups(CobrowserStream):
    """One row per CCC agent and group that the agent belongs to."""

    name = "cccagentgroups"
    primary_keys = ("cccagent_id", "cccgroup_id")
    ccc_only = True
    schema = columns(
        personal("cccagent_id", "Id of the CCC agent; joins `cccagents.id`.", required=True),
        text("cccgroup_id", "Id of the group.", required=True),
        text("cccgroup_name", "Name of the group."),
        text("cccaccount_id", "Id of the CCC account."),
    )


class CccGroupAccounts(CobrowserStream):
    """One row per group of CCC agents and account that the group serves."""

    name = "cccgroupaccounts"
    primary_keys = ("cccgroup_id", "account_id")
    ccc_only = True
    schema = columns(
        text("cccgroup_id", "Id of the group; joins `cccagentgroups.cccgroup_id`.", required=True),
        text(
            "account_id",
            "Id of the account that the group serves; joins `accounts.id`.",
            required=True,
        ),
        text("cccgroup_name", "Name of the group."),
        text("cccaccount_id", "Id of the CCC account."),
    )


class CccSlotsActivity(CobrowserStream):
    """One row per change in the number of chat slots that a CCC agent uses."""

    name = "cccslotsactivity"
    primary_keys = ("activity_id",)
    replication_key = "time_start"
    ccc_only = True
    schema = columns(
        personal("cccagent_id", "Id of the CCC agent; joins `cccagents.id`."),
        *_OF_SLOT,
        integer("numslots_max", "Maximum number of slots of the CCC agent."),
    )


STREAMS: tuple[type[CobrowserStream], ...] = (
    Accounts,
    Agents,
    Hosts,
    Conversations,
    Emails,
    AgentActivity,
    SlotsActivity,
    AgentPerformance,
    AccountSpecsHourly,
    HostSpecsHourly,
    FilterStatsHourly,
    CccAgents,
    CccAgentGroups,
    CccGroupAccounts,
    CccSlotsActivity,
)
