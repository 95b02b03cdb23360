"""The training configuration: one YAML file, of which every key is checked before weights are loaded.

Its parts are the model that is trained (`model`), the data (`scripts`, `graph`), sampling (`rollout`) and rewards
(`reward`); `sft` and `grpo` hold arguments of TRL's trainers under TRL's own names. Paths are relative to the current
folder. `agentcvr train dry-run CONFIG` checks a file and prints what a run needs.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from agentcvr_graph.errors import InputError
from agentcvr_graph.graph.context import CVRContext
from agentcvr_graph.scripts.checks import errors_of
from agentcvr_graph.scripts.generators.procedural import GENERATORS, LEVELS, Phrasing, make_scripts
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.scripts.schema import Script, Task
from agentcvr_graph.tools import TOOLS, AnswerArgs, Toolset
from agentcvr_training.config.extensions import checked, load_tools, with_features
from agentcvr_training.rewards import DEFAULT, REWARDS, complete_weights, preset_names, preset_weights

_log = logging.getLogger(__name__)


DifficultyName = Literal["easy", "normal", "hard"]
DIFFICULTIES: tuple[DifficultyName, ...] = ("easy", "normal", "hard")
Share = Annotated[float, Field(gt=0, le=1)]


def _check_shares(shares: tuple[float, float]) -> tuple[float, float]:
    if shares[0] > shares[1]:
        # A type that pydantic knows, because verifiers raises the errors of its fields again.
        expected = {"expected": "two shares, the smaller one first"}
        raise PydanticCustomError("literal_error", "Input should be {expected}", expected)
    return shares


Shares = Annotated[tuple[Share, Share], AfterValidator(_check_shares)]
"""Budgets between two shares of what it costs to look at and hear everything."""


class Part(BaseModel):
    """A part of a configuration; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Lora(Part):
    """A low-rank adapter (peft), trained in place of all weights."""

    rank: int = Field(default=16, ge=1)
    alpha: int = Field(default=32, ge=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    targets: str | list[str] = "all-linear"
    """Modules that get an adapter."""


class Model(Part):
    """The model that is trained."""

    path: str
    """A folder, or a repository on the Hub."""
    chat_template: str = ""
    """A file with a chat template; `training` for TRL's version of the model's; empty for the model's own."""
    chat_template_kwargs: dict[str, bool | int | float | str] = Field(default_factory=dict)
    """Values of the template's own variables, such as `{enable_thinking: false}` of Qwen3. They are written into the
    template that is saved with the policy, so servers and `transformers:FOLDER` use them too."""
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    """Precision of the weights as they are held and trained."""
    lora: Lora | None = None
    forward_context: str = ""
    """Import path of a context manager that takes the model and is open around every loss computation."""


class Scripts(Part):
    """The source of scripts: a library, or procedural generators."""

    library: str = ""
    """A file or folder of scripts."""
    tasks: tuple[Task, ...] = ()
    """Tasks to generate scripts for, if no library is named."""
    each: int = Field(default=0, ge=0)
    """Number of scripts of each task."""
    seed: int = 0
    """Seed of the first script of each task; training and held-out scripts must not share seeds."""
    difficulty: DifficultyName = "normal"
    difficulty_settings: Annotated[dict[str, float], checked(LEVELS["normal"].with_settings)] = Field(
        default_factory=dict
    )
    """Settings of the difficulty that differ from the level's, such as `{videos: 3}`."""
    phrasing: Phrasing = "training"
    """How questions are worded, of tasks that hold some wordings out."""

    def load(self) -> list[Script]:
        """Return the scripts, in an order that mixes the tasks.

        Raises:
            InputError: as `check_source`, or there is no usable script.
        """
        self.check_source()
        return self._from_library() if self.library else self._from_generators()

    def check_source(self) -> None:
        """Check that one source is named, and that a library exists, without reading its scripts.

        Raises:
            InputError: no source or two are named, or there is no such library.
        """
        if self.library and (self.tasks or self.each):
            raise InputError(
                f"The configuration names a library ({self.library}) and tasks.", fix="Give `library`, or `tasks`."
            )
        if self.library:
            ScriptLibrary(self.library)
        elif not self.tasks or not self.each:
            raise InputError(
                "The configuration names no scripts.",
                fix=f"Give `library: FILE`, or `tasks:` and `each:`; the tasks are {', '.join(GENERATORS)}.",
            )

    def _from_generators(self) -> list[Script]:
        level = LEVELS[self.difficulty].with_settings(self.difficulty_settings)
        made = {task: list(make_scripts({task: self.each}, self.seed, level, self.phrasing)) for task in self.tasks}
        return [made[task][n] for n in range(self.each) for task in self.tasks]

    def _from_library(self) -> list[Script]:
        library = ScriptLibrary(self.library)
        read = list(library)
        usable = [script for script in read if not errors_of(script)]
        advice = f"See what is wrong with: agentcvr scripts check {self.library}"
        if not usable:
            raise InputError(f"There is no usable script in {self.library}.", fix=advice)
        if left_out := len(library.problems) + len(read) - len(usable):
            _log.warning("%d scripts in %s cannot be used and are left out. %s", left_out, self.library, advice)
        return usable


class Rollout(Part):
    """Settings of the rollouts."""

    engine: Literal["cached", "vllm"] = "cached"
    live_graphs: int = Field(default=64, ge=1)
    """Graphs in flight in one process."""
    temperature: float = Field(default=1.0, gt=0)
    held_out_temperature: float = Field(default=0.0, ge=0)
    """Temperature at evaluation; 0 takes the most likely token, so that evaluations differ only by the weights."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    top_k: int | None = Field(default=None, ge=1)
    """Draw from as many of the most likely tokens; null for all."""
    min_p: float | None = Field(default=None, gt=0, le=1)
    """Draw from tokens with at least this share of the probability of the most likely one; null for all.

    A loss computes probabilities of all tokens at `temperature`, so `top_p`, `top_k` and `min_p` bound what is tried,
    and leave the ratio of new to old probabilities as it is."""
    held_out_repetition_penalty: float | None = Field(default=None, gt=0)
    """Makes tokens that the conversation holds less likely (above 1), at evaluation only: in training a policy would
    learn from tokens that it would not have drawn, and the loss would not correct for it."""
    max_new_tokens: int = Field(default=1024, ge=1)
    """Longest turn, in tokens."""
    max_length: int = Field(default=8192, ge=16)
    """Longest conversation, in tokens."""
    train_on: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Nodes of the graph whose tokens carry loss; null for all."""
    noise: str = "off"
    """Error rates of the simulated agents: off, clear, mild, fitted, or a JSON file of rates."""
    budget_shares: Shares | None = None
    """Budgets of frames and sound, drawn for each question between two shares of what it costs to look at and hear
    everything, such as [0.15, 1.0]; null for those of `graph`."""


class Reward(Part):
    """Weights of the rewards: a preset, or weights by name (`rewards.py` has the registry)."""

    preset: str = DEFAULT
    weights: dict[str, float] | None = None
    """Replace the preset; a reward that is not named has weight 0."""

    @field_validator("preset")
    @classmethod
    def _check_preset(cls, preset: str) -> str:
        _check_choice(preset, preset_names())
        return preset

    @field_validator("weights")
    @classmethod
    def _check_weights(cls, weights: dict[str, float] | None) -> dict[str, float] | None:
        for name in weights or ():
            _check_choice(name, tuple(REWARDS))
        return weights

    def resolve(self) -> dict[str, float]:
        """Return the weight of every reward."""
        return preset_weights(self.preset) if self.weights is None else complete_weights(self.weights)


def _check_choice(value: str, allowed: Sequence[str]) -> None:
    """Raise pydantic's own error for a value that is not among the allowed ones, which are known at run time only."""
    if value not in allowed:
        *others, last = map(repr, allowed)
        raise PydanticCustomError(
            "literal_error", "Input should be {expected}", {"expected": f"{', '.join(others)} or {last}"}
        )


class Sft(Part):
    """Warm start on demonstrations."""

    demonstrations: str
    """A JSONL file; `agentcvr train demonstrate` writes one."""
    least_score: float = Field(default=0.0, ge=0, le=1)
    """Demonstrations whose answer scores less are skipped."""
    optimizer: str = ""
    """Import path of an optimizer factory: called with the trainer's arguments, it returns what transformers takes as
    `optimizer_cls_and_kwargs`. Empty for the trainer's own `optim`."""
    trainer: dict[str, Any] = Field(default_factory=dict)
    """Settings of TRL's SFTConfig."""


class Grpo(Part):
    """Reinforcement learning."""

    steps_between_reports: int = Field(default=50, ge=0)
    """Steps between HTML reports of a few trajectories; 0 for none."""
    trajectories_reported: int = Field(default=4, ge=1)
    """Trajectories in each set of reports."""
    trainer: dict[str, Any] = Field(default_factory=dict)
    """Settings of TRL's GRPOConfig."""


class Settings(Part):
    """A complete configuration."""

    output: str
    """Folder for checkpoints, curves and trajectories."""
    seed: int = 0
    model: Model
    scripts: Scripts
    held_out: Scripts | None = None
    graph: dict[str, Any] = Field(default_factory=dict)
    """Fields of `CVRContext`; `abstain` is `never` unless it is set."""
    tools: str = ""
    """Import path of the tools of the graph, as a list of them; empty for those of the library."""
    features: list[str] = Field(default_factory=list)
    """Features of the library's tools, such as `[confidence]`."""
    rollout: Rollout = Rollout()
    reward: Reward = Reward()
    sft: Sft | None = None
    grpo: Grpo = Grpo()

    @property
    def context(self) -> CVRContext:
        """Return the settings of a graph run."""
        return training_context(self.graph)

    def load_tools(self) -> Toolset:
        """Return the tools of the graph.

        Raises:
            InputError: the import path is malformed, it names no list of tools, or a feature does not exist.
            SetupError: the tools do not fit together.
        """
        return with_features(self.features, load_tools(self.tools, "tools") if self.tools else TOOLS)

    def held_out_scripts(self) -> list[Script]:
        """Return the held-out scripts.

        Raises:
            InputError: the configuration names none.
        """
        if self.held_out is None:
            raise InputError(
                "No scripts are named.", fix="Give --scripts FILE, --task TASK, or a --config that has `held_out`."
            )
        return self.held_out.load()

    def load_scripts(self) -> tuple[list[Script], list[Script]]:
        """Return the training scripts and the held-out scripts.

        Raises:
            InputError: there are none, or a script is in both.
        """
        scripts = self.scripts.load()
        held_out = self.held_out.load() if self.held_out else []
        shared = {script.id for script in scripts} & {script.id for script in held_out}
        if shared:
            raise InputError(
                f"{len(shared)} held-out scripts are trained on, {min(shared)} among them.",
                fix="Give held_out another seed or another library.",
            )
        return scripts, held_out


def load_settings(path: Path, overrides: dict[str, Any] | None = None) -> Settings:
    """Read a configuration.

    Args:
        overrides: values by dotted name, such as `grpo.trainer.max_steps`, that replace those of the file.

    Raises:
        InputError: the file is missing or not YAML, or a value is invalid; names key, value and what is allowed.
    """
    try:
        raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"The configuration {path} cannot be read: {error.strerror}.",
            fix="Name a YAML file, relative to the current folder.",
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"The configuration {path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(raw, dict):
        raise InputError(
            f"The configuration {path} holds no keys.", fix="See the shipped ones: agentcvr train grpo --help."
        )
    values = cast(dict[str, Any], raw)
    for name, value in (overrides or {}).items():
        _put(values, name, value)
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise InputError(f"{path}: {_explain(error)}") from None
    _check_graph(settings, path)
    _check_confidence(settings, path)
    return settings


def read_overrides(given: Sequence[str]) -> dict[str, Any]:
    """Parse `NAME=VALUE` arguments of a command line; values are YAML.

    Raises:
        InputError: there is no `=`, or the value is not YAML.
    """
    found: dict[str, Any] = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not equals:
            raise InputError(f"--set {item!r} is not NAME=VALUE.", fix="Write it as grpo.trainer.max_steps=10.")
        try:
            found[name] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise InputError(f"--set {item!r}: the value is not YAML: {' '.join(str(error).split())}") from error
    return found


def _put(values: dict[str, Any], name: str, value: Any) -> None:
    *parts, last = name.split(".")
    for part in parts:
        if not isinstance(values.get(part), dict):
            # The file may say `held_out: null` where the command line says `--set held_out.each=3`.
            values[part] = {}
        values = values[part]
    values[last] = value


def _explain(error: ValidationError) -> str:
    """Describe the first error and what is allowed."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] != "extra_forbidden":
        return misfit(first, place)
    part: Any = Settings
    for name in first["loc"][:-1]:
        part = _part_of(part, str(name))
    return unknown_key(str(first["loc"][-1]), list(part.model_fields), place)


def misfit(fault: ErrorDetails, place: str) -> str:
    """Describe an invalid value."""
    if fault["type"] == "missing":
        return f"the key {place!r} is missing."
    if (raised := fault.get("ctx", {}).get("error")) is not None:  # by a check of this library, which names the value
        return f"{place}: {raised}"
    return f"{place}: {fault['msg']} (it is {fault['input']!r})."


def _part_of(part: type[BaseModel], name: str) -> type[BaseModel]:
    annotation: Any = part.model_fields[name].annotation
    choices = [annotation, *getattr(annotation, "__args__", ())]
    return next(choice for choice in choices if isinstance(choice, type) and issubclass(choice, BaseModel))


def unknown_key(name: str, known: list[str], place: str) -> str:
    """Describe an unknown key and suggest a known one."""
    close = difflib.get_close_matches(name, known, n=1)
    meant = f"did you mean {close[0]!r}? " if close else ""
    listed = f"known are {', '.join(sorted(known))}" if len(known) < 30 else f"there are {len(known)} others"
    return f"there is no key {place!r}; {meant}({listed})."


def training_context(graph: dict[str, Any]) -> CVRContext:
    """Return the settings of a graph run in training: `abstain` is `never` unless it is set.

    Raises:
        InputError: there is no such setting, its value is not allowed, or the dialect masks what is sampled.
    """
    settings: dict[str, Any] = {"abstain": "never", **graph}
    context = CVRContext(**settings)
    if context.dialect == "schema":
        raise InputError(
            "dialect='schema' is for inference: a mask changes what is sampled, and the trainer does not apply it.",
            fix="Choose auto, tools or json; a trained policy can be run with a schema.",
        )
    return context


def _check_graph(settings: Settings, path: Path) -> None:
    known = list(CVRContext.model_fields)
    for name in settings.graph:
        if name not in known:
            raise InputError(f"{path}: {unknown_key(name, known, f'graph.{name}')}")
    try:
        training_context(settings.graph)
    except InputError as error:
        raise InputError(f"{path}: graph: {error.message}", fix=error.fix) from None


def _check_confidence(settings: Settings, path: Path) -> None:
    """Check that answers can state a confidence, if it is rewarded."""
    weight = settings.reward.resolve()["brier"]
    if weight and not _states_confidence(settings.load_tools()):
        raise InputError(
            f"{path}: the reward `brier` has the weight {weight:g}, and no answer can state a confidence.",
            fix="Add `features: [confidence]`, or give it no weight.",
        )


def _states_confidence(tools: Toolset) -> bool:
    """Return whether a tool that ends a question has a property `how_sure` of its own."""
    none = AnswerArgs.how_sure
    return any(getattr(tools[name].arguments, "how_sure", none) is not none for name in tools.ending)
