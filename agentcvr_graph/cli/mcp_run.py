"""Carry out `agentcvr mcp`: build the service from model strings, and serve it."""

from __future__ import annotations

import socket

from agentcvr_graph.cli.console import err
from agentcvr_graph.errors import InputError
from agentcvr_graph.graph.builder import create_cvr_graph
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.mcp_server.server import build_server
from agentcvr_graph.mcp_server.service import VideoService
from agentcvr_graph.media.access import Access, access_of_untrusted_clients
from agentcvr_graph.models.registry import resolve_chat_model
from agentcvr_graph.models.strings import ModelStrings
from agentcvr_graph.tools import Features

PICTURE_PX = 512
"""Longest side of an evidence picture, which a model reads."""


def service_of(models: ModelStrings, context: CVRContext, features: Features, *, swap: bool) -> VideoService:
    """Return what the server serves.

    Raises:
        SetupError: a model, a package or a key is missing.
    """
    return _scripted(models, context, features) if swap else _live(models, context, features)


def serve(service: VideoService) -> None:
    """Serve over stdio until the client closes the connection."""
    build_server(service).run("stdio")


def serve_http(service: VideoService, host: str, port: int) -> None:
    """Serve HTTP until the process is stopped.

    Raises:
        InputError: the address cannot be listened on.
    """
    check_free(host, port)
    err.print(f"serving MCP at http://{host}:{port}/mcp")
    build_server(service).run("streamable-http", host=host, port=port)


def check_free(host: str, port: int) -> None:
    """Check that an address can be listened on.

    Raises:
        InputError: it cannot, because another program listens there or the host is not this one.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        fix = "Choose another with --port or --host."
        raise InputError(f"{host}:{port} cannot be listened on: {error.strerror}.", fix=fix) from error


def _live(models: ModelStrings, context: CVRContext, features: Features) -> VideoService:
    from agentcvr_graph.demo import CLIPS_DIR
    from agentcvr_graph.perception.factory import isolated_media, resolve_perception
    from agentcvr_graph.report.thumbnails import MediaThumbnails

    access = access_of_untrusted_clients(CLIPS_DIR)
    media = isolated_media(access=access)
    perception = resolve_perception(models.vision, models.audio, media=media)
    graph = create_cvr_graph(resolve_chat_model(models.master), perception, features=features).compile()
    return VideoService(
        graph, perception, access, context, MediaThumbnails(media, PICTURE_PX), finding=features.finding
    )


def _scripted(models: ModelStrings, context: CVRContext, features: Features) -> VideoService:
    from agentcvr_graph.perception.scripted import ScriptedPerception
    from agentcvr_graph.scripts.bundled import bundled_library

    perception = ScriptedPerception(bundled_library())
    graph = create_cvr_graph(resolve_chat_model(models.master), perception, features=features).compile()
    return VideoService(graph, perception, Access(roots=(), remote="none"), context, finding=features.finding)
