"""A real embeddings model, all-MiniLM-L6-v2: its vectors mean something, and `find` uses them from a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agentcvr_graph import SetupError
from agentcvr_graph.index.finder import Finder, Query
from agentcvr_graph.index.meaning import Meaning
from agentcvr_graph.models.embeddings import resolve_embeddings
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.bundled import bundled_library
from tests.support.minilm_weights import minilm


@pytest.fixture(scope="module")
def model() -> str:
    return f"transformers:{minilm()}"


async def test_texts_of_one_meaning_are_similar_and_keep_their_order(model: str):
    texts = ["a cook adds salt to the pan", "a dog runs over a meadow", "a cook adds salt to the pan " * 9]
    embeddings, name = resolve_embeddings(model)
    vectors = np.asarray(await embeddings.aembed_documents(texts))
    query = np.asarray(await embeddings.aembed_query("somebody seasons the food"))
    assert vectors.shape == (3, 384) and np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ query > vectors[1] @ query + 0.2
    # A text has the same vector beside longer ones.
    assert np.allclose(await embeddings.aembed_query(texts[0]), vectors[0], atol=1e-5)
    assert name.startswith(model)


async def test_what_is_said_in_other_words_is_found(model: str):
    perception = ScriptedPerception(bundled_library())
    given = bundled_library().get("cc-000001").as_question().videos
    videos = [await perception.probe(video, n) for n, video in enumerate(given, start=1)]
    query = Query("sodium chloride", (1, 2, 3), None, 1)
    assert not (await Finder().find(query, perception, videos)).windows
    found = await Finder(Meaning(*resolve_embeddings(model))).find(query, perception, videos)
    assert any("salt" in said.text for said in found.windows[0][1].statements)


def test_a_folder_without_weights_is_one_line(tmp_path: Path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    embeddings, _ = resolve_embeddings(f"transformers:{tmp_path}")
    with pytest.raises(SetupError, match="cannot be loaded") as caught:
        embeddings.embed_query("salt")
    assert "\n" not in str(caught.value)
