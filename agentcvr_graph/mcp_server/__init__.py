"""The MCP server of `agentcvr mcp`: `service.py` answers, `server.py` speaks the protocol.

This package is internal, and only the command imports it: it needs the extra `mcp`.
"""
