"""The commands of the API, as its page lists them: the one place that says what each has.

The page is repeated here, independently of the tap, so that a test that compares the two finds a
mistake in either. Keys are not on the page; they are those that the sandbox's rows have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Command:
    """A command.

    Attributes:
        name: Its name, sent as `c`.
        columns: Its columns, in the order and spelling of the page.
        key: The columns that identify a row.
        day: The date-time by which a row belongs to a day; None for a table without days.
        ranged: Whether it takes `start` and `stop`.
        ccc: Whether only CCC agents may use it.
    """

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    day: str | None
    ranged: bool
    ccc: bool


class ByCommand(dict[str, T]):
    """A dictionary by command, which says where a command is to be added."""

    def __missing__(self, name: str) -> NoReturn:
        """Reject a name that is not a command."""
        raise KeyError(f"the sandbox has no command {name!r}; add it to sandbox/page.py")


COMMANDS: ByCommand[Command] = ByCommand()


def _command(
    name: str,
    columns: str,
    key: str,
    *,
    day: str | None = None,
    ranged: bool = True,
    ccc: bool = False,
) -> None:
    """Add a command; without a `day` it takes no range."""
    COMMANDS[name] = Command(
        name, tuple(columns.split()), tuple(key.split()), day, ranged and day is not None, ccc
    )


_HOURLY = (
    "hourBegin_time hourEnd_time hourOfDay num_vists num_pageviews num_visitors num_reactive "
    "num_reactive_accepted num_proactive num_proactive_accepted"
)
_command(
    "conversations",
    "conversation_start browse_id account_id num_messages duration_secs avgMessageLength "
    "maxMessageLength last_agent_id reseller_id visitor_id requestType assigned_agent_id acceptUrl "
    "accept_host_id decisionTime firstResponseTime transcriptUrl avgResponseTime maxResponseTime "
    "successcode firstReplyTime",
    "browse_id conversation_start",
    day="conversation_start",
)
_command("accounts", "id name postfix reseller_id", "id")
_command("agents", "id username firstname lastname email account_id cccagent_id disabled", "id")
_command("cccagents", "id username firstname lastname email cccaccount_id", "id", ccc=True)
_command(
    "cccagentgroups",
    "cccagent_id cccgroup_id cccgroup_name cccaccount_id",
    "cccagent_id cccgroup_id",
    ccc=True,
)
_command(
    "cccgroupaccounts",
    "cccgroup_id account_id cccgroup_name cccaccount_id",
    "cccgroup_id account_id",
    ccc=True,
)
_command(
    "cccslotsactivity",
    "cccagent_id time_start action account_id browse_id session_id activity_id numslots_used "
    "numslots_max",
    "activity_id",
    day="time_start",
    ranged=False,
    ccc=True,
)
_command(
    "accountspecshourly",
    f"account_id {_HOURLY}",
    "account_id hourBegin_time",
    day="hourBegin_time",
)
_command(
    "hostspecshourly",
    f"host_id {_HOURLY} account_id",
    "host_id hourBegin_time",
    day="hourBegin_time",
)
_command(
    "emails",
    "browse_id id timestamp agent_id to bcc subject from account_id",
    "id",
    day="timestamp",
)
_command("hosts", "id account_id hostname multiple_acc_id", "id")
_command(
    "agentactivity",
    "agent_id time_start time_end state duration_secs account_id activity_id",
    "activity_id",
    day="time_start",
)
_command(
    "filterstatshourly",
    "account_id hourBegin_time hourEnd_time hourOfDay id filtername num_proactive "
    "num_proactive_accepted num_proactive_declined num_proactive_match num_proactive_cancelled "
    "num_proactive_no_availability num_proactive_expired num_proactive_ignored",
    "account_id id hourBegin_time",
    day="hourBegin_time",
)
_command(
    "slotsactivity",
    "agent_id time_start action account_id browse_id session_id activity_id numslots_used "
    "numslots_max open_duration closed_duration new_duration sleeping_duration burning_duration "
    "presetName",
    "activity_id",
    day="time_start",
)
_command(
    "agentperformance",
    "agent_id session_id preset session_start numChats numBreaks numIgnored numAbandoned "
    "avgConcurrency firstResponseDuration openDuration closedDuration newDuration sleepingDuration "
    "burningDuration onlineDuration offlineDuration availableDuration idleDuration sessionDuration",
    "agent_id session_id preset",
    day="session_start",
)

TABLES: ByCommand[tuple[str, ...]] = ByCommand(
    {name: command.columns for name, command in COMMANDS.items()}
)
"""The columns of each command."""
WITHOUT_RANGE = {name for name, command in COMMANDS.items() if not command.ranged}
CCC_ONLY = {name for name, command in COMMANDS.items() if command.ccc}
