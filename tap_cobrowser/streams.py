"""The fifteen streams, one class per command of the API. Data, no logic.

Columns have the order and the spelling of the API's page. Ids are strings, because the API does
not define their form; counts are integers; measurements are numbers.
"""

from __future__ import annotations

from singer_sdk import typing as th

from tap_cobrowser.stream import CobrowserStream

_HOURLY_COUNTS = (
    th.Property(
        "hourEnd_time",
        th.DateTimeType,
        description="End of the hour, at 59 minutes and 59 seconds.",
    ),
    th.Property(
        "hourOfDay",
        th.IntegerType,
        description="Hour of the day, 0 to 23. The API does not name its time zone.",
    ),
    th.Property(
        "num_vists",
        th.IntegerType,
        description="Number of unique visits in the hour (spelled as in the API).",
    ),
    th.Property("num_pageviews", th.IntegerType, description="Number of page views in the hour."),
    th.Property(
        "num_visitors", th.IntegerType, description="Number of unique visitors in the hour."
    ),
    th.Property(
        "num_reactive",
        th.IntegerType,
        description=(
            "Number of reactive chat requests in the hour, which visitors made themselves."
        ),
    ),
    th.Property(
        "num_reactive_accepted",
        th.IntegerType,
        description="Number of reactive chat requests that were accepted in the hour.",
    ),
    th.Property(
        "num_proactive",
        th.IntegerType,
        description=(
            "Number of proactive chat requests in the hour: invitations that a filter made "
            "to visitors."
        ),
    ),
    th.Property(
        "num_proactive_accepted",
        th.IntegerType,
        description="Number of proactive chat requests that were accepted in the hour.",
    ),
)

_ID_OF_ACCOUNT = "Id of the account; joins `accounts.id`."


class Accounts(CobrowserStream):
    """One row per account that the user may see."""

    name = "accounts"
    primary_keys = ("id",)
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Id of the account."),
        th.Property("name", th.StringType, description="Name of the account."),
        th.Property(
            "postfix",
            th.StringType,
            description="Part of the account's user names after the `@`, such as `account.net`.",
        ),
        th.Property(
            "reseller_id",
            th.StringType,
            description="Id of the CoBrowser.net reseller or account group.",
        ),
    ).to_dict()


class Agents(CobrowserStream):
    """One row per agent of an account, including deleted ones."""

    name = "agents"
    primary_keys = ("id",)
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Id of the agent."),
        th.Property(
            "username",
            th.StringType,
            description="User name, without the account's postfix.",
        ),
        th.Property("firstname", th.StringType, description="First name."),
        th.Property("lastname", th.StringType, description="Last name."),
        th.Property("email", th.StringType, description="E-mail address."),
        th.Property("account_id", th.StringType, description=_ID_OF_ACCOUNT),
        th.Property(
            "cccagent_id",
            th.StringType,
            description="Id of the associated CCC agent, if any; joins `cccagents.id`.",
        ),
        th.Property("disabled", th.BooleanType, description="True if the agent has been deleted."),
    ).to_dict()


class Hosts(CobrowserStream):
    """One row per host: a website on which visitors can chat."""

    name = "hosts"
    primary_keys = ("id",)
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Id of the host."),
        th.Property("account_id", th.StringType, description=_ID_OF_ACCOUNT),
        th.Property("hostname", th.StringType, description="Domain name or host name."),
        th.Property(
            "multiple_acc_id",
            th.StringType,
            description="Identifier that is used if several accounts share one domain name.",
        ),
    ).to_dict()


class Conversations(CobrowserStream):
    """One row per conversation between a visitor and an agent. A visit may have several."""

    name = "conversations"
    primary_keys = ("browse_id", "conversation_start")
    replication_key = "conversation_start"
    windowed = True
    schema = th.PropertiesList(
        th.Property(
            "conversation_start",
            th.DateTimeType,
            required=True,
            description="Time of the first message.",
        ),
        th.Property(
            "browse_id",
            th.StringType,
            required=True,
            description="Id of the visit in which the conversation took place.",
        ),
        th.Property("account_id", th.StringType, description=_ID_OF_ACCOUNT),
        th.Property(
            "num_messages", th.IntegerType, description="Number of lines in the conversation."
        ),
        th.Property(
            "duration_secs", th.NumberType, description="Duration of the conversation in seconds."
        ),
        th.Property(
            "avgMessageLength",
            th.NumberType,
            description="Average length of the lines. The API gives no unit.",
        ),
        th.Property(
            "maxMessageLength",
            th.NumberType,
            description="Length of the longest line. The API gives no unit.",
        ),
        th.Property(
            "last_agent_id",
            th.StringType,
            description="Id of the agent who ended the conversation; joins `agents.id`.",
        ),
        th.Property(
            "reseller_id",
            th.StringType,
            description=(
                "Id of the CoBrowser.net reseller or account group; joins `accounts.reseller_id`."
            ),
        ),
        th.Property("visitor_id", th.StringType, description="Id of the website visitor."),
        th.Property(
            "requestType",
            th.StringType,
            description=(
                "Type of the chat request: `ask_proactive` (a filter invited the visitor) or "
                "`ask_reactive` (the visitor asked)."
            ),
        ),
        th.Property(
            "assigned_agent_id",
            th.StringType,
            description=(
                "Id of the agent to whom the conversation was assigned first; joins `agents.id`."
            ),
        ),
        th.Property(
            "acceptUrl",
            th.StringType,
            description="URL of the page on which the conversation was started or accepted.",
        ),
        th.Property(
            "accept_host_id",
            th.StringType,
            description="Id of the host on which the conversation was started; joins `hosts.id`.",
        ),
        th.Property(
            "decisionTime",
            th.NumberType,
            description="Seconds from the invitation until the visitor accepted it.",
        ),
        th.Property(
            "firstResponseTime",
            th.NumberType,
            description="Seconds from the acceptance until the agent's first message.",
        ),
        th.Property(
            "transcriptUrl",
            th.StringType,
            description="External URL of the full transcript.",
        ),
        th.Property(
            "avgResponseTime",
            th.NumberType,
            description=(
                "Average time that the visitor waited for the agent's messages. The API gives "
                "no unit."
            ),
        ),
        th.Property(
            "maxResponseTime",
            th.NumberType,
            description=(
                "Longest time that the visitor waited for one of the agent's messages. The API "
                "gives no unit."
            ),
        ),
        th.Property(
            "successcode",
            th.StringType,
            description="Result of the conversation, as a code. The API does not list the codes.",
        ),
        th.Property(
            "firstReplyTime",
            th.NumberType,
            description=(
                "Time from the visitor's first message until the agent's first message. The API "
                "gives no unit."
            ),
        ),
    ).to_dict()


class Emails(CobrowserStream):
    """One row per e-mail sent from CoBrowser.net, usually a transcript."""

    name = "emails"
    primary_keys = ("id",)
    replication_key = "timestamp"
    windowed = True
    schema = th.PropertiesList(
        th.Property(
            "browse_id",
            th.StringType,
            description=(
                "Id of the visit that the e-mail is about; joins `conversations.browse_id`."
            ),
        ),
        th.Property("id", th.StringType, required=True, description="Id of the e-mail."),
        th.Property(
            "timestamp", th.DateTimeType, required=True, description="When the e-mail was sent."
        ),
        th.Property(
            "agent_id",
            th.StringType,
            description="Id of the agent who sent the e-mail; joins `agents.id`.",
        ),
        th.Property("to", th.StringType, description="Recipients (To)."),
        th.Property("bcc", th.StringType, description="Hidden recipients (Bcc)."),
        th.Property("subject", th.StringType, description="Subject."),
        th.Property("from", th.StringType, description="Sender (From)."),
        th.Property("account_id", th.StringType, description=_ID_OF_ACCOUNT),
    ).to_dict()


class AgentActivity(CobrowserStream):
    """One row per period in which an agent was online or offline."""

    name = "agentactivity"
    primary_keys = ("activity_id",)
    replication_key = "time_start"
    windowed = True
    reaches_back = True
    ends = "time_end"
    schema = th.PropertiesList(
        th.Property("agent_id", th.StringType, description="Id of the agent; joins `agents.id`."),
        th.Property(
            "time_start",
            th.DateTimeType,
            required=True,
            description="When the agent changed to this state.",
        ),
        th.Property(
            "time_end",
            th.DateTimeType,
            description="When the state ended; null if it has not ended yet.",
        ),
        th.Property("state", th.StringType, description="`online` or `offline`."),
        th.Property(
            "duration_secs", th.NumberType, description="Duration of the state in seconds."
        ),
        th.Property("account_id", th.StringType, description=_ID_OF_ACCOUNT),
        th.Property("activity_id", th.StringType, required=True, description="Id of the activity."),
    ).to_dict()


class SlotsActivity(CobrowserStream):
    """One row per change in the number of chat slots that an agent uses."""

    name = "slotsactivity"
    primary_keys = ("activity_id",)
    replication_key = "time_start"
    windowed = True
    reaches_back = True
    owner = "agent_id"
    schema = th.PropertiesList(
        th.Property("agent_id", th.StringType, description="Id of the agent; joins `agents.id`."),
        th.Property(
            "time_start",
            th.DateTimeType,
            required=True,
            description="When the number of slots in use changed.",
        ),
        th.Property(
            "action",
            th.StringType,
            description="`add` if one more slot is in use, `remove` if one less.",
        ),
        th.Property("account_id", th.StringType, description=_ID_OF_ACCOUNT),
        th.Property(
            "browse_id",
            th.StringType,
            description=(
                "Id of the visit that the slot was used for; joins `conversations.browse_id`."
            ),
        ),
        th.Property(
            "session_id",
            th.StringType,
            description=(
                "Id of the visit. The API says that it links to a conversation, but not to "
                "which column."
            ),
        ),
        th.Property("activity_id", th.StringType, required=True, description="Id of the change."),
        th.Property(
            "numslots_used",
            th.IntegerType,
            description=(
                "Number of slots in use. The API does not say whether before or after the change."
            ),
        ),
        th.Property(
            "numslots_max",
            th.IntegerType,
            description="Maximum number of slots of the agent.",
        ),
        th.Property(
            "open_duration",
            th.NumberType,
            description="Seconds in which the slot was open. The API does not define this state.",
        ),
        th.Property(
            "closed_duration",
            th.NumberType,
            description=(
                "Seconds in which the slot was closed or offline. The API does not define this "
                "state."
            ),
        ),
        th.Property(
            "new_duration",
            th.NumberType,
            description="Seconds in which the slot was new. The API does not define this state.",
        ),
        th.Property(
            "sleeping_duration",
            th.NumberType,
            description=(
                "Seconds in which the slot was sleeping. The API does not define this state."
            ),
        ),
        th.Property(
            "burning_duration",
            th.NumberType,
            description=(
                "Seconds in which the slot was burning. The API does not define this state."
            ),
        ),
        th.Property(
            "presetName",
            th.StringType,
            description=(
                "Name of the preset of the chat. The API does not define what a preset is."
            ),
        ),
    ).to_dict()


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
    owner = "agent_id"
    schema = th.PropertiesList(
        th.Property(
            "agent_id",
            th.StringType,
            required=True,
            description="Id of the agent; joins `agents.id`.",
        ),
        th.Property(
            "session_id", th.StringType, required=True, description="Id of the login session."
        ),
        th.Property(
            "preset",
            th.StringType,
            required=True,
            description=(
                "Preset that the row is about; may be empty. The API does not define what a "
                "preset is."
            ),
        ),
        th.Property(
            "session_start",
            th.DateTimeType,
            required=True,
            description="When the session started.",
        ),
        th.Property(
            "numChats",
            th.IntegerType,
            description="Number of chats that the agent received in the session for this preset.",
        ),
        th.Property(
            "numBreaks",
            th.IntegerType,
            description=(
                "Number of times that the agent went offline in the session for this preset."
            ),
        ),
        th.Property(
            "numIgnored",
            th.IntegerType,
            description="Number of chats without a message from the visitor.",
        ),
        th.Property(
            "numAbandoned",
            th.IntegerType,
            description="Number of chats without a message from the agent.",
        ),
        th.Property(
            "avgConcurrency",
            th.NumberType,
            description="Average number of concurrent chats in the session for this preset.",
        ),
        th.Property(
            "firstResponseDuration",
            th.NumberType,
            description=(
                "Seconds in which the agent had not yet replied to any of the current chats."
            ),
        ),
        th.Property(
            "openDuration",
            th.NumberType,
            description=(
                "Seconds in which any of the chats was open. The API does not define this state."
            ),
        ),
        th.Property(
            "closedDuration",
            th.NumberType,
            description=(
                "Seconds in which any of the chats was closed or offline. The API does not "
                "define this state."
            ),
        ),
        th.Property(
            "newDuration",
            th.NumberType,
            description=(
                "Seconds in which any of the chats was new. The API does not define this state."
            ),
        ),
        th.Property(
            "sleepingDuration",
            th.NumberType,
            description=(
                "Seconds in which any of the chats was sleeping. The API does not define this "
                "state."
            ),
        ),
        th.Property(
            "burningDuration",
            th.NumberType,
            description=(
                "Seconds in which any of the chats was burning. The API does not define this state."
            ),
        ),
        th.Property(
            "onlineDuration",
            th.NumberType,
            description="Time in which the agent was online. The API gives no unit.",
        ),
        th.Property(
            "offlineDuration",
            th.NumberType,
            description="Time in which the agent was offline. The API gives no unit.",
        ),
        th.Property(
            "availableDuration",
            th.NumberType,
            description="Time in which the agent was available. The API gives no unit.",
        ),
        th.Property(
            "idleDuration",
            th.NumberType,
            description="Time in which the agent had no chats. The API gives no unit.",
        ),
        th.Property(
            "sessionDuration",
            th.NumberType,
            description="Duration of the session. The API gives no unit.",
        ),
    ).to_dict()


class AccountSpecsHourly(CobrowserStream):
    """One row per account and hour: visits and chat requests."""

    name = "accountspecshourly"
    primary_keys = ("account_id", "hourBegin_time")
    replication_key = "hourBegin_time"
    windowed = True
    schema = th.PropertiesList(
        th.Property("account_id", th.StringType, required=True, description=_ID_OF_ACCOUNT),
        th.Property(
            "hourBegin_time",
            th.DateTimeType,
            required=True,
            description="Start of the hour.",
        ),
        *_HOURLY_COUNTS,
    ).to_dict()


class HostSpecsHourly(CobrowserStream):
    """One row per host and hour: visits and chat requests."""

    name = "hostspecshourly"
    primary_keys = ("host_id", "hourBegin_time")
    replication_key = "hourBegin_time"
    windowed = True
    schema = th.PropertiesList(
        th.Property(
            "host_id", th.StringType, required=True, description="Id of the host; joins `hosts.id`."
        ),
        th.Property(
            "hourBegin_time",
            th.DateTimeType,
            required=True,
            description="Start of the hour.",
        ),
        *_HOURLY_COUNTS,
        th.Property(
            "account_id",
            th.StringType,
            description="Id of the account that the host belongs to; joins `accounts.id`.",
        ),
    ).to_dict()


class FilterStatsHourly(CobrowserStream):
    """One row per filter and hour. A filter is a rule that invites visitors to a chat."""

    name = "filterstatshourly"
    primary_keys = ("account_id", "id", "hourBegin_time")
    replication_key = "hourBegin_time"
    windowed = True
    schema = th.PropertiesList(
        th.Property("account_id", th.StringType, required=True, description=_ID_OF_ACCOUNT),
        th.Property(
            "hourBegin_time",
            th.DateTimeType,
            required=True,
            description="Start of the hour.",
        ),
        *_HOURLY_COUNTS[:2],
        th.Property("id", th.StringType, required=True, description="Id of the filter."),
        th.Property("filtername", th.StringType, description="Name of the filter."),
        th.Property(
            "num_proactive",
            th.IntegerType,
            description="Number of proactive chat requests that the filter generated.",
        ),
        th.Property(
            "num_proactive_accepted",
            th.IntegerType,
            description="Number of them that were accepted.",
        ),
        th.Property(
            "num_proactive_declined",
            th.IntegerType,
            description="Number of them that were declined.",
        ),
        th.Property(
            "num_proactive_match",
            th.IntegerType,
            description="Number of times that the filter's requirements were met.",
        ),
        th.Property(
            "num_proactive_cancelled",
            th.IntegerType,
            description=(
                "Number of proactive chat requests that were cancelled because no agent was "
                "available."
            ),
        ),
        th.Property(
            "num_proactive_no_availability",
            th.IntegerType,
            description="Number of accepted requests that could not be routed to an agent.",
        ),
        th.Property(
            "num_proactive_expired",
            th.IntegerType,
            description="Number of requests that expired.",
        ),
        th.Property(
            "num_proactive_ignored",
            th.IntegerType,
            description="Number of requests that were ignored.",
        ),
    ).to_dict()


class CccAgents(CobrowserStream):
    """One row per CCC agent, who serves the accounts of groups."""

    name = "cccagents"
    primary_keys = ("id",)
    ccc_only = True
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Id of the CCC agent."),
        th.Property(
            "username",
            th.StringType,
            description="User name, without the CCC account's postfix.",
        ),
        th.Property("firstname", th.StringType, description="First name."),
        th.Property("lastname", th.StringType, description="Last name."),
        th.Property("email", th.StringType, description="E-mail address."),
        th.Property("cccaccount_id", th.StringType, description="Id of the CCC account."),
    ).to_dict()


class CccAgentGroups(CobrowserStream):
    """One row per CCC agent and group that the agent belongs to."""

    name = "cccagentgroups"
    primary_keys = ("cccagent_id", "cccgroup_id")
    ccc_only = True
    schema = th.PropertiesList(
        th.Property(
            "cccagent_id",
            th.StringType,
            required=True,
            description="Id of the CCC agent; joins `cccagents.id`.",
        ),
        th.Property("cccgroup_id", th.StringType, required=True, description="Id of the group."),
        th.Property("cccgroup_name", th.StringType, description="Name of the group."),
        th.Property("cccaccount_id", th.StringType, description="Id of the CCC account."),
    ).to_dict()


class CccGroupAccounts(CobrowserStream):
    """One row per group of CCC agents and account that the group serves."""

    name = "cccgroupaccounts"
    primary_keys = ("cccgroup_id", "account_id")
    ccc_only = True
    schema = th.PropertiesList(
        th.Property(
            "cccgroup_id",
            th.StringType,
            required=True,
            description="Id of the group; joins `cccagentgroups.cccgroup_id`.",
        ),
        th.Property(
            "account_id",
            th.StringType,
            required=True,
            description="Id of the account that the group serves; joins `accounts.id`.",
        ),
        th.Property("cccgroup_name", th.StringType, description="Name of the group."),
        th.Property("cccaccount_id", th.StringType, description="Id of the CCC account."),
    ).to_dict()


class CccSlotsActivity(CobrowserStream):
    """One row per change in the number of chat slots that a CCC agent uses."""

    name = "cccslotsactivity"
    primary_keys = ("activity_id",)
    replication_key = "time_start"
    ccc_only = True
    schema = th.PropertiesList(
        th.Property(
            "cccagent_id", th.StringType, description="Id of the CCC agent; joins `cccagents.id`."
        ),
        th.Property(
            "time_start",
            th.DateTimeType,
            required=True,
            description="When the number of slots in use changed.",
        ),
        th.Property(
            "action",
            th.StringType,
            description="`add` if one more slot is in use, `remove` if one less.",
        ),
        th.Property("account_id", th.StringType, description=_ID_OF_ACCOUNT),
        th.Property(
            "browse_id",
            th.StringType,
            description=(
                "Id of the visit that the slot was used for; joins `conversations.browse_id`."
            ),
        ),
        th.Property(
            "session_id",
            th.StringType,
            description=(
                "Id of the visit. The API says that it links to a conversation, but not to "
                "which column."
            ),
        ),
        th.Property("activity_id", th.StringType, required=True, description="Id of the change."),
        th.Property(
            "numslots_used",
            th.IntegerType,
            description=(
                "Number of slots in use. The API does not say whether before or after the change."
            ),
        ),
        th.Property(
            "numslots_max",
            th.IntegerType,
            description="Maximum number of slots of the CCC agent.",
        ),
    ).to_dict()


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
