"""What a question may open: any file and address, or, for the questions of strangers, what they are allowed.

The command line and a program open what their user names. A server is asked by people who are not its owner: for them
`Access` names the folders that may be read, lets remote videos come from the public internet only, and bounds what a
single video may cost. Paths are checked as they really lie (`..` and symbolic links resolved) and before anything is
looked for, so a refusal does not tell whether there is such a file. Addresses are looked up once and connected to as
they were checked, for every redirect again, so a name that changes its answer gains nothing.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx

from agentcvr_graph.errors import VideoError
from agentcvr_graph.media.readers.base import PictureInfo

Remote = Literal["any", "public", "none"]
ROOTS_VARIABLE = "AGENTCVR_MEDIA_ROOTS"
"""Folders that a server may read, separated as in PATH."""
REMOTE_VARIABLE = "AGENTCVR_REMOTE_MEDIA"
"""`public` (the default of a server), `any` or `none`."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Access:
    """What may be opened."""

    roots: tuple[Path, ...] | None = None
    """Folders below which files may be read; None for all."""
    remote: Remote = "any"
    """Addresses from which videos may be fetched."""
    max_duration_s: float | None = None
    max_pixels: int | None = None
    """Largest picture, width times height."""
    max_images: int | None = None
    """Most images of a folder."""

    def check_path(self, given: str, path: Path) -> None:
        """Refuse a file or folder that may not be read.

        Raises:
            VideoError: it lies elsewhere; the same whether it is there or not.
        """
        if not self.may_read(path):
            raise VideoError(given, "it lies outside the folders that may be read.", fix="Ask about a file in them.")

    def may_read(self, path: Path) -> bool:
        """Whether a file or folder may be read, as it really lies."""
        if self.roots is None:
            return True
        try:
            real = path.expanduser().resolve()
        except (OSError, RuntimeError, ValueError):  # a loop of links, `~nobody`, a stray NUL
            return False
        return any(real.is_relative_to(root.resolve()) for root in self.roots)

    def check_images(self, given: str, folder: Path) -> None:
        """Refuse a folder of too many images, or with one that lies elsewhere.

        Raises:
            VideoError: so it is.
        """
        if self.max_images is not None and sum(1 for _ in folder.iterdir()) > self.max_images:
            raise VideoError(given, f"it holds more than {self.max_images:,} images.", fix="Ask about fewer.")
        if self.roots is not None:
            for path in folder.iterdir():
                if path.is_symlink():
                    self.check_path(given, path)

    def check_size(self, given: str, picture: PictureInfo) -> None:
        """Refuse what is too long or too large to be looked at.

        Raises:
            VideoError: so it is.
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
        """An HTTP client that connects to what is allowed.

        Raises:
            VideoError: on a request to an address that is not.
        """
        if self.remote == "any":
            return httpx.Client(follow_redirects=True, timeout=timeout_s)
        # No proxy of the environment: it would do the looking up.
        return httpx.Client(follow_redirects=True, timeout=timeout_s, transport=PublicTransport(), trust_env=False)

    def check_remote(self, url: str) -> None:
        """Refuse any URL where none may be fetched.

        Raises:
            VideoError: so it is.
        """
        if self.remote == "none":
            raise VideoError(url, "remote videos are not allowed here.", fix="Ask about a file.")


EVERYTHING = Access()


def access_of_strangers(*bundled: Path) -> Access:
    """What a server allows: the working folder and what ships with the library, or what the environment names.

    Args:
        bundled: folders that may always be read.

    Raises:
        ValueError: the environment names no such setting.
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
    """Connects to public addresses only, and to the very address that was checked."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Look the host up, and ask the address that it has now; certificates are still those of the name."""
        url = request.url
        address = public_address(str(url), url.host, url.port or (443 if url.scheme == "https" else 80))
        pinned = httpx.Request(
            request.method,
            url.copy_with(host=address),
            headers=request.headers,  # with the name of the host
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": url.host},
        )
        return super().handle_request(pinned)


def public_address(url: str, host: str, port: int) -> str:
    """An address of a host, if all that it has are public.

    Raises:
        VideoError: some are not, or there is none.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise VideoError(url, "there is no such host.", fix="Check the address.") from error
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses or not all(is_public(address) for address in addresses):
        raise VideoError(url, "its address is not a public one.", fix="Link to a video on the internet.")
    return addresses[0]


def is_public(address: str) -> bool:
    """Whether anybody may be asked at an address: not this machine, its network, or a service beside it."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return all(one.is_global and not one.is_multicast and not one.is_reserved for one in _meant(ip))


def _meant(ip: IPAddress) -> Sequence[IPAddress]:
    """The address, and the IPv4 addresses that are written inside of it."""
    if isinstance(ip, ipaddress.IPv4Address):
        return [ip]
    inside: list[IPAddress] = [one for one in (ip.ipv4_mapped, ip.sixtofour) if one is not None]
    inside += list(ip.teredo or ())
    if ip in _NAT64:
        inside.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
    return inside if ip.ipv4_mapped is not None else [ip, *inside]
