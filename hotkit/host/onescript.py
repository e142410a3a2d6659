"""Several modules as one text that `python3 -` runs, where nothing of hotkit is installed."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

# Each module is executed under its own name before the next: what it imports must come first.
_LOADER = """\
import sys, types
def _load(name, source):
    module = types.ModuleType(name)
    sys.modules[name] = module
    package, _, short = name.rpartition(".")
    if package:
        setattr(sys.modules[package], short, module)
    if source is None:
        module.__path__ = []
    else:
        exec(compile(source, "<" + name + ">", "exec"), module.__dict__)
"""


def one_script(package: str, modules: Sequence[str], main: str) -> str:
    """A script of `modules` of `package`, in the order in which they need each other.

    `main` is the module whose main() is called at last. ASCII, and no line of it begins another
    script (the way through sudo cuts at a line of its own).
    """
    parts = package.split(".")
    names = [".".join(parts[: count + 1]) for count in range(len(parts))]
    lines = [f"_load({name!r}, None)" for name in names]
    for module in modules:
        source = files(package).joinpath(f"{module}.py").read_text(encoding="utf-8")
        lines.append(f"_load({f'{package}.{module}'!r}, {source!a})")
    lines.append(f"sys.modules[{f'{package}.{main}'!r}].main()")
    return _LOADER + "\n".join(lines) + "\n"
