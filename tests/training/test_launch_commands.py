"""The launch commands in the shipped files: files exist, batches have the size of the paper, GPUs are divided, and no
combination is refused."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils.launch import prepare_deepspeed_cmd_env, prepare_multi_gpu_env
from agentcvr_training.config.memory import shards_here
from agentcvr_training.config.settings import Settings, load_settings, read_overrides
from agentcvr_training.config.shipped import find_config
from agentcvr_training.config.vllm_settings import vllm_settings

from agentcvr_graph.errors import InputError

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "training" / "agentcvr_training" / "configs"
ACCELERATE = CONFIGS / "accelerate"
SHIPPED = [*sorted(CONFIGS.glob("*.yaml")), *sorted(ACCELERATE.glob("*.yaml"))]
PAGE = ROOT / "docs" / "how-to" / "train-on-eight-gpus.md"
GPUS = {str(number) for number in range(8)}


@dataclass(frozen=True)
class Command:
    file: Path
    environment: dict[str, str]
    words: list[str]

    def value(self, option: str) -> str | None:
        return self.words[self.words.index(option) + 1] if option in self.words else None

    @property
    def gpus(self) -> set[str]:
        return set(self.environment["CUDA_VISIBLE_DEVICES"].split(",")) if self.environment else GPUS


def commands(program: str) -> list[Command]:
    """Return the commands in the comments of the shipped files that start this program."""
    found: list[Command] = []
    for file in SHIPPED:
        comments = [line.removeprefix("# ") for line in file.read_text().splitlines() if line.startswith("#")]
        found += indented(program, file, "\n".join(comments))
    return found


def indented(program: str, file: Path, text: str) -> list[Command]:
    """Return the commands in indented blocks of a text that start this program."""
    found: list[Command] = []
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line) if re.match(rf" {{4}}(\w+=\S* )*{program} ", line) else []
        places = [word for word in words if re.match(r"[A-Z_]+=", word)]
        if words:
            environment = dict(place.split("=", 1) for place in places)
            found.append(Command(file, environment, words[len(places) :]))
    return found


LAUNCHES = commands("accelerate launch")
named = [f"{command.file.stem} {number}" for number, command in enumerate(LAUNCHES)]


def launched(command: Command) -> tuple[int, dict[str, str], Settings]:
    """Return the processes, their environment and the settings of a launch command, as accelerate reads it."""
    arguments, _, _ = _validate_launch_command(launch_command_parser().parse_args(command.words[2:]))
    if arguments.use_deepspeed:
        arguments.deepspeed_fields_from_accelerate_config = ""  # set by `accelerate launch`
        _, environment = prepare_deepspeed_cmd_env(arguments)
    else:
        environment = prepare_multi_gpu_env(arguments)
    given = arguments.training_script_args
    changes = read_overrides([value for name, value in pairwise(given) if name == "--set"])
    assert (arguments.training_script, given[0]) == ("agentcvr_training", "grpo")
    return arguments.num_processes, environment, load_settings(find_config(given[1]), changes)


@pytest.fixture(autouse=True)
def at_root(monkeypatch):
    monkeypatch.chdir(ROOT)
    # accelerate looks whether its port is free, and tests open no socket.
    monkeypatch.setattr("accelerate.utils.launch.is_port_in_use", lambda *port: False)


def test_every_accelerate_file_and_every_qwen_has_a_launch_command():
    assert {command.file.stem for command in LAUNCHES} == {path.stem for path in ACCELERATE.glob("*.yaml")} | {
        "qwen3_4b",
        "qwen3_8b",
    }
    assert {Path(command.value("--config_file")).stem for command in LAUNCHES} == {
        path.stem for path in ACCELERATE.glob("*.yaml")
    }


@pytest.mark.parametrize("command", LAUNCHES, ids=named)
def test_a_launch_command_keeps_the_batch_of_its_file(command):
    processes, _, settings = launched(command)
    trainer = settings.grpo.trainer
    batch = processes * trainer["per_device_train_batch_size"] * trainer["gradient_accumulation_steps"]
    alone = load_settings(find_config(command.words[command.words.index("grpo") + 1])).grpo.trainer
    assert batch == alone["per_device_train_batch_size"] * alone["gradient_accumulation_steps"]
    assert batch == (256 if settings.model.path.startswith("Qwen/") else 64)
    assert batch // processes % trainer["num_generations"] == 0


@pytest.mark.parametrize("command", LAUNCHES, ids=named)
def test_a_launch_command_is_not_refused(command, monkeypatch):
    processes, environment, settings = launched(command)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WORLD_SIZE", str(processes))
    assert shards_here() == (8 if command.value("--config_file").endswith("fsdp.yaml") else 1)
    vllm_settings(settings, settings.grpo.trainer)


def test_no_gpu_of_eight_idles():
    servers = {command.words[2]: command for command in commands("vllm serve")}
    assert list(servers) == ["Qwen/Qwen3-8B"]
    for command in LAUNCHES:
        processes, _, settings = launched(command)
        if settings.rollout.engine != "vllm":
            continue
        assert len(command.gpus) == processes
        if settings.grpo.trainer["vllm_mode"] == "server":
            server = servers[settings.model.path]
            assert len(server.gpus) == int(server.value("--tensor-parallel-size"))
            assert int(server.value("--max-model-len")) == settings.rollout.max_length
            assert command.gpus | server.gpus == GPUS and not command.gpus & server.gpus
        else:
            assert command.gpus == GPUS and settings.grpo.trainer["vllm_enable_sleep_mode"]


def test_the_page_keeps_the_batch_on_one_machine_and_on_two():
    found = indented("accelerate launch", PAGE, PAGE.read_text())
    assert [command.value("--machine_rank") for command in found] == [None, "0", "1"]
    for command, expected in zip(found, (8, 16, 16), strict=True):
        processes, environment, settings = launched(command)
        trainer = settings.grpo.trainer
        assert processes == expected and environment["FSDP_VERSION"] == "2"
        parts = trainer["gradient_accumulation_steps"]
        assert processes * trainer["per_device_train_batch_size"] * parts == 256
    _, first, second = ([word for word in command.words if word not in "01"] for command in found)
    assert first == second


def test_sharded_weights_with_a_server_are_refused(monkeypatch):
    settings = load_settings(CONFIGS / "qwen3_8b.yaml")
    monkeypatch.setattr("agentcvr_training.config.vllm_settings.shards_here", lambda: 8)
    with pytest.raises(InputError, match=r"vllm_mode=server can hang.*vllm_mode: colocate.*deepspeed_zero2") as caught:
        vllm_settings(settings, settings.grpo.trainer)
    assert "\n" not in str(caught.value)
    for name in re.findall(r"configs/\S+\.yaml", str(caught.value)):
        assert (CONFIGS.parent / name).is_file()
    vllm_settings(settings, {**settings.grpo.trainer, "vllm_mode": "colocate"})
