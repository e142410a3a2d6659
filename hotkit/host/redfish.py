"""Power over Redfish (DMTF DSP0266): ComputerSystem.Reset of one system."""

from __future__ import annotations

import base64
import json
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

from hotkit.errors import ExitCode, HotkitError

_SECONDS = 30
_SYSTEMS = "/redfish/v1/Systems"


@dataclass(frozen=True, slots=True, kw_only=True)
class Redfish:
    """A BMC at `url`; `system` is the id below /redfish/v1/Systems (default: the only one there).

    TLS is verified, against `ca` (a PEM file) or the system's authorities. Plain http is refused
    beyond loopback: the password would travel in the clear.
    """

    name: str
    url: str
    user: str
    password: str = field(repr=False)
    system: str | None = None
    ca: str | None = None

    def describe(self) -> str:
        return f"Redfish at {urlsplit(self.url).netloc.rpartition('@')[2]}"

    def reset(self) -> None:
        self._act("ForceRestart" if self.is_on() else "On")

    def on(self) -> None:
        self._act("On")

    def off(self) -> None:
        self._act("ForceOff")

    def is_on(self) -> bool | None:
        state = self._ask(self._system()).get("PowerState")
        return {"On": True, "Off": False}.get(str(state))

    def _act(self, kind: str) -> None:
        system = self._system()
        actions = self._ask(system).get("Actions") or {}
        target = (actions.get("#ComputerSystem.Reset") or {}).get("target")
        self._ask(target or f"{system}/Actions/ComputerSystem.Reset", {"ResetType": kind})

    def _system(self) -> str:
        if self.system:
            return f"{_SYSTEMS}/{self.system}"
        members = [item.get("@odata.id") for item in self._ask(_SYSTEMS).get("Members") or []]
        if len(members) != 1:
            names = ", ".join(str(item).rpartition("/")[2] for item in members) or "none"
            raise HotkitError(
                f"{self.name}: {self.describe()} has {len(members)} systems",
                hint=f"hotkit_power: {{system: ...}}; there are: {names}",
            )
        return str(members[0])

    def _ask(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        url = urljoin(self.url + "/", path)
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
            raise HotkitError(
                f"{self.name}: Redfish over {parts.scheme or 'no scheme'} is refused",
                hint="write https:// (the password goes with every request)",
            )
        word = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        request = urllib.request.Request(
            url,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Basic {word}", "Content-Type": "application/json"},
        )
        try:
            context = (
                ssl.create_default_context(cafile=self.ca) if parts.scheme == "https" else None
            )
            opener = urllib.request.build_opener(
                _NoRedirect(), urllib.request.HTTPSHandler(context=context)
            )
            with opener.open(request, timeout=_SECONDS) as answer:
                text = answer.read(1 << 20)
        except urllib.error.HTTPError as error:
            why = {401: "wrong user or password", 403: "not allowed", 404: "no such system"}
            raise self._failed(why.get(error.code, f"HTTP status {error.code}")) from error
        except (OSError, ValueError) as error:
            raise self._failed(str(getattr(error, "reason", error))) from error
        try:
            said = json.loads(text) if text.strip() else {}
        except ValueError as error:
            raise self._failed("an answer that is no JSON") from error
        return said if isinstance(said, dict) else {}

    def _failed(self, why: str) -> HotkitError:
        return HotkitError(
            f"{self.name}: {self.describe()}: {why}",
            hint="check hotkit_power: url, user, password, system, ca",
            exit_code=ExitCode.UNREACHABLE,
        )


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the password to somebody else."""

    def redirect_request(self, *_: Any) -> None:
        return None
