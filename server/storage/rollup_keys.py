"""Keys of counters that stand for no verb and no activity."""

from uuid import UUID

from server.domain.xapi.keys import key

# All statements together; in pairs, no activity.
NO_KEY = UUID(int=0)
# How many actors and activities there are.
ACTORS, ACTIVITIES = key("rollup", "actors"), key("rollup", "activities")
