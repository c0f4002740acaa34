import pytest

from server.domain.manifest.sequencing import (
    AuxiliaryResource,
    ConstrainedChoice,
    ControlMode,
    DeliveryControls,
    LimitConditions,
    Objective,
    ObjectiveDataMap,
    ObjectiveMap,
    RandomizationControls,
    RollupCondition,
    RollupConsiderations,
    RollupRule,
    RuleCondition,
    Sequencing,
    SequencingRule,
)
from tests.factories import manifest2004
from tests.unit.manifests import first_item, in_item, parse, sequenced

WHOLE = """
<imsss:controlMode choice="false" choiceExit="false" flow="true" forwardOnly="true"
  useCurrentAttemptObjectiveInfo="false" useCurrentAttemptProgressInfo="false"/>
<imsss:sequencingRules>
  <imsss:preConditionRule>
    <imsss:ruleConditions conditionCombination="any">
      <imsss:ruleCondition condition="satisfied" operator="not" referencedObjective=" obj 1 "/>
      <imsss:ruleCondition condition="objectiveMeasureGreaterThan" measureThreshold="-0.5"/>
    </imsss:ruleConditions><imsss:ruleAction action="hiddenFromChoice"/>
  </imsss:preConditionRule>
  <imsss:preConditionRule>
    <imsss:ruleConditions><imsss:ruleCondition condition="always"/></imsss:ruleConditions>
    <imsss:ruleAction action="skip"/>
  </imsss:preConditionRule>
  <imsss:exitConditionRule>
    <imsss:ruleConditions><imsss:ruleCondition condition="completed"/></imsss:ruleConditions>
    <imsss:ruleAction action="exit"/>
  </imsss:exitConditionRule>
  <imsss:postConditionRule>
    <imsss:ruleConditions><imsss:ruleCondition condition="attemptLimitExceeded"/></imsss:ruleConditions>
    <imsss:ruleAction action="retryAll"/>
  </imsss:postConditionRule>
</imsss:sequencingRules>
<imsss:limitConditions attemptLimit="3" attemptAbsoluteDurationLimit="PT1H"
  attemptExperiencedDurationLimit="PT2H" activityAbsoluteDurationLimit="PT3H"
  activityExperiencedDurationLimit="PT4H" beginTimeLimit="2020-01-01" endTimeLimit="2030-01-01"/>
<imsss:auxiliaryResources><imsss:auxiliaryResource auxiliaryResourceID="AUX" purpose="help"/></imsss:auxiliaryResources>
<imsss:rollupRules rollupObjectiveSatisfied="false" rollupProgressCompletion="false" objectiveMeasureWeight="0.25">
  <imsss:rollupRule childActivitySet="atLeastPercent" minimumCount="2" minimumPercent="0.5">
    <imsss:rollupConditions conditionCombination="all">
      <imsss:rollupCondition condition="attempted" operator="not"/><imsss:rollupCondition condition="completed"/>
    </imsss:rollupConditions><imsss:rollupAction action="notSatisfied"/>
  </imsss:rollupRule>
</imsss:rollupRules>
<imsss:objectives>
  <imsss:primaryObjective objectiveID="PRIMARY" satisfiedByMeasure="true">
    <imsss:minNormalizedMeasure>0.6</imsss:minNormalizedMeasure>
    <imsss:mapInfo targetObjectiveID="  g%20%20obj " readSatisfiedStatus="false" readNormalizedMeasure="false"
      writeSatisfiedStatus="true" writeNormalizedMeasure="true"/>
  </imsss:primaryObjective>
  <imsss:objective objectiveID="obj 1"><imsss:mapInfo targetObjectiveID="a"/><imsss:mapInfo targetObjectiveID="b"/>
  </imsss:objective>
</imsss:objectives>
<imsss:randomizationControls randomizationTiming="once" selectCount="2" reorderChildren="true"
  selectionTiming="onEachNewAttempt"/>
<imsss:deliveryControls tracked="false" completionSetByContent="true" objectiveSetByContent="true"/>
<adlseq:constrainedChoiceConsiderations preventActivation="true" constrainChoice="true"/>
<adlseq:rollupConsiderations requiredForSatisfied="ifAttempted" requiredForNotSatisfied="ifNotSkipped"
  requiredForCompleted="ifNotSuspended" requiredForIncomplete="ifAttempted" measureSatisfactionIfActive="false"/>
<adlseq:objectives><adlseq:objective objectiveID="PRIMARY">
  <adlseq:mapInfo targetObjectiveID="g obj" readRawScore="false" readMinScore="false" readMaxScore="false"
    readCompletionStatus="false" readProgressMeasure="false" writeRawScore="true" writeMinScore="true"
    writeMaxScore="true" writeCompletionStatus="true" writeProgressMeasure="true"/>
</adlseq:objective></adlseq:objectives>
"""


def rule(action: str, condition: RuleCondition) -> SequencingRule:
    return SequencingRule(action=action, conditions=(condition,))


def test_the_whole_definition_model_is_read() -> None:
    manifest = in_item(f"<imsss:sequencing>{WHOLE}</imsss:sequencing>")
    assert manifest.warnings == ()
    assert first_item(manifest).sequencing == Sequencing(
        control_mode=ControlMode(
            choice=False,
            choice_exit=False,
            flow=True,
            forward_only=True,
            use_current_attempt_objective_info=False,
            use_current_attempt_progress_info=False,
        ),
        constrained_choice=ConstrainedChoice(prevent_activation=True, constrain_choice=True),
        pre_condition_rules=(
            SequencingRule(
                action="hiddenFromChoice",
                combination="any",
                conditions=(
                    RuleCondition(condition="satisfied", negated=True, referenced_objective="obj 1"),
                    RuleCondition(condition="objectiveMeasureGreaterThan", measure_threshold=-0.5),
                ),
            ),
            rule("skip", RuleCondition(condition="always")),
        ),
        exit_condition_rules=(rule("exit", RuleCondition(condition="completed")),),
        post_condition_rules=(rule("retryAll", RuleCondition(condition="attemptLimitExceeded")),),
        limit_conditions=LimitConditions(
            attempt_limit=3,
            attempt_absolute_duration_limit="PT1H",
            attempt_experienced_duration_limit="PT2H",
            activity_absolute_duration_limit="PT3H",
            activity_experienced_duration_limit="PT4H",
            begin_time_limit="2020-01-01",
            end_time_limit="2030-01-01",
        ),
        auxiliary_resources=(AuxiliaryResource(auxiliary_resource_id="AUX", purpose="help"),),
        rollup_objective_satisfied=False,
        rollup_progress_completion=False,
        objective_measure_weight=0.25,
        rollup_rules=(
            RollupRule(
                action="notSatisfied",
                conditions=(
                    RollupCondition(condition="attempted", negated=True),
                    RollupCondition(condition="completed"),
                ),
                combination="all",
                child_activity_set="atLeastPercent",
                minimum_count=2,
                minimum_percent=0.5,
            ),
        ),
        rollup_considerations=RollupConsiderations(
            required_for_satisfied="ifAttempted",
            required_for_not_satisfied="ifNotSkipped",
            required_for_completed="ifNotSuspended",
            required_for_incomplete="ifAttempted",
            measure_satisfaction_if_active=False,
        ),
        primary_objective=Objective(
            identifier="PRIMARY",
            satisfied_by_measure=True,
            min_normalized_measure=0.6,
            maps=(
                ObjectiveMap(
                    target="g obj",
                    read_satisfied_status=False,
                    read_normalized_measure=False,
                    write_satisfied_status=True,
                    write_normalized_measure=True,
                ),
            ),
            data_maps=(
                ObjectiveDataMap(
                    target="g obj",
                    read_raw_score=False,
                    read_min_score=False,
                    read_max_score=False,
                    read_completion_status=False,
                    read_progress_measure=False,
                    write_raw_score=True,
                    write_min_score=True,
                    write_max_score=True,
                    write_completion_status=True,
                    write_progress_measure=True,
                ),
            ),
        ),
        objectives=(Objective(identifier="obj 1", maps=(ObjectiveMap(target="a"), ObjectiveMap(target="b"))),),
        randomization_controls=RandomizationControls(
            randomization_timing="once", reorder_children=True, selection_timing="onEachNewAttempt", select_count=2
        ),
        delivery_controls=DeliveryControls(
            tracked=False, completion_set_by_content=True, objective_set_by_content=True
        ),
    )


def test_empty_elements_have_the_defaults_of_the_specification() -> None:
    empty = (
        "<imsss:controlMode/><imsss:sequencingRules/><imsss:limitConditions/><imsss:auxiliaryResources/>"
        "<imsss:rollupRules/><imsss:objectives><imsss:primaryObjective/></imsss:objectives>"
        "<imsss:randomizationControls/><imsss:deliveryControls/><adlseq:constrainedChoiceConsiderations/>"
        "<adlseq:rollupConsiderations/><adlseq:objectives/>"
    )
    assert sequenced(empty) == sequenced("") == Sequencing()


def test_the_defaults_are_those_of_the_binding() -> None:
    # IMS SS 1.0 and SCORM 2004 4th Ed. SN 3, spelled out here a second time on purpose.
    default = Sequencing()
    mode = default.control_mode
    assert (mode.choice, mode.choice_exit, mode.flow, mode.forward_only) == (True, True, False, False)
    assert (mode.use_current_attempt_objective_info, mode.use_current_attempt_progress_info) == (True, True)
    assert (default.rollup_objective_satisfied, default.rollup_progress_completion) == (True, True)
    assert default.objective_measure_weight == 1.0
    assert (default.primary_objective.satisfied_by_measure, default.primary_objective.min_normalized_measure) == (
        False,
        1.0,
    )
    delivery = default.delivery_controls
    assert (delivery.tracked, delivery.completion_set_by_content, delivery.objective_set_by_content) == (
        True,
        False,
        False,
    )
    mapping = ObjectiveMap(target="t")
    assert (mapping.read_satisfied_status, mapping.read_normalized_measure) == (True, True)
    assert (mapping.write_satisfied_status, mapping.write_normalized_measure) == (False, False)
    rollup = RollupRule(action="satisfied", conditions=())
    assert (rollup.child_activity_set, rollup.combination, rollup.minimum_count) == ("all", "any", 0)
    assert SequencingRule(action="skip", conditions=()).combination == "all"


COLLECTION = (
    '<imsss:sequencingCollection><imsss:sequencing ID="SHARED-SEQ"><imsss:controlMode choice="false" flow="true"/>'
    '<imsss:limitConditions attemptLimit="2"/>'
    '<imsss:objectives><imsss:primaryObjective objectiveID="P"/></imsss:objectives></imsss:sequencing>'
    "</imsss:sequencingCollection></manifest>"
)


def with_collection(sequencing: str) -> str:
    text = manifest2004().replace("</manifest>", COLLECTION)
    return text.replace("</title></item>", f"</title>{sequencing}</item>")


def test_a_reference_to_the_collection_brings_everything_in() -> None:
    sequencing = first_item(parse(with_collection('<imsss:sequencing IDRef="SHARED-SEQ"/>'))).sequencing
    assert sequencing.control_mode == ControlMode(choice=False, flow=True)
    assert sequencing.limit_conditions.attempt_limit == 2
    assert sequencing.primary_objective.identifier == "P"


def test_what_an_item_declares_itself_replaces_the_collections() -> None:
    own = '<imsss:sequencing IDRef="SHARED-SEQ"><imsss:controlMode forwardOnly="true"/></imsss:sequencing>'
    sequencing = first_item(parse(with_collection(own))).sequencing
    assert sequencing.control_mode == ControlMode(forward_only=True)
    assert sequencing.limit_conditions.attempt_limit == 2


def test_a_dangling_reference_to_the_collection_is_a_warning() -> None:
    manifest = parse(with_collection('<imsss:sequencing IDRef="GONE"/>'))
    assert first_item(manifest).sequencing == Sequencing()
    assert manifest.warnings == ("The sequencing collection has no 'GONE'; the reference was ignored",)


@pytest.mark.parametrize(
    "conditions",
    [
        "",
        '<imsss:ruleCondition condition="nonsense"/>',
        '<imsss:ruleCondition condition="always"/><imsss:ruleCondition condition="nonsense"/>',
    ],
)
def test_a_rule_that_is_not_understood_as_a_whole_is_left_out(conditions: str) -> None:
    content = (
        f"<imsss:sequencingRules><imsss:preConditionRule><imsss:ruleConditions>{conditions}</imsss:ruleConditions>"
        '<imsss:ruleAction action="skip"/></imsss:preConditionRule></imsss:sequencingRules>'
    )
    manifest = in_item(f"<imsss:sequencing>{content}</imsss:sequencing>")
    assert first_item(manifest).sequencing == Sequencing()
    assert manifest.warnings[-1] == "A sequencing rule without a valid condition and action was ignored"


@pytest.mark.parametrize(
    ("kind", "action"), [("pre", "exit"), ("post", "skip"), ("exit", "retry"), ("pre", "nonsense")]
)
def test_a_rule_with_an_action_of_another_kind_is_left_out(kind: str, action: str) -> None:
    name = f"imsss:{kind}ConditionRule"
    content = (
        f"<imsss:sequencingRules><{name}><imsss:ruleConditions><imsss:ruleCondition/></imsss:ruleConditions>"
        f'<imsss:ruleAction action="{action}"/></{name}></imsss:sequencingRules>'
    )
    assert sequenced(content) == Sequencing()


@pytest.mark.parametrize("content", ['<imsss:rollupRule childActivitySet="some">', "<imsss:rollupRule>"])
def test_a_roll_up_rule_that_is_not_understood_is_left_out(content: str) -> None:
    condition = "nonsense" if "some" not in content else "completed"
    text = (
        f"<imsss:rollupRules>{content}<imsss:rollupConditions>"
        f'<imsss:rollupCondition condition="{condition}"/></imsss:rollupConditions>'
        '<imsss:rollupAction action="satisfied"/></imsss:rollupRule></imsss:rollupRules>'
    )
    assert sequenced(text) == Sequencing()


def test_numbers_out_of_range_become_the_default_with_a_warning() -> None:
    manifest = in_item(
        '<imsss:sequencing><imsss:limitConditions attemptLimit="-1"/><imsss:rollupRules objectiveMeasureWeight="1.5"/>'
        "<imsss:objectives><imsss:primaryObjective><imsss:minNormalizedMeasure>2</imsss:minNormalizedMeasure>"
        "</imsss:primaryObjective></imsss:objectives></imsss:sequencing>"
    )
    assert first_item(manifest).sequencing == Sequencing()
    assert len(manifest.warnings) == 3


def test_an_objective_that_is_declared_twice_or_unknown_is_a_warning() -> None:
    manifest = in_item(
        '<imsss:sequencing><imsss:objectives><imsss:primaryObjective objectiveID="A"/>'
        '<imsss:objective objectiveID="A" satisfiedByMeasure="true"/><imsss:objective/></imsss:objectives>'
        '<adlseq:objectives><adlseq:objective objectiveID="B"/></adlseq:objectives></imsss:sequencing>'
    )
    assert first_item(manifest).sequencing == Sequencing(primary_objective=Objective(identifier="A"))
    assert manifest.warnings == (
        "The objective 'A' is declared twice; the first one counts",
        "An objective without an objectiveID was ignored",
        "adlseq:objectives names 'B', which is no objective of its activity",
    )


def test_sequencing_in_scorm_12_means_nothing() -> None:
    text = manifest2004(passing_score=0.5).replace("2004 4th Edition", "1.2")
    assert first_item(parse(text)).sequencing == Sequencing()
