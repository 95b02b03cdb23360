"""A LangGraph store keeps evidence for later questions, on the real graph and with the real offline master."""

from __future__ import annotations

from types import SimpleNamespace

from langgraph.store.memory import InMemoryStore

from agentcvr_graph import CVRContext, create_cvr_graph
from agentcvr_graph.graph.nodes.memory import Memory, memory_of
from agentcvr_graph.graph.state import as_input
from agentcvr_graph.models.registry import resolve_chat_model
from agentcvr_graph.perception.scripted import ScriptedPerception
from agentcvr_graph.scripts.generators.procedural import make_script
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.testing import FakeMaster, FakePerception, answer, listen, observe, turn
from agentcvr_graph.types import Evidence, Observation, Video, VideoInfo, Window

VIDEOS = ["a.mp4", "b.mp4"]
QUESTION = {"question": "Which is red?", "videos": VIDEOS, "options": ["the first", "the second"]}
REMEMBERING = CVRContext(remember=True)
SEEN = turn("", observe((1, 0, 10, 4), (2, 0, 10, 4)), listen(1, 0, 5))
CITED = {"video": 2, "start_s": 2.0, "end_s": 4.0, "modality": "visual"}


async def ask(store, *turns, given=QUESTION, context=REMEMBERING, perception=None):
    master = FakeMaster(turns=list(turns))
    graph = create_cvr_graph(master, perception or FakePerception()).compile(store=store)
    return await graph.ainvoke(given, context=context), master


async def test_a_later_question_recalls_earlier_evidence_and_may_cite_it():
    store = InMemoryStore()
    await ask(store, SEEN, turn("", answer("A")))
    swapped = QUESTION | {"videos": ["b.mp4", "c.mp4"], "question": "Which is round?"}
    output, master = await ask(
        store, turn("", observe((2, 0, 5, 2))), turn("", answer("A", "", [CITED | {"video": 1}])), given=swapped
    )
    brief = master.seen[0][1].text
    assert (
        "Known from earlier questions:\nseen: video 1, 0.0-10.0 s (4 frames)\n[video 1, 0.0-10.0 s] a red ball" in brief
    )
    assert "heard" not in brief  # the speech was in the other video
    assert output["answer"].citations[0].video == 1
    assert output["usage"].frames == 2


async def test_recalled_evidence_keeps_when_its_words_are_said():
    window = Window(video=2, start_s=1, end_s=2)
    said = Evidence(text='"add salt"', window=window, word_times_s=((1.0, 1.4), (1.5, 2.0)))
    heard = Observation(modality="audio", windows=(window,), evidence=(said,))
    memory = Memory(InMemoryStore(), ("agentcvr", "shared"))
    first, second = (VideoInfo(number=n, video=Video(source=name)) for n, name in enumerate(VIDEOS, start=1))
    await memory.keep(heard, [first, second])
    (recalled,) = await memory.recall("salt", [second.model_copy(update={"number": 1})])
    assert recalled.evidence == (said.model_copy(update={"window": Window(video=1, start_s=1, end_s=2)}),)


async def test_evidence_is_stored_and_recalled_only_when_remember_is_set():
    store = InMemoryStore()
    await ask(store, SEEN, turn("", answer("A")), context=CVRContext())
    assert not store.search(("agentcvr",))
    await ask(store, SEEN, turn("", answer("A")))
    assert len(store.search(("agentcvr",))) == 3
    _, master = await ask(store, SEEN, turn("", answer("A")), context=CVRContext())
    assert "Known" not in master.seen[0][1].text
    await ask(None, SEEN, turn("", answer("A")))  # a graph without a store keeps nothing


async def test_a_different_file_at_the_same_path_is_a_different_video():
    store = InMemoryStore()
    await ask(store, SEEN, turn("", answer("A")))
    _, master = await ask(store, SEEN, turn("", answer("A")), perception=FakePerception(duration_s=61))
    assert "Known" not in master.seen[0][1].text


async def test_a_repeated_observation_is_stored_once_and_recall_is_limited():
    store = InMemoryStore()
    looks = [turn("", *(observe((1, n, n + 1, 1), id=f"x{n}") for n in range(20))) for _ in range(2)]
    await ask(store, *looks, turn("", observe((2, 0, 1, 1))), turn("", answer("A")))
    assert len(store.search(("agentcvr",), limit=100)) == 21
    _, master = await ask(store, turn("", answer("A")))
    assert master.seen[0][1].text.count("[video 1, ") == 8


async def test_recall_never_crosses_namespaces():
    store = InMemoryStore()
    ada, bob = (CVRContext(remember=True, memory_namespace=name) for name in ("ada", "bob"))
    await ask(store, SEEN, turn("", answer("A")), context=ada)
    for context in (bob, REMEMBERING, CVRContext(remember=True, memory_namespace="shared")):
        _, master = await ask(store, SEEN, turn("", answer("A")), context=context)
        assert "Known" not in master.seen[0][1].text, context
        store = InMemoryStore()
        await ask(store, SEEN, turn("", answer("A")), context=ada)
    _, master = await ask(store, SEEN, turn("", answer("A")), context=ada)
    assert "Known" in master.seen[0][1].text


def test_an_authenticated_user_has_a_namespace_of_their_own():
    def place(user, namespace=""):
        info = SimpleNamespace(user=SimpleNamespace(identity=user)) if user else None
        runtime = SimpleNamespace(store=InMemoryStore(), server_info=info)
        return memory_of(runtime, CVRContext(remember=True, memory_namespace=namespace)).namespace

    places = [place(""), place("ada"), place("bob"), place("ada", "x"), place("", "x"), place("a.b/*")]
    assert len(set(places)) == len(places) and {one[0] for one in places} == {"agentcvr"}
    assert all("." not in part for one in places for part in one)


async def test_only_the_words_of_the_evidence_are_embedded():
    embedded = []

    def embed(texts):
        embedded.extend(texts)
        return [[1.0, float(len(text))] for text in texts]

    store = InMemoryStore(index={"dims": 2, "embed": embed})
    await ask(store, SEEN, turn("", answer("A")))
    assert set(embedded) == {"a red ball", '"hello"', QUESTION["question"]}


async def test_the_offline_master_answers_from_memory():
    """The offline master does not listen a second time, because the speech is already known."""
    script = make_script("CC", 3)
    graph = create_cvr_graph(resolve_chat_model("offline"), ScriptedPerception(ScriptLibrary.of([script])))
    app = graph.compile(store=InMemoryStore())
    first = await app.ainvoke(as_input(script.as_question()), context=REMEMBERING)
    second = await app.ainvoke(as_input(script.as_question()), context=REMEMBERING)
    assert first["answer"].value == second["answer"].value == script.key
    assert first["usage"].audio_s > 100 and second["usage"].audio_s == 0
