-- Behind jwt_authn on the routes of courses' files and of downloads: turns the path into that of the object that the
-- token's claims allow. Each route has a key, an audience and a place in jwt_authn's metadata of its own.
-- Route metadata `scorm.content` say the `bucket`.
local paths = require("gateway.paths")

-- As edge.lua.
collectgarbage("setpause", 1000)

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

-- The object of a package's file; the second answer says what is wrong.
local function file(claims, path)
  local prefix = claims and claims.prefix
  if type(prefix) ~= "string" or not prefix:find("^tenants/[%x%-]+/packages/[%x%-]+/content$") then
    return nil, "UNAUTHORIZED"
  end
  local name = paths.object(path)
  return name and prefix .. "/" .. name, "NOT_FOUND"
end

-- The object that a download's claims name, whatever kind of thing it belongs to, under no other name than theirs.
local function download(claims, path)
  local object, name = claims and claims.object, claims and claims.filename
  if type(object) ~= "string" or not object:find("^tenants/[%x%-]+/%l+/[%x%-]+/[%w%-]+%.zip$") then
    return nil, "UNAUTHORIZED"
  end
  if type(name) ~= "string" or paths.object(path) ~= paths.encoded(name) then return nil, "NOT_FOUND" end
  return object
end

-- A request for a file needs no body, and a server that leaves one unread takes it for the next request on its
-- connection, whose answer another caller would get. HTTP/2 need not announce one, so that it is waited for.
local function has_body(handle, headers)
  if headers:get("transfer-encoding") or tonumber(headers:get("content-length") or "0") ~= 0 then return true end
  local body = handle:body()
  return body ~= nil and body:length() > 0
end

function envoy_on_request(handle)
  local headers = handle:headers()
  if has_body(handle, headers) then return refuse(handle, "400", "BAD_REQUEST") end
  -- The wrapper from before is dead: `body` may have waited.
  headers = handle:headers()
  local verified = handle:streamInfo():dynamicMetadata():get("envoy.filters.http.jwt_authn")
  local root, path = headers:get(":path"):match("^/(%l+)/(.*)$")
  local claims = verified and verified[root]
  local object, reason
  if root == "download" then object, reason = download(claims, path) else object, reason = file(claims, path or "") end
  if not object then return refuse(handle, reason == "NOT_FOUND" and "404" or "401", reason) end
  local unwanted = {}
  for name in pairs(headers) do
    if not PASSED[name] then unwanted[#unwanted + 1] = name end
  end
  for _, name in ipairs(unwanted) do headers:remove(name) end
  -- Else what HTTP/2 ends by an empty frame goes on as chunks, and the last of them is such a body too.
  headers:replace("content-length", "0")
  headers:replace(":path", "/" .. handle:metadata():get("bucket") .. "/" .. object)
end
