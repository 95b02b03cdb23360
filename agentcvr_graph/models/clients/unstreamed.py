"""The configuration of a model's call whose text is not the assistant's reply.

With `stream_mode="messages"` LangGraph emits what every model in a run writes, and a chat shows it as the reply. What
the master and the agents write are working notes; the reply is the message that closes the run.
"""

from __future__ import annotations

from langchain_core.runnables import RunnableConfig

UNSTREAMED: RunnableConfig = {"tags": ["nostream"]}
"""`langgraph.constants.TAG_NOSTREAM`; this layer does without LangGraph."""
