"""<sequencing> elements into values. SCORM 2004 4th Ed. CAM 5.1; the vocabularies are those of its binding."""

from collections.abc import Mapping

from server.domain.manifest.read_objectives import read_objectives
from server.domain.manifest.reading import Element, attribute, child, children, local_name, namespace
from server.domain.manifest.sequencing import (
    AuxiliaryResource,
    ConstrainedChoice,
    ControlMode,
    DeliveryControls,
    LimitConditions,
    RandomizationControls,
    RollupCondition,
    RollupConsiderations,
    RollupRule,
    RuleCondition,
    Sequencing,
    SequencingRule,
)
from server.domain.manifest.values import Notes, boolean, decimal_attribute, show, token, whole

RULE_CONDITIONS = (
    "satisfied",
    "objectiveStatusKnown",
    "objectiveMeasureKnown",
    "objectiveMeasureGreaterThan",
    "objectiveMeasureLessThan",
    "completed",
    "activityProgressKnown",
    "attempted",
    "attemptLimitExceeded",
    "timeLimitExceeded",
    "outsideAvailableTimeRange",
    "always",
)
PRE_ACTIONS = ("skip", "disabled", "hiddenFromChoice", "stopForwardTraversal")
EXIT_ACTIONS = ("exit",)
POST_ACTIONS = ("exitParent", "exitAll", "retry", "retryAll", "continue", "previous")
ROLLUP_CONDITIONS = (
    "satisfied",
    "objectiveStatusKnown",
    "objectiveMeasureKnown",
    "completed",
    "activityProgressKnown",
    "attempted",
    "attemptLimitExceeded",
    "timeLimitExceeded",
    "outsideAvailableTimeRange",
)
ROLLUP_ACTIONS = ("satisfied", "notSatisfied", "completed", "incomplete")
CHILD_SETS = ("all", "any", "none", "atLeastCount", "atLeastPercent")
OPERATORS = ("noOp", "not")
COMBINATIONS = ("all", "any")
TIMINGS = ("never", "once", "onEachNewAttempt")
REQUIRED = ("always", "ifAttempted", "ifNotSkipped", "ifNotSuspended")

PARTS = frozenset(
    {
        "controlmode",
        "constrainedchoiceconsiderations",
        "sequencingrules",
        "limitconditions",
        "auxiliaryresources",
        "rolluprules",
        "rollupconsiderations",
        "objectives",
        "adlseq:objectives",
        "randomizationcontrols",
        "deliverycontrols",
    }
)

Parts = Mapping[str, Element]


def collection_of(manifest: Element) -> dict[str, Parts]:
    """The reusable <sequencing> elements of a manifest's <sequencingCollection>, by ID; the first of equal IDs."""
    found: dict[str, Parts] = {}
    for holder in children(manifest, "sequencingcollection"):
        for element in children(holder, "sequencing"):
            identifier = attribute(element, "id") or ""
            if identifier not in found:
                found[identifier] = _parts(element)
    return found


def sequencing_parts(parent: Element, collection: Mapping[str, Parts], notes: Notes) -> tuple[Parts, Parts]:
    """What the <sequencing> of an item or organization has itself, and what else its IDRef brings; both by name."""
    element = child(parent, "sequencing")
    if element is None:
        return {}, {}
    parts, reference = _parts(element), attribute(element, "idref")
    if reference is None:
        return parts, {}
    if reference not in collection:
        notes.add(f"The sequencing collection has no {show(reference)}; the reference was ignored")
        return parts, {}
    return parts, {name: part for name, part in collection[reference].items() if name not in parts}


def read_sequencing(parts: Parts, notes: Notes) -> Sequencing:
    """The sequencing that these parts make up; the defaults where there are none."""
    rules, rollup = parts.get("sequencingrules"), parts.get("rolluprules")
    primary, objectives = read_objectives(parts.get("objectives"), parts.get("adlseq:objectives"), notes)
    return Sequencing(
        control_mode=_control_mode(parts, notes),
        constrained_choice=_constrained_choice(parts, notes),
        pre_condition_rules=_rules(rules, "preconditionrule", PRE_ACTIONS, notes),
        exit_condition_rules=_rules(rules, "exitconditionrule", EXIT_ACTIONS, notes),
        post_condition_rules=_rules(rules, "postconditionrule", POST_ACTIONS, notes),
        limit_conditions=_limits(parts, notes),
        auxiliary_resources=_auxiliary(parts),
        rollup_objective_satisfied=rollup is None or boolean(rollup, "rollupobjectivesatisfied", True, notes),
        rollup_progress_completion=rollup is None or boolean(rollup, "rollupprogresscompletion", True, notes),
        objective_measure_weight=(
            1.0 if rollup is None else decimal_attribute(rollup, "objectivemeasureweight", 1.0, notes)
        ),
        rollup_rules=_rollup_rules(rollup, notes),
        rollup_considerations=_rollup_considerations(parts, notes),
        primary_objective=primary,
        objectives=objectives,
        randomization_controls=_randomization(parts, notes),
        delivery_controls=_delivery(parts, notes),
    )


def _parts(element: Element) -> dict[str, Element]:
    parts: dict[str, Element] = {}
    for part in children(element):
        name = local_name(part)
        # Two elements of different namespaces have this name.
        if name == "objectives" and "adlseq" in namespace(part):
            name = "adlseq:objectives"
        if name in PARTS:
            parts.setdefault(name, part)
    return parts


def _control_mode(parts: Parts, notes: Notes) -> ControlMode:
    element = parts.get("controlmode")
    if element is None:
        return ControlMode()
    return ControlMode(
        choice=boolean(element, "choice", True, notes),
        choice_exit=boolean(element, "choiceexit", True, notes),
        flow=boolean(element, "flow", False, notes),
        forward_only=boolean(element, "forwardonly", False, notes),
        use_current_attempt_objective_info=boolean(element, "usecurrentattemptobjectiveinfo", True, notes),
        use_current_attempt_progress_info=boolean(element, "usecurrentattemptprogressinfo", True, notes),
    )


def _constrained_choice(parts: Parts, notes: Notes) -> ConstrainedChoice:
    element = parts.get("constrainedchoiceconsiderations")
    if element is None:
        return ConstrainedChoice()
    return ConstrainedChoice(
        prevent_activation=boolean(element, "preventactivation", False, notes),
        constrain_choice=boolean(element, "constrainchoice", False, notes),
    )


def _rules(holder: Element | None, name: str, actions: tuple[str, ...], notes: Notes) -> tuple[SequencingRule, ...]:
    rules = []
    for element in children(holder, name):
        action_element, group = child(element, "ruleaction"), child(element, "ruleconditions")
        action = token(action_element, "action", actions, notes) if action_element is not None else None
        conditions = tuple(_rule_conditions(group, notes))
        if action is None or not conditions:
            notes.add("A sequencing rule without a valid condition and action was ignored")
            continue
        combination = token(group, "conditioncombination", COMBINATIONS, notes) if group is not None else None
        rules.append(SequencingRule(action=action, conditions=conditions, combination=combination or "all"))
    return tuple(rules)


def _rule_conditions(group: Element | None, notes: Notes) -> list[RuleCondition]:
    conditions = []
    for element in children(group, "rulecondition"):
        condition = token(element, "condition", RULE_CONDITIONS, notes, "" if _has(element, "condition") else "always")
        if not condition:
            # Leaving one condition out would turn the rule into another rule.
            return []
        threshold = None
        if _has(element, "measurethreshold"):
            threshold = decimal_attribute(element, "measurethreshold", 0.0, notes, low=-1.0)
        conditions.append(
            RuleCondition(
                condition=condition,
                negated=token(element, "operator", OPERATORS, notes, "noOp") == "not",
                referenced_objective=attribute(element, "referencedobjective") or None,
                measure_threshold=threshold,
            )
        )
    return conditions


def _has(element: Element, name: str) -> bool:
    return attribute(element, name) is not None


def _limits(parts: Parts, notes: Notes) -> LimitConditions:
    element = parts.get("limitconditions")
    if element is None:
        return LimitConditions()
    return LimitConditions(
        attempt_limit=whole(element, "attemptlimit", notes),
        attempt_absolute_duration_limit=attribute(element, "attemptabsolutedurationlimit"),
        attempt_experienced_duration_limit=attribute(element, "attemptexperienceddurationlimit"),
        activity_absolute_duration_limit=attribute(element, "activityabsolutedurationlimit"),
        activity_experienced_duration_limit=attribute(element, "activityexperienceddurationlimit"),
        begin_time_limit=attribute(element, "begintimelimit"),
        end_time_limit=attribute(element, "endtimelimit"),
    )


def _auxiliary(parts: Parts) -> tuple[AuxiliaryResource, ...]:
    return tuple(
        AuxiliaryResource(
            auxiliary_resource_id=attribute(element, "auxiliaryresourceid") or "",
            purpose=attribute(element, "purpose") or "",
        )
        for element in children(parts.get("auxiliaryresources"), "auxiliaryresource")
    )


def _rollup_rules(holder: Element | None, notes: Notes) -> tuple[RollupRule, ...]:
    rules = []
    for element in children(holder, "rolluprule"):
        action_element, group = child(element, "rollupaction"), child(element, "rollupconditions")
        action = token(action_element, "action", ROLLUP_ACTIONS, notes) if action_element is not None else None
        conditions = tuple(_rollup_conditions(group, notes))
        child_set = token(
            element, "childactivityset", CHILD_SETS, notes, None if _has(element, "childactivityset") else "all"
        )
        if action is None or not conditions or not child_set:
            notes.add("A roll-up rule without a valid condition and action was ignored")
            continue
        combination = token(group, "conditioncombination", COMBINATIONS, notes) if group is not None else None
        rules.append(
            RollupRule(
                action=action,
                conditions=conditions,
                combination=combination or "any",
                child_activity_set=child_set,
                minimum_count=whole(element, "minimumcount", notes) or 0,
                minimum_percent=decimal_attribute(element, "minimumpercent", 0.0, notes),
            )
        )
    return tuple(rules)


def _rollup_conditions(group: Element | None, notes: Notes) -> list[RollupCondition]:
    conditions = []
    for element in children(group, "rollupcondition"):
        condition = token(element, "condition", ROLLUP_CONDITIONS, notes)
        if condition is None:
            return []
        negated = token(element, "operator", OPERATORS, notes, "noOp") == "not"
        conditions.append(RollupCondition(condition=condition, negated=negated))
    return conditions


def _rollup_considerations(parts: Parts, notes: Notes) -> RollupConsiderations:
    element = parts.get("rollupconsiderations")
    if element is None:
        return RollupConsiderations()

    def required(name: str) -> str:
        return token(element, name, REQUIRED, notes) or "always"

    return RollupConsiderations(
        required_for_satisfied=required("requiredforsatisfied"),
        required_for_not_satisfied=required("requiredfornotsatisfied"),
        required_for_completed=required("requiredforcompleted"),
        required_for_incomplete=required("requiredforincomplete"),
        measure_satisfaction_if_active=boolean(element, "measuresatisfactionifactive", True, notes),
    )


def _randomization(parts: Parts, notes: Notes) -> RandomizationControls:
    element = parts.get("randomizationcontrols")
    if element is None:
        return RandomizationControls()
    return RandomizationControls(
        randomization_timing=token(element, "randomizationtiming", TIMINGS, notes) or "never",
        reorder_children=boolean(element, "reorderchildren", False, notes),
        selection_timing=token(element, "selectiontiming", TIMINGS, notes) or "never",
        select_count=whole(element, "selectcount", notes),
    )


def _delivery(parts: Parts, notes: Notes) -> DeliveryControls:
    element = parts.get("deliverycontrols")
    if element is None:
        return DeliveryControls()
    return DeliveryControls(
        tracked=boolean(element, "tracked", True, notes),
        completion_set_by_content=boolean(element, "completionsetbycontent", False, notes),
        objective_set_by_content=boolean(element, "objectivesetbycontent", False, notes),
    )
