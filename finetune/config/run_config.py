"""What one fine-tuning run is told. Standard library only, so that a form can read it without torch.

Every field carries, as metadata, a sentence of help, whether it is an advanced one, its range, and `when`: the choice
of its section without which it has no say. A value that has no say must stay at its default.
Not here: the sections (`finetune.config.learning`, `finetune.config.running`), files (`finetune.config.files`), the
run (`finetune.run_folder`).
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields

from finetune.config.learning import (
    MethodConfig,
    MethodKind,
    ObjectiveConfig,
    ObjectiveKind,
    OptimizerConfig,
    OptimizerKind,
    Penalty,
    Sampling,
    Schedule,
    ShiftKind,
    TimestepConfig,
)
from finetune.config.running import (
    RESOLUTION_MULTIPLE_PX,
    DataConfig,
    ModelConfig,
    OutputConfig,
    Precision,
    ResourceConfig,
    SampleConfig,
    ScheduleConfig,
    ValidationConfig,
)
from finetune.config.section import Section

__all__ = [
    "RESOLUTION_MULTIPLE_PX",
    "SECTIONS",
    "DataConfig",
    "FinetuneConfig",
    "MethodConfig",
    "MethodKind",
    "ModelConfig",
    "ObjectiveConfig",
    "ObjectiveKind",
    "OptimizerConfig",
    "OptimizerKind",
    "OutputConfig",
    "Penalty",
    "Precision",
    "ResourceConfig",
    "SampleConfig",
    "Sampling",
    "Schedule",
    "ScheduleConfig",
    "Section",
    "ShiftKind",
    "TimestepConfig",
    "ValidationConfig",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuneConfig:
    """Everything that decides a run's outcome; written to its folder before step 1."""

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    timesteps: TimestepConfig = field(default_factory=TimestepConfig)
    method: MethodConfig = field(default_factory=MethodConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    resources: ResourceConfig = field(default_factory=ResourceConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    samples: SampleConfig = field(default_factory=SampleConfig)
    output: OutputConfig = field(default_factory=OutputConfig)

    def __post_init__(self) -> None:
        if self.optimizer.warmup_steps > self.schedule.num_steps:
            raise ValueError(
                f"optimizer.warmup_steps ({self.optimizer.warmup_steps}) is longer than schedule.num_steps "
                f"({self.schedule.num_steps}); shorten the warm-up"
            )
        if self.resources.device == "cpu" and self.resources.precision == "fp16":
            raise ValueError(
                "resources.precision = 'fp16' does not train on resources.device = 'cpu'; use fp32"
            )
        if self.resources.device == "cpu" and self.method.quantise_base != "none":
            raise ValueError(
                "method.quantise_base needs a GPU, and resources.device is 'cpu'; set one otherwise"
            )
        if self.resources.divided:
            self._check_divided("sharded" if self.resources.sharded else "cpu_offload")

    def _check_divided(self, setting_name: str) -> None:
        for name, value, wanted in (
            ("resources.precision", self.resources.precision, ("bf16", "fp32")),
            ("method.quantise_base", self.method.quantise_base, ("none",)),
            ("optimizer.kind", self.optimizer.kind, ("adamw",)),
        ):
            if value not in wanted:
                raise ValueError(
                    f"resources.{setting_name} does not go with {name} = {value!r}; "
                    f"set that to {' or '.join(wanted)}"
                )


SECTIONS: dict[str, type[Section]] = {
    each.name: each.default_factory  # type: ignore[misc]
    for each in fields(FinetuneConfig)
    if each.default_factory is not MISSING
}
