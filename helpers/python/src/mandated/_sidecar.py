"""The client of the proxy's local API. Everything is decided by the proxy; here are only words."""

from __future__ import annotations

import http.client
import json
import os
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

#: What a receipt grants: tool, argument, constraint. A tool that is not named is refused.
Tools = Mapping[str, Mapping[str, Mapping[str, Any]]]

_T = TypeVar("_T")
_LONGEST_WAIT = 30  # seconds, of one question


class Error(Exception):
    """What this library raises, beside OSError where the proxy cannot be reached."""


class Refused(Error):
    """The proxy did not do what it was asked for. `code` is stable; the text is a sentence for people."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(problem.get("detail") or f"The proxy answered with status {status}.")
        self.status = status
        self.code: str = problem.get("code", "")
        self.hop: int | None = problem.get("hop")
        self.tool: str | None = problem.get("tool")
        self.argument: str | None = problem.get("argument")
        self.constraint: dict[str, Any] | None = problem.get("constraint")


class NotSigned(Error):
    """The person refused, or let the request expire: `status` is "refused" or "expired"."""

    def __init__(self, status: str) -> None:
        super().__init__(f"The request was {status}." if status == "refused" else "The request expired.")
        self.status = status


@dataclass(frozen=True)
class Identity:
    """What another agent needs to delegate to this one."""

    holder_key: dict[str, Any]
    holder: str | None = None  #: SPIFFE ID; None where the proxy has no identity


@dataclass(frozen=True)
class Receipt:
    """A receipt of the wallet. One that does not stand has a `refusal` and nothing else but its id and file."""

    id: str
    file: str | None = None
    holder: str | None = None
    tools: dict[str, Any] = field(default_factory=dict)
    mandate: dict[str, Any] = field(default_factory=dict)
    expires: float = 0
    seconds_left: float = 0
    depth_left: int = 0
    budget: dict[str, Any] = field(default_factory=dict)  #: by figure: what is left, and on which hop
    refusal: dict[str, Any] | None = None

    @property
    def left(self) -> dict[str, float]:
        """What is left of each figure of the budget: of all hops the smallest."""
        return {figure: of["left"] for figure, of in self.budget.items()}


@dataclass(frozen=True)
class Delegation:
    """A narrower receipt for another holder: `chain` is what that holder takes."""

    id: str
    receipt: str  #: id of the receipt it was made from
    chain: list[str]
    tools: dict[str, Any]
    expires: float
    seconds_left: float
    depth_left: int
    mandate: dict[str, Any] = field(default_factory=dict)
    holder: str | None = None


@dataclass(frozen=True)
class Attachment:
    """A receipt and its proof, good for one call: put either `meta` or `headers` on it."""

    receipt: str  #: id of the receipt that is used
    chain: list[str]
    proof: str

    @property
    def meta(self) -> dict[str, Any]:
        """Entries for `params._meta` of an MCP request."""
        return {"io.mandated/receipt": self.chain, "io.mandated/proof": self.proof}

    @property
    def headers(self) -> dict[str, str]:
        """HTTP header fields."""
        return {"Delegation-Receipt": ", ".join(self.chain), "Delegation-Proof": self.proof}


class Request:
    """A person was asked: show `url`, then wait."""

    def __init__(self, sidecar: Sidecar, id: str, url: str, expires: float) -> None:
        self.id = id
        self.url = url
        self.expires = expires
        self._sidecar = sidecar

    def wait(self, timeout: float | None = None) -> Receipt:
        """The receipt, once it is signed; it is in the wallet then. NotSigned; TimeoutError after `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = _LONGEST_WAIT if deadline is None else deadline - time.monotonic()
            wait = max(0, min(_LONGEST_WAIT, int(left)))
            answer = self._sidecar._call("GET", f"/requests/{self.id}?wait={wait}", patience=wait)
            if answer["status"] == "signed":
                return _of(Receipt, answer["receipt"])
            if answer["status"] != "pending":
                raise NotSigned(answer["status"])
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError("nobody has signed yet")
            if wait == 0:
                time.sleep(min(1.0, max(0.0, left)))


class Sidecar:
    """The proxy beside this agent, at its `local_api.socket`; by default what MANDATED_SOCKET names."""

    def __init__(self, path: str | os.PathLike[str] | None = None, *, timeout: float = 30) -> None:
        self._path = os.fspath(path if path is not None else os.environ["MANDATED_SOCKET"])
        self._timeout = timeout

    def identity(self) -> Identity:
        return _of(Identity, self._call("GET", "/identity"))

    def receipts(self) -> list[Receipt]:
        """The wallet, with what is left of each receipt."""
        return [_of(Receipt, one) for one in self._call("GET", "/receipts")["receipts"]]

    def take(self, chain: Sequence[str]) -> Receipt:
        """Puts a receipt into the wallet that somebody made for this agent."""
        return _of(Receipt, self._call("POST", "/receipts", {"chain": list(chain)}))

    def ask(self, *, user: str, tools: Tools, lifetime: int, intent: str, depth: int = 0,
            mandate: Mapping[str, Any] | None = None) -> Request:
        """Asks a person (`mailto:…`) for a receipt of so many seconds. `intent`: the task, in words."""
        body = _given(user=user, tools=tools, lifetime=lifetime, intent=intent, depth=depth, mandate=mandate)
        answer = self._call("POST", "/requests", body)
        return Request(self, answer["id"], answer["url"], answer["expires"])

    def delegate(self, *, holder: str, holder_key: Mapping[str, Any], tools: Tools, lifetime: float | None = None,
                 depth: int = 0, task: str | None = None, mandate: Mapping[str, Any] | None = None,
                 receipt: str | None = None) -> Delegation:
        """A narrower receipt for another agent, whose `identity()` says `holder` and `holder_key`. `depth`: how many
        times it may be handed on. Made from the receipt of this id, or from the narrowest that admits it."""
        body = _given(holder=holder, holder_key=holder_key, tools=tools, lifetime=lifetime, depth=depth, task=task,
                      mandate=mandate, receipt=receipt)
        return _of(Delegation, self._call("POST", "/delegations", body))

    def attach(self, tool: str, args: Mapping[str, Any] | None = None, *, aud: str,
               receipt: str | None = None) -> Attachment:
        """For one call with exactly these arguments at `aud`, which enforces receipts; not needed where the call goes
        through the proxy."""
        body = _given(tool=tool, args=args, aud=aud, receipt=receipt)
        return _of(Attachment, self._call("POST", "/attachments", body))

    def _call(self, method: str, path: str, body: Any = None, patience: float = 0) -> Any:
        text = None if body is None else json.dumps(body)
        headers = {} if body is None else {"content-type": "application/json"}
        connection = _UnixConnection(self._path, self._timeout + patience)
        try:
            connection.request(method, path, text, headers)
            response = connection.getresponse()
            document = json.loads(response.read())
        except http.client.RemoteDisconnected:
            raise
        except (http.client.HTTPException, ValueError) as wrong:
            raise Error(f"the answer of {self._path} makes no sense: {wrong!r}") from wrong
        finally:
            connection.close()
        if response.status >= 300:
            raise Refused(response.status, document)
        return document


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _given(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _of(kind: type[_T], members: Mapping[str, Any]) -> _T:
    """A newer proxy may say more than is known here."""
    known = {each.name for each in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in members.items() if name in known})
