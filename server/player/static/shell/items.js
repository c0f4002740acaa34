/** Returns all items of a tree in the order of the table of contents. */
export function flat(items) {
  return items.flatMap((item) => [item, ...flat(item.children ?? [])]);
}

/** Returns the items that a learner works through: launchable and shown. */
export function lessons(items) {
  return flat(items).filter((item) => item.launchable && item.visible !== false);
}

/**
 * Returns the tree with what a commit changed: `changes` {id: {completion, success, scoreScaled?}}, and which items have
 * become choosable: `choice` {id: "true" | "false" | "unknown"}.
 */
export function withChanges(items, changes, choice = {}) {
  return items.map((item) => ({
    ...item,
    ...changes[item.id],
    enabled: choice[item.id] === "true" ? true : item.enabled,
    children: withChanges(item.children ?? [], changes, choice),
  }));
}
