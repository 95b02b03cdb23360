"""The one place that knows what client libraries raise.

Every client (OpenAI, Anthropic, Google, httpx and its successors) has exceptions of its own, but they agree on two
things: a refused request carries an HTTP status, and a broken connection has a telling class somewhere in its chain of
causes. So the mapping goes by status and by class name and imports none of them.

    no answer in time, connection refused or reset      InfrastructureError, transient
    408, 409, 429, 5xx                                  InfrastructureError, transient (an exhausted quota is not)
    401, 403                                            SetupError that names the key's variable
    a reply that makes no message                       InfrastructureError, transient
    any other status, any other exception               InfrastructureError, final
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from agentcvr_graph.errors import CVRError, InfrastructureError, SetupError
from agentcvr_graph.models.clients.keys import PROVIDER_KEYS, SERVER_KEY, without_keys

MAX_DETAIL_CHARS = 300
_LATE = ("Timeout", "DeadlineExceeded")
_UNREACHABLE = (
    "ConnectionError",
    "ConnectError",
    "NetworkError",
    "ProtocolError",
    "ReadError",
    "ServiceUnavailable",
)
_UNREADABLE = frozenset({"ValidationError", "JSONDecodeError", "APIResponseValidationError"})
_CLOSED_LOOP = "Event loop is closed"
"""What a client says whose pooled connection belongs to an earlier event loop; the next try opens a new one."""
_BUSY = frozenset({408, 409, 425, 429})
_MODULES = {"google": "google_genai", "langchain_google_genai": "google_genai"}


def is_transient(error: Exception) -> bool:
    """True when the same call may work a moment later; the graph's retry policy asks this."""
    if isinstance(error, TimeoutError):
        return True
    failure = as_infrastructure_error(error, "the model")
    return isinstance(failure, InfrastructureError) and failure.transient


def as_infrastructure_error(error: BaseException, model: str) -> CVRError:
    """What the failure of a model means for the graph, in one line that starts with `model`.

    Errors of this library pass through. A wrong key is the programmer's, so it becomes a `SetupError`.
    """
    known = recognised(error, model)
    return known or InfrastructureError(f"{model} failed: {type(error).__name__}: {detail_of(error)}")


def recognised(error: BaseException, model: str) -> CVRError | None:
    """As `as_infrastructure_error`, but None for a failure in no row of the table: that one deserves a traceback."""
    if isinstance(error, CVRError):
        return error
    status = status_of(error)
    if status is not None:
        return refused(status, detail_of(error), model, key=_key_variable(error))
    names = {base.__name__ for cause in _causes(error) for base in type(cause).__mro__}
    if _any_like(names, _LATE):
        return InfrastructureError(f"{model} did not answer in time.", transient=True)
    if _any_like(names, _UNREACHABLE) or _CLOSED_LOOP in str(error):
        return InfrastructureError(f"{model} cannot be reached ({detail_of(_root(error))}).", transient=True)
    if names & _UNREADABLE:
        # What came back is no JSON, or LangChain could not make a message of it (arguments that are no object).
        return InfrastructureError(f"{model} gave a reply that cannot be read ({detail_of(error)}).", transient=True)
    return None


def refused(status: int, detail: str, model: str, *, key: str = SERVER_KEY) -> CVRError:
    """The error for an HTTP status that is not a success; `key` is the variable that holds the model's API key."""
    reply = f"HTTP {status}{': ' + detail if detail else ''}"
    if status in (401, 403):
        return SetupError(f"{model} refused the API key ({reply}).", fix=f"Set {key}.")
    if status == 429 and "quota" in detail.lower():
        return InfrastructureError(f"{model} has no quota left ({reply}).", status=status)
    if status in _BUSY or status >= 500:
        return InfrastructureError(f"{model} is busy or broken ({reply}).", transient=True, status=status)
    return InfrastructureError(f"{model} refused the request ({reply}).", status=status)


def status_of(error: BaseException) -> int | None:
    """The HTTP status that an exception of a client library, or one it was raised from, carries."""
    for cause in _causes(error):
        for holder in (cause, getattr(cause, "response", None)):
            for attribute in ("status_code", "code", "status"):
                status = getattr(holder, attribute, None)
                if isinstance(status, int) and 400 <= status < 600:
                    return status
    return None


def detail_of(error: BaseException) -> str:
    """What the other side said, on one line of at most `MAX_DETAIL_CHARS` characters."""
    return one_line(said_in(getattr(error, "body", None)) or str(error) or type(error).__name__)


def said_in(body: object) -> str:
    """The message inside an error reply, which servers nest as `{"error": {"message": ...}}` or flatter."""
    if not isinstance(body, dict):
        return ""
    reply = cast(dict[str, object], body)
    inner = reply.get("error", reply.get("message", reply.get("detail", "")))
    return said_in(cast(object, inner)) if isinstance(inner, dict) else str(inner)


def one_line(text: str) -> str:
    """`text` without line breaks and keys, cut to `MAX_DETAIL_CHARS`."""
    folded = " ".join(without_keys(text).split())
    return folded if len(folded) <= MAX_DETAIL_CHARS else folded[: MAX_DETAIL_CHARS - 3] + "..."


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _root(error: BaseException) -> BaseException:
    return list(_causes(error))[-1]


def _any_like(names: set[str], parts: tuple[str, ...]) -> bool:
    return any(part in name for name in names for part in parts)


def _key_variable(error: BaseException) -> str:
    """The variable whose key was refused: the provider's, or the servers' when the address is not the provider's."""
    packages = [base.__module__.partition(".")[0] for base in type(error).__mro__]
    host = str(getattr(getattr(getattr(error, "request", None), "url", None), "host", ""))
    for package in packages:
        provider = _MODULES.get(package, package)
        if provider in PROVIDER_KEYS:
            return PROVIDER_KEYS[provider][0] if provider in host or not host else SERVER_KEY
    return SERVER_KEY
