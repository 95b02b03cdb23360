"""Evaluation and synthesis on a local Ray cluster give the same results as in this process, even if a worker dies."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
from pathlib import Path

import pytest

import agentcvr_graph
from agentcvr_graph.errors import SetupError
from agentcvr_graph.eval import EvalConfig, evaluate_benchmark, scripted_questions
from agentcvr_graph.eval.manifest import make_manifest
from agentcvr_graph.eval.run_folder import RunFolder
from agentcvr_graph.eval.runner import run
from agentcvr_graph.eval.worker import EvalResult, EvalWorker, failed_result
from agentcvr_graph.index.batch import index_videos
from agentcvr_graph.index.store import EvidenceStore
from agentcvr_graph.scripts.extraction.batch import Models, extract_videos, plan
from agentcvr_graph.scripts.extraction.extracted import ExtractedFile
from agentcvr_graph.scripts.extraction.questions import write_questions
from agentcvr_graph.scripts.generators.llm import generate, jobs_of
from agentcvr_graph.scripts.generators.procedural import make_scripts
from agentcvr_graph.scripts.library import write_scripts
from agentcvr_graph.types import Video
from agentcvr_graph.utils.engines import RayEngine
from tests.support.question_author import QuestionAuthor, kitchen_videos
from tests.support.synthetic_author import Author

# Ray itself emits deprecation warnings.
pytestmark = [pytest.mark.enable_socket, pytest.mark.filterwarnings("ignore")]
CHANGES = {"started_at": True, "usage": {"wall_s"}}


@pytest.fixture(scope="module")
def cluster():
    """Start a cluster on this machine: a head node with no cores and two worker nodes with one core each."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        made.add_node(num_cpus=1)
    ray.init(address=made.address, log_to_driver=False)
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.fixture(scope="module")
def scripts(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("ray") / "scripts.jsonl"
    write_scripts(make_scripts({"CC": 12, "PSS": 12}), path)
    return path


class DyingWorker(EvalWorker):
    """A worker that kills its process in the middle of a question, once: not if the file `mark` exists."""

    mark: Path

    async def run(self, job) -> EvalResult:
        if job.question.id == "pss-000003" and not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return await super().run(job)


def dying(config: EvalConfig, mark: Path) -> EvalWorker:
    worker = DyingWorker.of(config)
    worker.mark = mark
    return worker


def refusing() -> EvalWorker:
    raise SetupError("The key was refused.", fix="Set MY_KEY.")


def standing(path: Path) -> dict:
    return {place: row.model_dump(exclude=CHANGES) for place, row in RunFolder(path).latest().items()}


async def test_a_cluster_gives_the_same_results_even_if_a_worker_dies(cluster, scripts, tmp_path):
    benchmark = scripted_questions(scripts)
    config = EvalConfig(methods=("agent", "blind"), scripts=str(scripts))
    await evaluate_benchmark(benchmark, config, tmp_path / "local")
    await evaluate_benchmark(benchmark, config, tmp_path / "ray", engine="ray", concurrency=4)
    assert standing(tmp_path / "ray") == standing(tmp_path / "local")
    assert len(standing(tmp_path / "ray")) == 48
    engine = RayEngine(functools.partial(dying, config, tmp_path / "died"), failed_result)
    folder = RunFolder(tmp_path / "killed")
    await run(benchmark, make_manifest(benchmark, config), folder, engine, concurrency=4)
    assert (tmp_path / "died").exists()
    assert standing(folder.path) == standing(tmp_path / "local")
    assert len(list(folder.rows())) == 48, "nothing was written twice"
    assert all(folder.trajectory(method, name) for method, name in standing(folder.path))


async def test_a_setup_error_stops_the_run(cluster, scripts, tmp_path):
    benchmark = scripted_questions(scripts).select(["CC"], 2)
    config = EvalConfig(scripts=str(scripts))
    engine = RayEngine(refusing, failed_result)
    with pytest.raises(SetupError, match="Set MY_KEY"):
        await run(benchmark, make_manifest(benchmark, config), RunFolder(tmp_path), engine, concurrency=2)


def test_questions_are_written_and_checked_on_a_cluster_as_in_this_process(cluster, tmp_path):
    here, there = tmp_path / "here.jsonl", tmp_path / "there.jsonl"
    for out, engine in ((here, "local"), (there, "ray")):
        jobs = jobs_of({"CC": 3, "PSS": 2}, 0, "own")
        totals = asyncio.run(
            write_questions(jobs, kitchen_videos(), QuestionAuthor(declines=(0,)), out, engine=engine, concurrency=1)
        )
        assert totals.rejections["no question found"] == 5
    assert sorted(there.read_text().splitlines()) == sorted(here.read_text().splitlines())


def written(author: Author, out: Path, count: int, tasks=("CC",), **options):
    return asyncio.run(generate(jobs_of(dict.fromkeys(tasks, count), 0), author, out, **options))


def test_synthesis_on_a_cluster_writes_the_same_scripts(cluster, tmp_path):
    here, there = tmp_path / "local.jsonl", tmp_path / "ray.jsonl"
    written(Author(), here, 10, ("CC", "FSA"))
    made = written(Author(), there, 10, ("CC", "FSA"), engine="ray")
    assert made.scripts == 20
    assert sorted(there.read_text().splitlines()) == sorted(here.read_text().splitlines())
    again = written(Author(same_story=True), tmp_path / "same.jsonl", 3, engine="ray")
    assert (again.scripts, again.failures, again.duplicates) == (1, 2, 6)
    with pytest.raises(SetupError, match="Set MY_KEY"):
        written(Author(raises=[SetupError("Refused.", fix="Set MY_KEY.")]), tmp_path / "y.jsonl", 3, engine="ray")
    died = tmp_path / "died"
    survived = written(Author(dies_once=str(died)), tmp_path / "z.jsonl", 12, engine="ray")
    assert died.exists()
    assert (survived.scripts, survived.failures) == (12, 0)


CLIPS = Path(agentcvr_graph.__file__).parent / "demo" / "clips"


async def test_videos_extracted_on_a_cluster_have_the_same_scenes(cluster, tmp_path):
    clips = [Video(source=str(CLIPS / f"cook_{colour}.mp4")) for colour in ("red", "green")]
    scenes = []
    for engine in ("local", "ray"):
        with ExtractedFile(tmp_path / f"{engine}.jsonl") as file:
            planned = await plan(clips, file, Models())
            made = [result async for result in extract_videos(planned, file, Models(), engine=engine)]
            assert all(result.extracted for result in made)
            assert (await plan(clips, file, Models())).unchanged == 2
            scenes.append({name: one.video for name, one in file.videos.items()})
    assert scenes[0] == scenes[1]


def test_an_index_made_on_a_cluster_is_the_same(cluster, tmp_path):
    """Two clips, really looked at and listened to by offline models in worker processes of the cluster."""
    clips = [Video(source=str(CLIPS / f"cook_{colour}.mp4")) for colour in ("red", "blue")]
    stores = {engine: EvidenceStore(tmp_path / f"{engine}.sqlite") for engine in ("local", "ray")}
    for engine, store in stores.items():
        totals = asyncio.run(index_videos(clips, store, "offline", "offline", engine=engine))
        assert (totals.indexed, totals.failed) == (2, 0)
        again = asyncio.run(index_videos(clips, store, "offline", "offline", engine=engine))
        assert (again.indexed, again.unchanged) == (0, 2)
    local, ray = (
        sorted((store.keys([video.id])[video.id], video.statements) for video in store.videos())
        for store in stores.values()
    )
    assert local == ray
    assert all(count > 3 for _, count in local)
    for store in stores.values():
        store.close()
