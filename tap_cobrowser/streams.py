"""The fifteen streams, one class per command of the API: what each holds, and no logic.

Columns stand in the order and the spelling of the API's page. Ids are strings, since the API does
not say what they are made of; counts are integers; whatever is measured is a number.
"""

from __future__ import annotations

from singer_sdk import typing as th

from tap_cobrowser.stream import CobrowserStream

_HOURLY_COUNTS = (
    th.Property(
        "hourEnd_time",
        th.DateTimeType,
        description="When the hour ended: 59 minutes and 59 seconds after its begin.",
    ),
    th.Property(
        "hourOfDay",
        th.IntegerType,
        description="Number of the hour within its day, 0 to 23, by the account's own clock.",
    ),
    th.Property(
        "num_vists",
        th.IntegerType,
        description="How many different visits there were (the API's spelling of visits).",
    ),
    th.Property("num_pageviews", th.IntegerType, description="How many pages were viewed."),
    th.Property(
        "num_visitors", th.IntegerType, description="How many different visitors there were."
    ),
    th.Property(
        "num_reactive",
        th.IntegerType,
        description="How many chats visitors asked for themselves.",
    ),
    th.Property(
        "num_reactive_accepted",
        th.IntegerType,
        description="How many of the chats that visitors asked for were taken up.",
    ),
    th.Property(
        "num_proactive",
        th.IntegerType,
        description="How many visitors were invited to a chat by a filter.",
    ),
    th.Property(
        "num_proactive_accepted",
        th.IntegerType,
        description="How many of the invitations to a chat were taken up.",
    ),
)

_ID_OF_ACCOUNT = "Account that the row belongs to; joins `accounts.id`."


class Accounts(CobrowserStream):
    """An account of CoBrowser.net that the user may see."""

    name = "accounts"
    primary_keys = ("id",)
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Id of the account."),
        th.Property("name", th.StringType, description="Name of the account."),
        th.Property(
            "postfix",
            th.StringType,
            description="What follows the `@` in the user names of the account's agents.",
        ),
        th.Property(
            "reseller_id",
            th.StringType,
            description="Id of the reseller, or group of accounts, that the account belongs to.",
        ),
    ).to_dict()


class Agents(CobrowserStream):
    """An agent of an account, who chats with visitors; deleted ones are marked."""

    name = "agents"
    primary_keys = ("id",)
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Id of the agent."),
        th.Property(
            "username",
            th.StringType,
            description="User name of the agent, without the account's postfix.",
        ),
        th.Property("firstname", th.StringType, description="First name of the agent."),
        th.Property("lastname", th.StringType, description="Last name of the agent."),
        th.Property("email", th.StringType, description="E-mail address of the agent."),
        th.Property("account_id", th.StringType, description=_ID_OF_ACCOUNT),
        th.Property(
            "cccagent_id",
            th.StringType,
            description="The CCC agent that this agent is, if any; joins `cccagents.id`.",
        ),
        th.Property("disabled", th.BooleanType, description="True if the agent has been deleted."),
    ).to_dict()


class Hosts(CobrowserStream):
    """A host: a website on which visitors can chat."""

    name = "hosts"
    primary_keys = ("id",)
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Id of the host."),
        th.Property("account_id", th.StringType, description=_ID_OF_ACCOUNT),
        th.Property("hostname", th.StringType, description="Domain name of the website."),
        th.Property(
            "multiple_acc_id",
            th.StringType,
            description="Tells accounts apart where several of them share one domain name.",
        ),
    ).to_dict()


class Conversations(CobrowserStream):
    """A conversation between a visitor and an agent; a visit may hold several."""

    name = "conversations"
    primary_keys = ("browse_id", "conversation_start")
    replication_key = "conversation_start"
    windowed = True
    schema = th.PropertiesList(
        th.Property(
            "conversation_start",
            th.DateTimeType,
            required=True,
            description="When the first message of the conversation was sent.",
        ),
        th.Property(
            "browse_id",
            th.StringType,
            required=True,
            description="Visit in which the conversation took place.",
        ),
        th.Property("account_id", th.StringType, description=_ID_OF_ACCOUNT),
        th.Property("num_messages", th.IntegerType, description="How many lines were exchanged."),
        th.Property("duration_secs", th.NumberType, description="How long it lasted, in seconds."),
        th.Property(
            "avgMessageLength",
            th.NumberType,
            description="Mean length of the lines, in characters.",
        ),
        th.Property(
            "maxMessageLength",
            th.NumberType,
            description="Length of the longest line, in characters.",
        ),
        th.Property(
            "last_agent_id",
            th.StringType,
            description="Agent who brought the conversation to its end; joins `agents.id`.",
        ),
        th.Property(
            "reseller_id",
            th.StringType,
            description="Reseller, or group of accounts; joins `accounts.reseller_id`.",
        ),
        th.Property(
            "visitor_id", th.StringType, description="The visitor, over all of their visits."
        ),
        th.Property(
            "requestType",
            th.StringType,
            description=(
                "How it came about: `ask_proactive` if a filter invited the visitor, "
                "`ask_reactive` if the visitor asked."
            ),
        ),
        th.Property(
            "assigned_agent_id",
            th.StringType,
            description="Agent whom it was given to first; joins `agents.id`.",
        ),
        th.Property(
            "acceptUrl", th.StringType, description="Page on which the conversation began."
        ),
        th.Property(
            "accept_host_id",
            th.StringType,
            description="Host on which the conversation began; joins `hosts.id`.",
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
            description="Address at which the whole transcript can be read.",
        ),
        th.Property(
            "avgResponseTime",
            th.NumberType,
            description="Mean time that the visitor waited for the agent, in seconds.",
        ),
        th.Property(
            "maxResponseTime",
            th.NumberType,
            description="Longest time that the visitor waited for the agent, in seconds.",
        ),
        th.Property(
            "successcode",
            th.StringType,
            description="Code that tells what the conversation led to.",
        ),
        th.Property(
            "firstReplyTime",
            th.NumberType,
            description="Seconds from the visitor's first message until the agent's first.",
        ),
    ).to_dict()


class Emails(CobrowserStream):
    """An e-mail sent from CoBrowser.net, mostly a transcript for a customer or visitor."""

    name = "emails"
    primary_keys = ("id",)
    replication_key = "timestamp"
    windowed = True
    schema = th.PropertiesList(
        th.Property(
            "browse_id",
            th.StringType,
            description="Visit that the e-mail is about; joins `conversations.browse_id`.",
        ),
        th.Property("id", th.StringType, required=True, description="Id of the e-mail."),
        th.Property("timestamp", th.DateTimeType, required=True, description="When it was sent."),
        th.Property("agent_id", th.StringType, description="Agent who sent it; joins `agents.id`."),
        th.Property("to", th.StringType, description="Its recipients."),
        th.Property("bcc", th.StringType, description="Its hidden recipients."),
        th.Property("subject", th.StringType, description="Its subject line."),
        th.Property("from", th.StringType, description="Its sender."),
        th.Property("account_id", th.StringType, description=_ID_OF_ACCOUNT),
    ).to_dict()


class AgentActivity(CobrowserStream):
    """A time during which an agent was online or offline; the latest may not have ended yet."""

    name = "agentactivity"
    primary_keys = ("activity_id",)
    replication_key = "time_start"
    windowed = True
    reaches_back = True
    schema = th.PropertiesList(
        th.Property("agent_id", th.StringType, description="The agent; joins `agents.id`."),
        th.Property(
            "time_start",
            th.DateTimeType,
            required=True,
            description="When the agent went into the state.",
        ),
        th.Property(
            "time_end",
            th.DateTimeType,
            description="When the agent left the state; null while it lasts.",
        ),
        th.Property("state", th.StringType, description="The state: `online` or `offline`."),
        th.Property(
            "duration_secs", th.NumberType, description="How long the state lasted, in seconds."
        ),
        th.Property("account_id", th.StringType, description=_ID_OF_ACCOUNT),
        th.Property(
            "activity_id", th.StringType, required=True, description="Id of this state's row."
        ),
    ).to_dict()


class SlotsActivity(CobrowserStream):
    """A chat slot that an agent took into use or freed; a slot holds one chat."""

    name = "slotsactivity"
    primary_keys = ("activity_id",)
    replication_key = "time_start"
    windowed = True
    reaches_back = True
    schema = th.PropertiesList(
        th.Property("agent_id", th.StringType, description="The agent; joins `agents.id`."),
        th.Property(
            "time_start",
            th.DateTimeType,
            required=True,
            description="When the number of slots in use changed.",
        ),
        th.Property(
            "action",
            th.StringType,
            description="`add` if one slot more came into use, `remove` if one less.",
        ),
        th.Property("account_id", th.StringType, description=_ID_OF_ACCOUNT),
        th.Property(
            "browse_id",
            th.StringType,
            description="Visit that the slot was for; joins `conversations.browse_id`.",
        ),
        th.Property(
            "session_id",
            th.StringType,
            description="Visit as its conversation knows it.",
        ),
        th.Property("activity_id", th.StringType, required=True, description="Id of the change."),
        th.Property(
            "numslots_used",
            th.IntegerType,
            description="How many slots the agent had in use from then on.",
        ),
        th.Property(
            "numslots_max",
            th.IntegerType,
            description="How many slots the agent could have in use.",
        ),
        th.Property(
            "open_duration", th.NumberType, description="How long the slot was open, in seconds."
        ),
        th.Property(
            "closed_duration",
            th.NumberType,
            description="How long the slot was closed or offline, in seconds.",
        ),
        th.Property(
            "new_duration", th.NumberType, description="How long the slot was new, in seconds."
        ),
        th.Property(
            "sleeping_duration",
            th.NumberType,
            description="How long the slot was sleeping, in seconds.",
        ),
        th.Property(
            "burning_duration",
            th.NumberType,
            description="How long the slot was burning, in seconds.",
        ),
        th.Property(
            "presetName", th.StringType, description="Name of the preset that the chat ran under."
        ),
    ).to_dict()


class AgentPerformance(CobrowserStream):
    """What an agent did in one login session, once for each preset that applied."""

    name = "agentperformance"
    primary_keys = ("agent_id", "session_id", "preset")
    replication_key = "session_start"
    windowed = True
    reaches_back = True
    schema = th.PropertiesList(
        th.Property(
            "agent_id", th.StringType, required=True, description="The agent; joins `agents.id`."
        ),
        th.Property(
            "session_id", th.StringType, required=True, description="Id of the login session."
        ),
        th.Property(
            "preset",
            th.StringType,
            required=True,
            description="The preset that the figures are about; may be an empty text.",
        ),
        th.Property(
            "session_start",
            th.DateTimeType,
            required=True,
            description="When the agent logged in.",
        ),
        th.Property("numChats", th.IntegerType, description="How many chats the agent got."),
        th.Property("numBreaks", th.IntegerType, description="How often the agent went offline."),
        th.Property(
            "numIgnored",
            th.IntegerType,
            description="How many chats had no message from the visitor.",
        ),
        th.Property(
            "numAbandoned",
            th.IntegerType,
            description="How many chats had no message from the agent.",
        ),
        th.Property(
            "avgConcurrency",
            th.NumberType,
            description="How many chats the agent had at the same time, on average.",
        ),
        th.Property(
            "firstResponseDuration",
            th.NumberType,
            description="Seconds in which a chat was waiting for the agent's first reply.",
        ),
        th.Property("openDuration", th.NumberType, description="Seconds in which a chat was open."),
        th.Property(
            "closedDuration",
            th.NumberType,
            description="Seconds in which a chat was closed or offline.",
        ),
        th.Property("newDuration", th.NumberType, description="Seconds in which a chat was new."),
        th.Property(
            "sleepingDuration",
            th.NumberType,
            description="Seconds in which a chat was sleeping.",
        ),
        th.Property(
            "burningDuration", th.NumberType, description="Seconds in which a chat was burning."
        ),
        th.Property(
            "onlineDuration",
            th.NumberType,
            description="How long the agent was online; the API gives no unit.",
        ),
        th.Property(
            "offlineDuration",
            th.NumberType,
            description="How long the agent was offline; the API gives no unit.",
        ),
        th.Property(
            "availableDuration",
            th.NumberType,
            description="How long the agent could take a chat; the API gives no unit.",
        ),
        th.Property(
            "idleDuration",
            th.NumberType,
            description="How long the agent had no chat at all; the API gives no unit.",
        ),
        th.Property(
            "sessionDuration",
            th.NumberType,
            description="How long the session lasted; the API gives no unit.",
        ),
    ).to_dict()


class AccountSpecsHourly(CobrowserStream):
    """An hour of an account: its visits, and the chats that were asked for and offered."""

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
            description="When the hour began.",
        ),
        *_HOURLY_COUNTS,
    ).to_dict()


class HostSpecsHourly(CobrowserStream):
    """An hour of a host: its visits, and the chats that were asked for and offered."""

    name = "hostspecshourly"
    primary_keys = ("host_id", "hourBegin_time")
    replication_key = "hourBegin_time"
    windowed = True
    schema = th.PropertiesList(
        th.Property(
            "host_id", th.StringType, required=True, description="The host; joins `hosts.id`."
        ),
        th.Property(
            "hourBegin_time",
            th.DateTimeType,
            required=True,
            description="When the hour began.",
        ),
        *_HOURLY_COUNTS,
        th.Property(
            "account_id",
            th.StringType,
            description="Account that the host belongs to; joins `accounts.id`.",
        ),
    ).to_dict()


class FilterStatsHourly(CobrowserStream):
    """An hour of a filter, the rule by which visitors are invited to a chat."""

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
            description="When the hour began.",
        ),
        *_HOURLY_COUNTS[:2],
        th.Property("id", th.StringType, required=True, description="Id of the filter."),
        th.Property("filtername", th.StringType, description="Name of the filter."),
        th.Property(
            "num_proactive",
            th.IntegerType,
            description="How many invitations the filter made.",
        ),
        th.Property(
            "num_proactive_accepted",
            th.IntegerType,
            description="How many of its invitations were taken up.",
        ),
        th.Property(
            "num_proactive_declined",
            th.IntegerType,
            description="How many of its invitations were turned down.",
        ),
        th.Property(
            "num_proactive_match",
            th.IntegerType,
            description="How often a visitor met the filter's conditions.",
        ),
        th.Property(
            "num_proactive_cancelled",
            th.IntegerType,
            description="How many invitations were withdrawn since no agent was available.",
        ),
        th.Property(
            "num_proactive_no_availability",
            th.IntegerType,
            description="How many were taken up when no agent could be found for them.",
        ),
        th.Property(
            "num_proactive_expired",
            th.IntegerType,
            description="How many invitations ran out of time.",
        ),
        th.Property(
            "num_proactive_ignored",
            th.IntegerType,
            description="How many invitations the visitor did not react to.",
        ),
    ).to_dict()


class CccAgents(CobrowserStream):
    """A CCC agent: one who works for several accounts, which are put into groups."""

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
        th.Property("firstname", th.StringType, description="First name of the CCC agent."),
        th.Property("lastname", th.StringType, description="Last name of the CCC agent."),
        th.Property("email", th.StringType, description="E-mail address of the CCC agent."),
        th.Property(
            "cccaccount_id", th.StringType, description="CCC account that the agent belongs to."
        ),
    ).to_dict()


class CccAgentGroups(CobrowserStream):
    """A CCC agent's place in a group."""

    name = "cccagentgroups"
    primary_keys = ("cccagent_id", "cccgroup_id")
    ccc_only = True
    schema = th.PropertiesList(
        th.Property(
            "cccagent_id",
            th.StringType,
            required=True,
            description="The CCC agent; joins `cccagents.id`.",
        ),
        th.Property("cccgroup_id", th.StringType, required=True, description="Id of the group."),
        th.Property("cccgroup_name", th.StringType, description="Name of the group."),
        th.Property("cccaccount_id", th.StringType, description="CCC account that both belong to."),
    ).to_dict()


class CccGroupAccounts(CobrowserStream):
    """An account's place in a group of CCC agents."""

    name = "cccgroupaccounts"
    primary_keys = ("cccgroup_id", "account_id")
    ccc_only = True
    schema = th.PropertiesList(
        th.Property(
            "cccgroup_id",
            th.StringType,
            required=True,
            description="The group; joins `cccagentgroups.cccgroup_id`.",
        ),
        th.Property(
            "account_id",
            th.StringType,
            required=True,
            description="Account that the group serves; joins `accounts.id`.",
        ),
        th.Property("cccgroup_name", th.StringType, description="Name of the group."),
        th.Property(
            "cccaccount_id", th.StringType, description="CCC account that the group belongs to."
        ),
    ).to_dict()


class CccSlotsActivity(CobrowserStream):
    """A chat slot that a CCC agent took into use or freed; a slot holds one chat."""

    name = "cccslotsactivity"
    primary_keys = ("activity_id",)
    replication_key = "time_start"
    ccc_only = True
    schema = th.PropertiesList(
        th.Property(
            "cccagent_id", th.StringType, description="The CCC agent; joins `cccagents.id`."
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
            description="`add` if one slot more came into use, `remove` if one less.",
        ),
        th.Property("account_id", th.StringType, description=_ID_OF_ACCOUNT),
        th.Property(
            "browse_id",
            th.StringType,
            description="Visit that the slot was for; joins `conversations.browse_id`.",
        ),
        th.Property("session_id", th.StringType, description="Visit as its conversation knows it."),
        th.Property("activity_id", th.StringType, required=True, description="Id of the change."),
        th.Property(
            "numslots_used",
            th.IntegerType,
            description="How many slots the CCC agent had in use from then on.",
        ),
        th.Property(
            "numslots_max",
            th.IntegerType,
            description="How many slots the CCC agent could have in use.",
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
