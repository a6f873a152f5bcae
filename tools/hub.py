"""Prints the plugin definitions that Meltano needs, from `--about` and from `meltano.yml`.

`meltano add` takes the first two with `--from-ref`:

    python -m tools.hub > tap-cobrowser.meltano.yml
    python -m tools.hub --target target-postgres > targets/target-postgres.meltano.yml
    python -m tools.hub --settings                       the tap's part of `meltano.yml`
    python -m tools.hub --variant NAME --repo URL        the definition for Meltano Hub

The Hub keeps its definition in `_data/meltano/extractors/tap-cobrowser/NAME.yml`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = Path(__file__).parent.parent
_KINDS = ("boolean", "integer", "object", "array", "string")
_OPTIONS = {";": "Semicolon", ",": "Comma", ":": "Colon", "|": "Pipe", "jsonl": "JSONL"}
_OPTIONS |= {"gzip": "GZIP", "none": "None", "parquet": "Parquet"}
_COMMANDS = {
    "doctor": {
        "args": "--config ENV",
        "description": "Find out how the account's exports work, and which settings fit.",
        "executable": "tap-cobrowser-doctor",
    }
}


def about() -> dict[str, Any]:
    """Return the output of the installed tap's `--about`."""
    done = subprocess.run(
        [sys.executable, "-m", "tap_cobrowser", "--about", "--format=json"],
        check=True,
        capture_output=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def shared(said: dict[str, Any]) -> dict[str, Any]:
    """Return the keys that all definitions and `meltano.yml` share.

    Args:
        said: The output of `--about`.
    """
    return {
        "capabilities": sorted([*said["capabilities"], "test"]),  # not in `--about`
        "commands": _COMMANDS,
        "settings": list(_settings(said["settings"]["properties"])),
        # one of these groups has to be set
        "settings_group_validation": [said["settings"]["required"], ["history_files"]],
    }


def plugin(said: dict[str, Any], pip_url: str = "") -> dict[str, Any]:
    """Return the definition for `meltano add --from-ref`.

    It has no variant, so that adding the plugin again updates it.

    Args:
        said: The output of `--about`.
        pip_url: The `pip_url` of the plugin; by default the package on PyPI.
    """
    return {
        **shared(said),
        "description": said["description"],
        "executable": said["name"],
        "label": "CoBrowser.net",
        "name": said["name"],
        "namespace": said["name"].replace("-", "_"),
        "pip_url": pip_url or said["name"],
        "supported_python_versions": said["supported_python_versions"],
    }


def target(name: str) -> dict[str, Any]:
    """Return the definition of a target in `meltano.yml`, for `meltano add --from-ref`.

    Args:
        name: The name of the target.

    Raises:
        StopIteration: If `meltano.yml` does not have it.
    """
    project = yaml.safe_load((_ROOT / "meltano.yml").read_text(encoding="utf-8"))
    found = dict(next(each for each in project["plugins"]["loaders"] if each["name"] == name))
    # `meltano add` drops `config`, so its values become the defaults of the settings
    config = found.pop("config", {})
    found["settings"] = [
        {**each, "value": config[each["name"]]} if each["name"] in config else each
        for each in found["settings"]
    ]
    return found


def definition(said: dict[str, Any], variant: str, repo: str) -> dict[str, Any]:
    """Return the definition for Meltano Hub.

    Args:
        said: The output of `--about`.
        variant: The publisher of the tap.
        repo: The URL of the repository.
    """
    return {
        **plugin(said),
        "domain_url": "https://www.cobrowser.net",
        "keywords": ["api", "chat", "contact-centre", "meltano_sdk"],
        "log_parser": "singer-sdk",
        "logo_url": "/assets/logos/extractors/cobrowser.svg",
        "maintenance_status": "active",
        "prereq": "An API key, which CoBrowser.net issues to a user on request.",
        "quality": "silver",  # the Hub's quality for a new tap that is built on the SDK
        "repo": repo,
        "variant": variant,
    }


def to_yaml(content: object) -> str:
    """Return YAML as the Hub keeps it: keys sorted, lists not indented."""
    return yaml.safe_dump(content, allow_unicode=True, sort_keys=True, width=100)


def _settings(properties: dict[str, Any], parent: str = "") -> Iterator[dict[str, Any]]:
    for name, schema in properties.items():
        nested = schema.get("properties", {})
        # an object whose names are the user's own, such as stream maps, is one setting
        if nested and "__else__" not in nested:
            yield from _settings(nested, f"{parent}{name}.")
        else:
            yield _setting(f"{parent}{name}", schema)


def _setting(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    setting: dict[str, Any] = {"name": name, "label": schema["title"]}
    if "description" in schema:
        setting["description"] = schema["description"]
    choices = schema.get("enum")
    types = schema.get("type", "string")
    if choices:
        setting["kind"] = "options"
        setting["options"] = [{"label": _OPTIONS[each], "value": each} for each in choices]
    else:
        setting["kind"] = next(kind for kind in _KINDS if kind in types)
    if schema.get("default") is not None:
        setting["value"] = schema["default"]
    if schema.get("secret"):
        setting["sensitive"] = True
    return setting


def main() -> None:
    """Print a definition."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.hub",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--pip-url", default="", help="pip_url of the tap (default: its name)")
    parser.add_argument("--target", help="print the definition of this target of meltano.yml")
    parser.add_argument(
        "--settings", action="store_true", help="print the tap's part of meltano.yml"
    )
    parser.add_argument("--variant", help="variant of the tap: its publisher")
    parser.add_argument("--repo", help="URL of the repository")
    options = parser.parse_args()
    if options.target:
        print(to_yaml(target(options.target)), end="")
    elif options.settings:
        print(to_yaml(shared(about())), end="")
    elif options.variant and options.repo:
        print(to_yaml(definition(about(), options.variant, options.repo)), end="")
    elif options.variant or options.repo:
        parser.error("--variant and --repo must be given together")
    else:
        print(to_yaml(plugin(about(), options.pip_url)), end="")


if __name__ == "__main__":
    main()
