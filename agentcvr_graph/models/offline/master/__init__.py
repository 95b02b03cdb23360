"""The offline master: a chat model that decides where to look and answers by matching words, without a network.

It is the default master, the baseline that a trained policy must beat, and a source of demonstrations. It reads the
same text as any other master (`reading.py`), plans a survey and a closer look (`planning.py`), and answers the six
kinds (`answering.py`): it extracts conditions from the question (`conditions.py`) and matches them with the statements
(`matching.py`).
"""

from agentcvr_graph.models.offline.master.chat_model import OfflineMaster

__all__ = ["OfflineMaster"]
