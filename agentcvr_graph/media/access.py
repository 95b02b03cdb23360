"""Which files and addresses a question may open: all of them, or a limited set for untrusted clients.

The command line and a Python caller may open anything. A server answers untrusted clients, and a tool opens what a
model names: for them `Access` lists the folders that may be read, allows remote videos from the public internet only,
and limits the length and size of a video. A library has an `Access` of its own; `limited` narrows it for a call.

Paths are resolved (`..` and symbolic links) and checked before the file is looked for, so a refusal does not reveal
whether the file exists. A host name is resolved once per request, redirects included, and the connection goes to the
address that was checked. A name that resolves differently the second time (DNS rebinding) therefore has no effect.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar
from urllib.parse import urlsplit

import httpx

from agentcvr_graph.errors import VideoError

if TYPE_CHECKING:  # the tool of a swap-mode graph needs no media libraries
    from agentcvr_graph.media.readers.base import PictureInfo

Remote = Literal["any", "public", "none"]
ROOTS_VARIABLE = "AGENTCVR_MEDIA_ROOTS"
"""Environment variable: folders that a server may read, separated as in PATH."""
REMOTE_VARIABLE = "AGENTCVR_REMOTE_MEDIA"
"""Environment variable: `public` (the default of a server), `any` or `none`."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
N = TypeVar("N", int, float)


@dataclass(frozen=True)
class Access:
    """The limits on what may be opened."""

    roots: tuple[Path, ...] | None = None
    """Files below these folders may be read; None for all folders."""
    remote: Remote = "any"
    """Addresses from which videos may be fetched."""
    max_duration_s: float | None = None
    max_pixels: int | None = None
    """Largest picture in pixels, width times height."""
    max_images: int | None = None
    """Largest number of images in a folder."""

    def check_path(self, given: str, *places: Path) -> None:
        """Refuse a file or folder that may not be read.

        Args:
            given: the video string, for the message.
            places: what it may mean (`places`); one of them must be allowed.

        Raises:
            VideoError: all places lie outside `roots`; the message is the same whether they exist or not.
        """
        if not any(map(self.may_read, places)):
            fix = "Name a file below them; relative names count from them too."
            raise VideoError(given, "it lies outside the folders that may be read.", fix=fix)

    def places(self, path: Path) -> tuple[Path, ...]:
        """Return what a path may mean: a relative one counts from the working folder, then from each of `roots`."""
        if self.roots is None or path.is_absolute() or str(path).startswith("~"):
            return (path,)
        return (path, *(root / path for root in self.roots))

    def may_read(self, path: Path) -> bool:
        """Return whether a file or folder may be read, after links are resolved."""
        if self.roots is None:
            return True
        try:
            real = path.expanduser().resolve()
        except (OSError, RuntimeError, ValueError):  # a loop of links, `~nobody`, a stray NUL
            return False
        return any(real.is_relative_to(root.resolve()) for root in self.roots)

    def check_images(self, given: str, folder: Path) -> None:
        """Refuse a folder with too many images, or with a link to a file outside `roots`.

        Raises:
            VideoError: the folder is refused.
        """
        if self.max_images is not None and sum(1 for _ in folder.iterdir()) > self.max_images:
            raise VideoError(given, f"it holds more than {self.max_images:,} images.", fix="Ask about fewer.")
        if self.roots is not None:
            for path in folder.iterdir():
                if path.is_symlink():
                    self.check_path(given, path)

    def check_size(self, given: str, picture: PictureInfo) -> None:
        """Refuse a video that is too long or whose picture is too large.

        Raises:
            VideoError: the video is refused.
        """
        if self.max_duration_s is not None and picture.duration_s > self.max_duration_s:
            raise VideoError(
                given, f"it is longer than {self.max_duration_s / 3600:g} hours.", fix="Ask about a shorter video."
            )
        if self.max_pixels is not None and picture.width * picture.height > self.max_pixels:
            raise VideoError(
                given, f"its picture of {picture.width}x{picture.height} is too large.", fix="Scale it down."
            )

    def client(self, timeout_s: float) -> httpx.Client:
        """Return an HTTP client that connects to allowed addresses only.

        Raises:
            VideoError: raised by the client for a request to any other address.
        """
        if self.remote == "any":
            return httpx.Client(follow_redirects=True, timeout=timeout_s)
        # Ignore proxies from the environment: a proxy would resolve the host name itself.
        return httpx.Client(follow_redirects=True, timeout=timeout_s, transport=PublicTransport(), trust_env=False)

    def check_remote(self, url: str) -> None:
        """Refuse a URL if remote videos are not allowed.

        Raises:
            VideoError: `remote` is `none`.
        """
        if self.remote == "none":
            raise VideoError(url, "remote videos are not allowed here.", fix="Ask about a file.")

    def check_url(self, url: str) -> None:
        """Refuse a URL without the network: remote videos are not allowed, or its host is an address of no use outside.

        A host name passes. It is resolved and checked when a library connects to it.

        Raises:
            VideoError: the URL is refused.
        """
        self.check_remote(url)
        try:
            address = _literal_address(urlsplit(url).hostname or "")
        except ValueError:  # such as half an IPv6 address; whoever opens it reports that
            return
        if self.remote == "public" and address:
            _check_public(url, [address])

    def narrowed(self, other: Access) -> Access:
        """Return an access that allows only what both allow."""
        return Access(
            roots=_common_roots(self.roots, other.roots),
            remote=next(remote for remote in _STRICTEST_FIRST if remote in (self.remote, other.remote)),
            max_duration_s=_least(self.max_duration_s, other.max_duration_s),
            max_pixels=_least(self.max_pixels, other.max_pixels),
            max_images=_least(self.max_images, other.max_images),
        )


_STRICTEST_FIRST: tuple[Remote, ...] = ("none", "public", "any")
EVERYTHING = Access()
_limit: ContextVar[Access] = ContextVar("access", default=EVERYTHING)


@contextmanager
def limited(access: Access) -> Generator[None]:
    """Limit what every library opens inside this block, in its tasks and threads too.

    The limit travels in a context variable, because a caller that holds a compiled graph does not hold its library.
    """
    token = _limit.set(current_limit().narrowed(access))
    try:
        yield
    finally:
        _limit.reset(token)


def current_limit() -> Access:
    """Return the limit of the blocks of `limited` around this call."""
    return _limit.get()


def _common_roots(one: tuple[Path, ...] | None, other: tuple[Path, ...] | None) -> tuple[Path, ...] | None:
    """Return the folders that lie below a folder of each: the inner one of every pair that is nested."""
    if one is None or other is None:
        return other if one is None else one
    pairs = [(a.resolve(), b.resolve()) for a in one for b in other]
    inner = [a if a.is_relative_to(b) else b for a, b in pairs if a.is_relative_to(b) or b.is_relative_to(a)]
    return tuple(dict.fromkeys(inner))


def _least(one: N | None, other: N | None) -> N | None:
    return min((limit for limit in (one, other) if limit is not None), default=None)


def access_of_untrusted_clients(*bundled: Path) -> Access:
    """Return what a server allows: the working folder and the bundled folders, or the settings in the environment.

    Args:
        bundled: folders that ship with the library and may always be read.

    Raises:
        ValueError: `AGENTCVR_REMOTE_MEDIA` has an unknown value.
    """
    named = os.environ.get(ROOTS_VARIABLE)
    roots = [Path(part) for part in named.split(os.pathsep) if part] if named is not None else [Path.cwd()]
    remote = os.environ.get(REMOTE_VARIABLE, "public")
    if remote not in ("any", "public", "none"):
        raise ValueError(f"{REMOTE_VARIABLE} is {remote!r}; allowed are any, public and none.")
    return Access(
        roots=(*roots, *bundled),
        remote=remote,
        max_duration_s=6 * 3600.0,
        max_pixels=8192 * 4320,
        max_images=100_000,
    )


class PublicTransport(httpx.HTTPTransport):
    """An HTTP transport that connects to public addresses only, and to exactly the address that was checked."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Resolve the host, check its addresses and connect to one; certificates are verified for the host name."""
        url = request.url
        address = public_address(str(url), url.host, url.port or (443 if url.scheme == "https" else 80))
        pinned = httpx.Request(
            request.method,
            url.copy_with(host=address),
            headers=request.headers,  # the Host header keeps the name
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": url.host},
        )
        return super().handle_request(pinned)


def public_address(url: str, host: str, port: int) -> str:
    """Return an address of a host, provided that all its addresses are public.

    Raises:
        VideoError: an address is not public, or the host has none.
    """
    try:
        addresses = _addresses(host, port)
    except (OSError, UnicodeError) as error:
        raise VideoError(url, "there is no such host.", fix="Check the address.") from error
    _check_public(url, addresses)
    return addresses[0]


def _literal_address(host: str) -> str:
    """Return the address that a host is without a look-up ('10.0.0.1', '2130706433', 'localhost'); else empty."""
    if host.rstrip(".").rpartition(".")[2] == "localhost":
        return "127.0.0.1"
    try:
        return str(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(host))  # the short, hexadecimal and octal forms of IPv4
    except (OSError, UnicodeError):
        return ""


def _addresses(host: str, port: int) -> list[str]:
    address = _literal_address(host)
    if address:
        return [address]
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def _check_public(url: str, addresses: Sequence[str]) -> None:
    if not addresses or not all(is_public(address) for address in addresses):
        raise VideoError(url, "its address is not a public one.", fix="Link to a video on the internet.")


def is_public(address: str) -> bool:
    """Return whether an address is on the public internet, not on this machine or in a local network."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return all(one.is_global and not one.is_multicast and not one.is_reserved for one in _meant(ip))


def _meant(ip: IPAddress) -> Sequence[IPAddress]:
    """Return the address and the IPv4 addresses embedded in it; for an IPv4-mapped address only the embedded one."""
    if isinstance(ip, ipaddress.IPv4Address):
        return [ip]
    inside: list[IPAddress] = [one for one in (ip.ipv4_mapped, ip.sixtofour) if one is not None]
    inside += list(ip.teredo or ())
    if ip in _NAT64:
        inside.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
    return inside if ip.ipv4_mapped is not None else [ip, *inside]
