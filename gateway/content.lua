-- Behind jwt_authn on the routes of courses' files and of downloads: turns the path into that of the object that the
-- token's claims allow. Each route has a key, an audience and a place in jwt_authn's metadata of its own.
-- Route metadata `scorm.content` say the `bucket`.
local grants = require("gateway.grants")
local objects = require("gateway.objects")
local paths = require("gateway.paths")

-- As edge.lua.
collectgarbage("setpause", 1000)

local function refuse(handle, http, reason)
  handle:respond({[":status"] = http, ["x-error-reason"] = reason}, "")
end

-- The object of a package's file; the second answer says what is wrong.
local function file(claims, path)
  local prefix = grants.prefix(claims)
  if not prefix then return nil, "UNAUTHORIZED" end
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

function envoy_on_request(handle)
  local headers = handle:headers()
  -- edge.lua knew the token, and has done all of this.
  if headers:get("x-content-known") then return end
  if objects.has_body(handle, headers) then return refuse(handle, "400", "BAD_REQUEST") end
  headers = handle:headers()
  local verified = handle:streamInfo():dynamicMetadata():get("envoy.filters.http.jwt_authn")
  local root, path = headers:get(":path"):match("^/(%l+)/(.*)$")
  local claims = verified and verified[root]
  local object, reason
  if root == "download" then object, reason = download(claims, path) else object, reason = file(claims, path or "") end
  if not object then return refuse(handle, reason == "NOT_FOUND" and "404" or "401", reason) end
  objects.ask_for(headers, handle:metadata():get("bucket"), object)
end
