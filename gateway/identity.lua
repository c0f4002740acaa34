-- Who is asking: what the key filter (ext_authz) said of keys and content tokens a moment ago.
--
-- A function that finds nothing to ask for sets `request.known`; otherwise `request.asked`, with the key or token that
-- the answer is to be remembered under, and `request.lookup`, what its address is limited by. It returns the reason
-- where the request goes no further.
local expiring_table = require("gateway.expiring_table")
local grants = require("gateway.grants")
local paths = require("gateway.paths")

local KEY_FILTER = "envoy.filters.http.ext_authz"
-- With the core's own cache of 1.5 s this keeps the promise that what is revoked is refused within 5 s.
local TTL_MS = 3000
-- One request asks again this long before an entry ends, and the others go on with it: no stampede.
local REFRESH_MS = 1000
-- How long a token that was refused is not asked about again.
local GONE_MS = 1500
local CAPACITY = 2000
local LONGEST_KEY = 256
local LONGEST_TOKEN = 2048

-- Each worker has its own.
local keys = expiring_table.new(CAPACITY)
local tokens = expiring_table.new(CAPACITY)

local identity = {}

-- What the caller shows: the API key, or on the strict LRS what HTTP Basic says, with what comes with it. A key has no
-- space, so that neither is taken for the other.
local function credential(headers, lrs)
  local key = headers:get("x-api-key")
  local basic = lrs and headers:get("authorization")
  if basic and basic ~= "" then return basic .. " " .. (key or "") end
  return key
end

-- With `lrs`, the resource of the strict LRS that is asked for, a scope of the LRS does too.
function identity.by_key(handle, headers, metadata, request, scope, lrs)
  local key = credential(headers, lrs)
  -- A comma joins repeated headers. None of these can be a key, so nobody is asked.
  if not key or key == "" or #key > LONGEST_KEY * (lrs and 2 or 1) or key:find(",", 1, true) then
    return "UNAUTHORIZED"
  end
  if lrs then
    headers:replace("x-operation", scope)
    scope = "lrs/" .. lrs .. "/" .. scope
  end
  local now = handle:timestamp()
  local entry = keys.get(key, now)
  -- A scope that the key lacks is refused by the key filter, which knows how to say so.
  if entry and not entry.scopes[scope] then entry = nil end
  if entry and (now < entry.refresh or entry.refreshing) then
    metadata:set(KEY_FILTER, "tenant", entry.tenant)
    metadata:set(KEY_FILTER, "plan", entry.plan)
    metadata:set(KEY_FILTER, "key_id", entry.key_id)
    request.known = true
  else
    -- Whoever is known already is not held up by what others try from the same address.
    if entry then entry.refreshing = true else request.lookup = "key" end
    request.key, request.asked = key, now
  end
end

-- Also returns what was remembered of the token, `prefix` and `framed` as gateway/grants.lua says them, and the path
-- behind it, where nothing need be verified again: that very token was, while its entry lasts.
function identity.by_token(handle, headers, request)
  request.content = true
  if headers:get("service-worker") then return "FORBIDDEN" end
  local root, token, rest = paths.split_signed(headers:get(":path"))
  if not token or #token > LONGEST_TOKEN then return "UNAUTHORIZED" end
  local now = handle:timestamp()
  local entry = tokens.get(token, now)
  if entry and entry.gone then return "GONE" end
  local known = entry and (now < entry.refresh or entry.refreshing)
  if known and entry.prefix and not request.download then
    request.known = true
    return nil, entry, rest
  end
  -- The token leaves the path here, so that nothing behind can log it.
  headers:replace(":path", root .. rest)
  headers:replace("x-content-jwt", token)
  if known then
    request.known = true
  else
    if entry then entry.refreshing = true else request.lookup = "token" end
    request.token, request.asked = token, now
  end
end

-- Remembers what the key filter said, counted from when it was asked.
function identity.remember(handle, metadata, request, reason)
  local now = handle:timestamp()
  if request.token and reason == "GONE" then
    return tokens.put(request.token, {at = now, until_ms = now + GONE_MS, gone = true})
  end
  -- Whoever asked early learnt of a revocation for all.
  if request.key and reason == "UNAUTHORIZED" then return keys.forget(request.key) end
  local said = metadata:get(KEY_FILTER)
  -- It says something only where it agreed.
  if said == nil or (said.tenant == nil and said.grant == nil) then return end
  local until_ms = request.asked + TTL_MS
  if said.expires_ms and said.expires_ms < until_ms then until_ms = said.expires_ms end
  local claims = request.token and (metadata:get("envoy.filters.http.jwt_authn") or {}).content
  if claims and claims.exp * 1000 < until_ms then until_ms = claims.exp * 1000 end
  -- A long upload ends long after it was asked about; what others learnt since is better.
  if now >= until_ms then return end
  local entry = {at = request.asked, until_ms = until_ms, refresh = until_ms - REFRESH_MS}
  if request.token then
    entry.prefix, entry.framed = grants.prefix(claims), grants.frame_ancestors(claims)
    return tokens.put(request.token, entry)
  end
  entry.tenant, entry.plan, entry.key_id, entry.scopes = said.tenant, said.plan, said.key_id, {}
  for scope in said.scopes:gmatch("[^,]+") do entry.scopes[scope] = true end
  keys.put(request.key, entry)
end

return identity
