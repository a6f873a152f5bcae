"""The companies of the sandbox: their websites, agents and filters. Data, no logic."""

from __future__ import annotations

from typing import NamedTuple

GENERAL = "general"


class Account(NamedTuple):
    """A company."""

    id: str
    name: str
    postfix: str


class Host(NamedTuple):
    """A website of a company."""

    id: str
    account: str
    name: str
    multiple: str


class Agent(NamedTuple):
    """Somebody who chats with visitors."""

    id: str
    username: str
    first: str
    last: str
    account: str
    ccc: str | None
    disabled: int
    presets: tuple[str, ...]


class Filter(NamedTuple):
    """A rule by which visitors are invited."""

    id: str
    account: str
    name: str


ACCOUNTS = (
    Account("1001", "Energie Direct Noord", "energienoord.example"),
    Account("1002", "De Groene Winkel; Wonen & Tuin", "groenewinkel.example"),
    Account("0103", 'Zorgverzekeraar "Het Anker"', "hetanker.example"),
)
HOSTS = (
    Host("501", "1001", "www.energienoord.example", ""),
    Host("502", "1001", "mijn.energienoord.example", "noord"),
    Host("503", "1002", "groenewinkel.example", ""),
    Host("504", "1002", "outlet.groenewinkel.example", "outlet|2"),
    Host("0505", "0103", "www.hetanker.example", ""),
)
AGENTS = (
    Agent("2001", "sanne", "Sanne", "de Vries", "1001", "31", 0, ("Service",)),
    Agent("2002", "daan", "Daan", "Jansen", "1001", None, 0, ("Service", 'Verkoop "extra"')),
    Agent("2003", "zoe", "Zoë", "van den Berg", "1001", "32", 0, (GENERAL,)),
    Agent("2004", "francois", "François", "Bakker", "1001", None, 0, ("Service", "Storing; gas")),
    Agent("2005", "joris", "Joris", "Visser", "1002", "33", 0, ("Verkoop",)),
    Agent("2006", "maud", "Maud", "Meijer", "1002", None, 0, ("Verkoop", "Retour\\ruil")),
    Agent("2007", "bjorn", "Bjørn", "Mulder", "1002", "31", 0, (GENERAL,)),
    Agent("2008", "lotte", "Lotte", "de Groot", "0103", None, 0, ("Polis",)),
    Agent("2009", "ahmet", "Ahmet", "Yıldız", "0103", "34", 0, ("Polis", "Declaraties")),  # noqa: RUF001 - his name
    Agent("2010", "renee", "Renée", "Bos", "0103", None, 0, ("Declaraties",)),
    Agent("2011", "oud", "Pieter", "Dekker", "1001", None, 1, ("Service",)),
)
CCC_AGENTS = (
    ("31", "nora", "Nora", "Hendriks"),
    ("32", "sem", "Sem", "Dijkstra"),
    ("33", "ines", "Inès", "Peters"),
    ("34", "koen", "Koen", "O'Brien"),
)
CCC_GROUPS = (("71", "Avond & weekend", ("1001", "1002")), ("72", "Zorg: lijn 2", ("0103",)))
FILTERS = (
    Filter("61", "1001", "Lang op tarievenpagina"),
    Filter("62", "1001", 'Verhuizing: "snel regelen"'),
    Filter("63", "1002", "Winkelmand > € 100; nog niet betaald"),
    Filter("64", "1002", "Pad C:\\aanbieding\\"),
    Filter("65", "0103", "Terugkerende bezoeker | polis"),
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
