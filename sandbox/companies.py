"""The companies of the sandbox: their websites, agents and filters. Data, no logic."""

from __future__ import annotations

from typing import NamedTuple

GENERAL = "general"


class Account(NamedTuple):
    """A company.

    Attributes:
        seasons: How busy each month is, compared with the others.
        weekend: How busy a Saturday or Sunday is, compared with a working day.
        evening: How busy the hours outside office hours are, compared with office hours.
        declined: Chat requests that are not accepted, per request that is.
        codes: Success codes, and how often each is given.
    """

    id: str
    name: str
    postfix: str
    seasons: tuple[float, ...]
    weekend: float
    evening: float
    declined: float
    codes: dict[str, float]


class Host(NamedTuple):
    """A website of a company."""

    id: str
    account: str
    name: str
    multiple: str


class Agent(NamedTuple):
    """A person who chats with visitors.

    Attributes:
        share: How many chats the agent gets, compared with others at work.
        pace: How long visitors wait for the agent, compared with others.
        misses: Share of chats without a message from the agent or the visitor.
    """

    id: str
    username: str
    first: str
    last: str
    account: str
    ccc: str
    presets: tuple[str, ...]
    share: float = 1.0
    pace: float = 1.0
    misses: float = 0.0
    disabled: int = 0


class Filter(NamedTuple):
    """A rule by which visitors are invited.

    Attributes:
        others: Invitations that were declined, cancelled, accepted without an available agent,
            expired, ignored: each per invitation that became a chat.
        unused: Visitors who meet the conditions but are not invited, per invitation.
    """

    id: str
    account: str
    name: str
    others: tuple[float, float, float, float, float]
    unused: float


ACCOUNTS = (
    Account(
        "1001",
        "Energie Direct Noord",
        "energienoord.example",
        (1.5, 1.4, 1.2, 1.0, 0.8, 0.7, 0.7, 0.8, 0.9, 1.2, 1.3, 1.5),
        weekend=0.5,
        evening=0.8,
        declined=0.12,
        codes={"service": 62, "": 20, "lead": 12, "sale": 6},
    ),
    Account(
        "1002",
        "De Groene Winkel; Wonen & Tuin",
        "groenewinkel.example",
        (0.6, 0.7, 1.2, 1.6, 1.7, 1.3, 1.0, 0.9, 0.9, 0.9, 1.1, 1.3),
        weekend=2.2,
        evening=1.8,
        declined=0.22,
        codes={"sale": 41, "": 27, "service": 22, "lead": 10},
    ),
    Account(
        "0103",
        'Zorgverzekeraar "Het Anker"',
        "hetanker.example",
        (0.9, 0.7, 0.7, 0.7, 0.7, 0.7, 0.6, 0.7, 0.9, 1.0, 1.6, 2.1),
        weekend=0.2,
        evening=0.6,
        declined=0.35,
        codes={"service": 55, "lead": 24, "": 15, "sale": 6},
    ),
)
HOSTS = (
    Host("501", "1001", "www.energienoord.example", ""),
    Host("502", "1001", "mijn.energienoord.example", "noord"),
    Host("503", "1002", "groenewinkel.example", ""),
    Host("504", "1002", "outlet.groenewinkel.example", "outlet|2"),
    Host("0505", "0103", "www.hetanker.example", ""),
)
POPULARITY = {"501": 34.0, "502": 16.0, "503": 24.0, "504": 9.0, "0505": 17.0}
"""Weights of the hosts: how many of the conversations begin on each."""
AGENTS = (
    Agent("2001", "sanne", "Sanne", "de Vries", "1001", "31", ("Service",), 1.6, 0.7, 0.03),
    Agent(
        "2002", "daan", "Daan", "Jansen", "1001", "", ("Service", 'Verkoop "extra"'), misses=0.06
    ),
    Agent("2003", "zoe", "Zoë", "van den Berg", "1001", "32", (GENERAL,), 0.6, 1.9, 0.09),
    Agent(
        "2004",
        "francois",
        "François",
        "Bakker",
        "1001",
        "",
        ("Service", "Gas; water"),
        1.2,
        0.8,
        0.05,
    ),
    Agent("2005", "joris", "Joris", "Visser", "1002", "33", ("Verkoop",), 1.4, 0.9, 0.04),
    Agent(
        "2006", "maud", "Maud", "Meijer", "1002", "", ("Verkoop", "Retour\\ruil"), 0.9, 1.3, 0.07
    ),
    Agent("2007", "bjorn", "Bjørn", "Mulder", "1002", "31", (GENERAL,), 0.5, 2.4, 0.14),
    Agent("2008", "lotte", "Lotte", "de Groot", "0103", "", ("Polis",), 1.3, 0.8, 0.02),
    Agent("2009", "ahmet", "Ahmet", "Yıldız", "0103", "34", ("Polis", "Klacht"), 1.0, 1.1, 0.05),  # noqa: RUF001
    Agent("2010", "renee", "Renée", "Bos", "0103", "", ("Declaraties",), 0.7, 1.6, 0.1),
    Agent("2011", "oud", "Pieter", "Dekker", "1001", "", ("Service",), disabled=1),
)
CCC_AGENTS = (
    ("31", "nora", "Nora", "Hendriks"),
    ("32", "sem", "Sem", "Dijkstra"),
    ("33", "ines", "Inès", "Peters"),
    ("34", "koen", "Koen", "O'Brien"),
)
CCC_GROUPS = (("71", "Avond & weekend", ("1001", "1002")), ("72", "Zorg: lijn 2", ("0103",)))
FILTERS = (
    Filter("61", "1001", "Lang op tarievenpagina", (1.5, 0.3, 0.1, 1.4, 4.6), 0.9),
    Filter("62", "1001", 'Verhuizing: "snel regelen"', (0.7, 0.2, 0.1, 0.6, 1.9), 0.4),
    Filter("63", "1002", "Winkelmand > € 100; nog niet betaald", (1.1, 0.5, 0.2, 0.8, 2.7), 0.6),
    Filter("64", "1002", "Pad C:\\aanbieding\\", (3.4, 0.6, 0.2, 2.6, 9.5), 2.5),
    Filter("65", "0103", "Terugkerende bezoeker | polis", (0.9, 0.8, 0.4, 1.0, 3.1), 1.2),
)
SUBJECTS = (
    "Transcript van uw gesprek",
    "Uw chat met {agent}",
    'Re: "offerte"; bedankt, tot snel',
    "Vraag over factuur 💶 | mei",
    "Twee regels:\nuw gesprek en de bijlage",
    "Fwd: map C:\\facturen\\",
    'Over de zgn. \\"speciale\\" korting',
    "Één vraag, drie antwoorden\r\nmet vriendelijke groet",
)
QUERIES = ("", "?q=gas;stroom", "?utm=a|b,c:d", '?naam="test"&x=1', "?zoek=caf%C3%A9#top", "?a=é")
