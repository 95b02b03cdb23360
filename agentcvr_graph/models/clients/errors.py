"""Translate the exceptions of client libraries; no other module knows them.

Every client (OpenAI, Anthropic, Google, httpx and its successors) has its own exceptions, but they agree on two
things: a refused request carries an HTTP status, and a broken connection has a well-known class name somewhere in its
chain of causes. The mapping therefore uses the status and the class name, and imports no client library.

    no answer in time, connection refused or reset      InfrastructureError, transient
    408, 409, 429, 5xx                                  InfrastructureError, transient (an exhausted quota is not)
    401, 403                                            SetupError that names the key's variable
    a reply that cannot be parsed                       InfrastructureError, transient
    any other status, any other exception               InfrastructureError, final
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
_UNREADABLE = frozenset({"ValidationError", "JSONDecodeError", "UnicodeDecodeError", "APIResponseValidationError"})
_CLOSED_LOOP = "Event loop is closed"
"""The error of a client whose pooled connection belongs to an earlier event loop; a retry opens a new connection."""
_EMPTY_STREAM = "No generation"
"""The start of LangChain's error for a stream that ends before its first part."""
_BUSY = frozenset({408, 409, 425, 429})
_MODULES = {"google": "google_genai", "langchain_google_genai": "google_genai"}


def is_transient(error: Exception) -> bool:
    """Return whether the same call may succeed a moment later. The graph's retry policy calls this."""
    if isinstance(error, TimeoutError):
        return True
    failure = as_infrastructure_error(error, "the model")
    return isinstance(failure, InfrastructureError) and failure.transient


def as_infrastructure_error(error: BaseException, model: str, code: str = "") -> CVRError:
    """Return the failure of a model as an error of this library, with a one-line message that starts with `model`.

    Errors of this library are returned unchanged. A refused key becomes a `SetupError`, because the user must fix it.

    Args:
        code: what an exception that is not recognised is said to have come from, such as `the tool 'zoom'`; the model
            if empty.
    """
    known = recognised(error, model)
    return known or InfrastructureError(f"{code or model} failed: {type(error).__name__}: {detail_of(error)}")


def recognised(error: BaseException, model: str) -> CVRError | None:
    """Do the same as `as_infrastructure_error`, but return None for an unknown exception, which needs a traceback."""
    if isinstance(error, CVRError):
        return error
    status = status_of(error)
    if status is not None:
        return refused(status, detail_of(error), model, key=_key_variable(error))
    names = {base.__name__ for cause in _causes(error) for base in type(cause).__mro__}
    if "APIError" in names and isinstance(body := getattr(error, "body", None), dict) and body:
        return _error_in({"error": cast(object, body)}, model, SERVER_KEY)  # an error in the middle of a stream
    if _any_like(names, _LATE):
        return InfrastructureError(f"{model} did not answer in time.", transient=True)
    if _any_like(names, _UNREACHABLE) or _CLOSED_LOOP in str(error):
        return InfrastructureError(f"{model} cannot be reached ({detail_of(_root(error))}).", transient=True)
    if names & _UNREADABLE or _EMPTY_STREAM in str(error):
        # The reply is not JSON, or LangChain could not parse it (arguments that are not an object).
        return InfrastructureError(f"{model} gave a reply that cannot be read ({detail_of(error)}).", transient=True)
    return None


def refused(status: int, detail: str, model: str, *, key: str = SERVER_KEY) -> CVRError:
    """Return the error for an HTTP error status; `key` is the environment variable that holds the model's API key."""
    reply = f"HTTP {status}{': ' + detail if detail else ''}"
    if status in (401, 403):
        return SetupError(f"{model} refused the API key ({reply}).", fix=f"Set {key}.")
    if status == 429 and "quota" in detail.lower():
        return InfrastructureError(f"{model} has no quota left ({reply}).", status=status)
    if status in _BUSY or status >= 500:
        return InfrastructureError(f"{model} is busy or broken ({reply}).", transient=True, status=status)
    return InfrastructureError(f"{model} refused the request ({reply}).", status=status)


def raise_error_in(body: Mapping[str, object], model: str, *, key: str = SERVER_KEY) -> None:
    """Raise the error that a reply with the status 200 holds, as `{"error": ...}`; do nothing if it holds none.

    Raises:
        InfrastructureError: by the code in the body; transient if there is none.
        SetupError: the code says that the key was refused.
    """
    if error := _error_in(body, model, key):
        raise error


def _error_in(body: Mapping[str, object], model: str, key: str) -> CVRError | None:
    error = body if body.get("object") == "error" else body.get("error")
    if not error:
        return None
    said = one_line(said_in({"error": error}) or str(error))
    inner = cast(Mapping[str, object], error if isinstance(error, dict) else {})
    for code in (inner.get("code"), inner.get("status"), body.get("code"), body.get("status")):
        if str(code).isdigit() and 400 <= int(str(code)) < 600:
            return refused(int(str(code)), said, model, key=key)
    return InfrastructureError(f"{model} reported an error ({said}).", transient=True)


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status of a client library's exception or of one of its causes; None if there is none."""
    for cause in _causes(error):
        for holder in (cause, getattr(cause, "response", None)):
            for attribute in ("status_code", "code", "status"):
                status = getattr(holder, attribute, None)
                if isinstance(status, int) and 400 <= status < 600:
                    return status
    return None


def detail_of(error: BaseException) -> str:
    """Return the server's message, on one line of at most `MAX_DETAIL_CHARS` characters."""
    return one_line(said_in(getattr(error, "body", None)) or str(error) or type(error).__name__)


def said_in(body: object) -> str:
    """Return the message in an error reply, which servers nest as `{"error": {"message": ...}}` or less deeply."""
    if not isinstance(body, dict):
        return ""
    reply = cast(dict[str, object], body)
    inner = reply.get("error", reply.get("message", reply.get("detail", "")))
    return said_in(cast(object, inner)) if isinstance(inner, dict) else str(inner)


def one_line(text: str) -> str:
    """Return `text` without line breaks and API keys, cut to `MAX_DETAIL_CHARS`."""
    folded = " ".join(without_keys(text).split())
    return folded if len(folded) <= MAX_DETAIL_CHARS else folded[: MAX_DETAIL_CHARS - 3] + "..."


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and its causes, each once: `raise error from error` makes an exception its own cause."""
    cause: BaseException | None = error
    walked: set[int] = set()
    while cause is not None and id(cause) not in walked:
        walked.add(id(cause))
        yield cause
        cause = cause.__cause__


def _root(error: BaseException) -> BaseException:
    return list(_causes(error))[-1]


def _any_like(names: set[str], parts: tuple[str, ...]) -> bool:
    return any(part in name for name in names for part in parts)


def _key_variable(error: BaseException) -> str:
    """Return the variable of the refused key: the provider's, or `SERVER_KEY` if the host is not the provider's."""
    packages = [base.__module__.partition(".")[0] for base in type(error).__mro__]
    host = str(getattr(getattr(getattr(error, "request", None), "url", None), "host", ""))
    for package in packages:
        provider = _MODULES.get(package, package)
        if provider in PROVIDER_KEYS:
            return PROVIDER_KEYS[provider][0] if provider in host or not host else SERVER_KEY
    return SERVER_KEY
