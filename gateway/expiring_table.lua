-- A table that remembers at most 2 * `capacity` entries: when one generation is full, the one before is forgotten.
-- Entries hold `at` and `until_ms`, epoch milliseconds between which they count.
local expiring_table = {}

function expiring_table.new(capacity)
  local young, old, count = {}, {}, 0
  local self = {}

  function self.get(key, now)
    local entry = young[key] or old[key]
    -- `at` guards against a clock that was set back.
    if entry and now >= entry.at and now < entry.until_ms then return entry end
  end

  function self.put(key, entry)
    if young[key] == nil then
      if count >= capacity then young, old, count = {}, young, 0 end
      count = count + 1
    end
    young[key] = entry
  end

  function self.forget(key)
    -- `false` still counts as an entry of its generation.
    if young[key] then young[key] = false end
    old[key] = nil
  end

  return self
end

return expiring_table
