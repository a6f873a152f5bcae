"""Makes the tap's definition for Meltano Hub from `--about`, and meltano.yml's settings with it.

`python -m tools.hub --variant NAME --repo URL` prints the definition, as the Hub keeps it in
`_data/meltano/extractors/tap-cobrowser/NAME.yml`; `python -m tools.hub --settings` prints the
part that stands in `meltano.yml`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    """Return what the installed tap says of itself."""
    done = subprocess.run(
        [sys.executable, "-m", "tap_cobrowser", "--about", "--format=json"],
        check=True,
        capture_output=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def shared(said: dict[str, Any]) -> dict[str, Any]:
    """Return what the Hub's definition and `meltano.yml` have in common.

    Args:
        said: What the tap says of itself.
    """
    return {
        "capabilities": sorted([*said["capabilities"], "test"]),  # which `--about` does not tell
        "commands": _COMMANDS,
        "settings": list(_settings(said["settings"]["properties"])),
        "settings_group_validation": [said["settings"]["required"]],
    }


def definition(said: dict[str, Any], variant: str, repo: str) -> dict[str, Any]:
    """Return the Hub's definition.

    Args:
        said: What the tap says of itself.
        variant: Who publishes the tap, as the Hub names them.
        repo: The address of the repository.
    """
    return {
        **shared(said),
        "description": said["description"],
        "domain_url": "https://www.cobrowser.net",
        "executable": said["name"],
        "keywords": ["api", "chat", "contact-centre", "meltano_sdk"],
        "label": "CoBrowser.net",
        "log_parser": "singer-sdk",
        "logo_url": "/assets/logos/extractors/cobrowser.svg",
        "maintenance_status": "active",
        "name": said["name"],
        "namespace": said["name"].replace("-", "_"),
        "pip_url": said["name"],
        "prereq": "An API key, which CoBrowser.net gives to a user on request.",
        "quality": "silver",  # what the Hub gives a new tap that stands on the SDK
        "repo": repo,
        "supported_python_versions": said["supported_python_versions"],
        "variant": variant,
    }


def to_yaml(content: object) -> str:
    """Return YAML as the Hub keeps it: keys sorted, lists not indented."""
    return yaml.safe_dump(content, allow_unicode=True, sort_keys=True, width=100)


def _settings(properties: dict[str, Any], parent: str = "") -> Iterator[dict[str, Any]]:
    for name, schema in properties.items():
        nested = schema.get("properties", {})
        # what has names of the user's own below it, as stream maps have, is one object
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
    elif schema.get("format") == "date-time":
        setting["kind"] = "date_iso8601"
    else:
        setting["kind"] = next(kind for kind in _KINDS if kind in types)
    if schema.get("default") is not None:
        setting["value"] = schema["default"]
    if schema.get("secret"):
        setting["sensitive"] = True
    return setting


def main() -> None:
    """Print what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tools.hub", description=__doc__)
    parser.add_argument("--variant", help="who publishes the tap, as the Hub names them")
    parser.add_argument("--repo", help="address of the repository")
    parser.add_argument("--settings", action="store_true", help="what stands in meltano.yml")
    options = parser.parse_args()
    if options.settings:
        print(to_yaml(shared(about())), end="")
    elif options.variant and options.repo:
        print(to_yaml(definition(about(), options.variant, options.repo)), end="")
    else:
        parser.error("give --variant and --repo, or --settings")


if __name__ == "__main__":
    main()
