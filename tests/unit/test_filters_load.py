"""Ansible's filters load fast: each fork, one for every task of every host, loads all of them."""

import json
import subprocess
import sys

import pytest

from hotkit.assets import asset

FOLDER = asset("playbooks") / "filter_plugins"
FILES = sorted(FOLDER.glob("*.py"))
# As Ansible loads a plugin: from its file, under a name of its own.
LOAD = """
import importlib.util, json, sys
import ansible.errors, ansible.plugins.loader
before = set(sys.modules)
spec = importlib.util.spec_from_file_location("ansible.plugins.filter.one", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
names = sorted(module.FilterModule().filters())
print(json.dumps([names, sorted(set(sys.modules) - before)]))
"""
# hotkit's own that a plugin may need at once: small, and of the core.
LIGHT = {"hotkit", "hotkit.core", "hotkit.core.guestkeys", "hotkit.core.guestspec",
         "hotkit.core.units", "hotkit.errors"}  # fmt: skip


def test_there_are_filters():
    assert {file.stem for file in FILES} >= {"hotkit", "hotkit_agent", "hotkit_guests"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_filter_imports_what_it_needs_when_it_is_called(file):
    done = subprocess.run(
        [sys.executable, "-c", LOAD, file], capture_output=True, text=True, check=True
    )
    names, modules = json.loads(done.stdout)
    assert names
    assert {name for name in modules if name.split(".")[0] == "hotkit"} <= LIGHT
    assert not {"pydantic", "jsonschema", "yaml", "numpy"} & set(modules)
