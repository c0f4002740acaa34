-- Behind jwt_authn on the content route: turns the path into that of the object that the token's claims allow.
-- Route metadata `scorm.content` say the `bucket`.
local paths = require("gateway.paths")

-- All that storage needs to know. Anything else a client sends, such as x-goog-* or a cookie, stays here.
local PASSED = {
  [":method"] = true, [":path"] = true, [":authority"] = true, [":scheme"] = true, ["range"] = true,
  ["if-range"] = true, ["if-none-match"] = true, ["if-modified-since"] = true, ["accept-encoding"] = true,
  -- Envoy's own, removed by the route once they are of no more use.
  ["x-forwarded-proto"] = true, ["x-request-id"] = true,
}

local function refuse(handle, http, reason)
  handle:respond({[":status"] = http, ["x-error-reason"] = reason}, "")
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local verified = handle:streamInfo():dynamicMetadata():get("envoy.filters.http.jwt_authn")
  local claims = verified and verified.content
  local prefix = claims and claims.prefix
  if type(prefix) ~= "string" or not prefix:find("^tenants/[%x%-]+/packages/[%x%-]+/content$") then
    return refuse(handle, "401", "UNAUTHORIZED")
  end
  local object = paths.object(headers:get(":path"):match("^/content/(.*)$") or "")
  if not object then return refuse(handle, "404", "NOT_FOUND") end
  local unwanted = {}
  for name in pairs(headers) do
    if not PASSED[name] then unwanted[#unwanted + 1] = name end
  end
  for _, name in ipairs(unwanted) do headers:remove(name) end
  headers:replace(":path", "/" .. handle:metadata():get("bucket") .. "/" .. prefix .. "/" .. object)
end
