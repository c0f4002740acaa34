"""Sequencing as a manifest declares it: the sequencing definition model, with the defaults of the specification.

IMS Simple Sequencing 1.0; SCORM 2004 4th Ed. SN 3 (meaning, cited below) and CAM 5.1 (binding). Every default
below is the one that holds where a manifest says nothing, so that `Sequencing()` is an activity without any
sequencing information.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlMode:
    """Which requests are possible among the children. SN 3.2."""

    choice: bool = True
    choice_exit: bool = True
    flow: bool = False
    forward_only: bool = False
    use_current_attempt_objective_info: bool = True
    use_current_attempt_progress_info: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstrainedChoice:
    """adlseq:constrainedChoiceConsiderations. SN 3.3."""

    prevent_activation: bool = False
    constrain_choice: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCondition:
    """One condition of a sequencing rule. `referenced_objective` None means the primary objective. SN 3.4."""

    condition: str = "always"
    negated: bool = False
    referenced_objective: str | None = None
    measure_threshold: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SequencingRule:
    """If `combination` ("all" or "any") of the conditions hold, then `action`. SN 3.4."""

    action: str
    conditions: tuple[RuleCondition, ...]
    combination: str = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitConditions:
    """SN 3.5. SCORM uses the first two; the others are kept as written. Durations and times are text."""

    attempt_limit: int | None = None
    attempt_absolute_duration_limit: str | None = None
    attempt_experienced_duration_limit: str | None = None
    activity_absolute_duration_limit: str | None = None
    activity_experienced_duration_limit: str | None = None
    begin_time_limit: str | None = None
    end_time_limit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuxiliaryResource:
    """Kept as written; SCORM gives it no behaviour. SN 3.6."""

    auxiliary_resource_id: str
    purpose: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RollupCondition:
    """One condition of a roll-up rule. SN 3.7."""

    condition: str
    negated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RollupRule:
    """If enough children (`child_activity_set`) meet the conditions, then `action`. SN 3.7.

    `minimum_percent` is 0 to 1.
    """

    action: str
    conditions: tuple[RollupCondition, ...]
    combination: str = "any"
    child_activity_set: str = "all"
    minimum_count: int = 0
    minimum_percent: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RollupConsiderations:
    """adlseq:rollupConsiderations. SN 3.9."""

    required_for_satisfied: str = "always"
    required_for_not_satisfied: str = "always"
    required_for_completed: str = "always"
    required_for_incomplete: str = "always"
    measure_satisfaction_if_active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveMap:
    """imsss:mapInfo: a local objective's satisfaction and measure, read from and written to a shared one. SN 3.10.

    `target` is percent-decoded with white space collapsed, so that equal objectives compare equal.
    """

    target: str
    read_satisfied_status: bool = True
    read_normalized_measure: bool = True
    write_satisfied_status: bool = False
    write_normalized_measure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveDataMap:
    """adlseq:mapInfo (4th Edition): the same for scores, completion and progress. SN 3.10."""

    target: str
    read_raw_score: bool = True
    read_min_score: bool = True
    read_max_score: bool = True
    read_completion_status: bool = True
    read_progress_measure: bool = True
    write_raw_score: bool = False
    write_min_score: bool = False
    write_max_score: bool = False
    write_completion_status: bool = False
    write_progress_measure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """A local objective. Only the primary one may lack an identifier (""). SN 3.10."""

    identifier: str = ""
    satisfied_by_measure: bool = False
    min_normalized_measure: float = 1.0
    maps: tuple[ObjectiveMap, ...] = ()
    data_maps: tuple[ObjectiveDataMap, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomizationControls:
    """Timings are "never", "once" or "onEachNewAttempt". SN 3.11, 3.12."""

    randomization_timing: str = "never"
    reorder_children: bool = False
    selection_timing: str = "never"
    select_count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryControls:
    """What the LMS may conclude where the content says nothing. SN 3.13."""

    tracked: bool = True
    completion_set_by_content: bool = False
    objective_set_by_content: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequencing:
    """The whole definition model of one activity, references to the sequencing collection already merged."""

    control_mode: ControlMode = ControlMode()
    constrained_choice: ConstrainedChoice = ConstrainedChoice()
    pre_condition_rules: tuple[SequencingRule, ...] = ()
    exit_condition_rules: tuple[SequencingRule, ...] = ()
    post_condition_rules: tuple[SequencingRule, ...] = ()
    limit_conditions: LimitConditions = LimitConditions()
    auxiliary_resources: tuple[AuxiliaryResource, ...] = ()
    rollup_objective_satisfied: bool = True
    rollup_progress_completion: bool = True
    objective_measure_weight: float = 1.0
    rollup_rules: tuple[RollupRule, ...] = ()
    rollup_considerations: RollupConsiderations = RollupConsiderations()
    primary_objective: Objective = Objective()
    objectives: tuple[Objective, ...] = ()
    randomization_controls: RandomizationControls = RandomizationControls()
    delivery_controls: DeliveryControls = DeliveryControls()
