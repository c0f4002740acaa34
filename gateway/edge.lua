-- The outermost filter that judges. On the way in it gives the request its id, says what may be logged of it, and
-- answers from its cache what the key filter (ext_authz) was asked a moment ago. On the way out it gives every answer
-- its documented shape. For the files of a course whose token it remembers it asks storage by itself. Route metadata
-- `scorm.edge` say `scope` and `class`, and where they apply `bound`, `refuse`, `allow`, `health`, `player`,
-- `download`, `bucket`, `lrs`.
--
-- What a request leaves behind for its answer, for the access log and for later filters is in the dynamic metadata
-- `scorm.edge`, key `request`. It may hold the raw API key: name single fields of it in a log, never the whole.
local answers = require("gateway.answers")
local grants = require("gateway.grants")
local identity = require("gateway.identity")
local objects = require("gateway.objects")
local paths = require("gateway.paths")

-- Every request leaves garbage behind, which takes a good part of the time to collect where little is kept besides.
collectgarbage("setpause", 1000)

local NAMESPACE = "scorm.edge"
-- The bucket of requests that no limit is for; see local_ratelimit in envoy.yaml.
local NO_LIMIT = 1000000000

local function fresh_id()
  local random = io.open("/dev/urandom", "rb")
  local bytes = random:read(16)
  random:close()
  local hex = bytes:gsub(".", function(byte) return string.format("%02x", byte:byte()) end)
  return (hex:gsub("^(%x%x%x%x%x%x%x%x)(%x%x%x%x)%x(%x%x%x)%x(%x%x%x)", "%1-%2-4%3-8%4-"))
end

-- An id is logged and sent back, so that a key or token sent as one counts as malformed. As server/rpc/context.py.
local function is_request_id(id)
  return #id <= 128 and id:find("^[%w%._%-]+$") and not id:find("scorm_", 1, true) and id:sub(1, 3) ~= "eyJ"
end

local function request_id(headers)
  local id = headers:get("x-request-id")
  if id and is_request_id(id) then return id end
  id = fresh_id()
  headers:remove("x-request-id")
  headers:add("x-request-id", id)
  return id
end

-- On the way in -------------------------------------------------------------------------------------------------------

-- Leaves what the answer needs, and ends the request where `reason` says why. `allow` is the header of that name.
local function proceed(handle, metadata, request, reason, allow)
  metadata:set(NAMESPACE, "request", request)
  if reason then
    handle:respond({[":status"] = answers.entry(reason).http, ["x-error-reason"] = reason, ["allow"] = allow}, "")
  end
end

local GRPC_METADATA = {["grpc-timeout"] = true, ["grpc-accept-encoding"] = true, ["grpc-encoding"] = true}
local GRPC_ENCODINGS = {identity = true, gzip = true, deflate = true}

-- Names that need no closer look, of what most requests have.
local USUAL = {
  [":authority"] = true, [":method"] = true, [":path"] = true, [":scheme"] = true, ["accept"] = true,
  ["accept-encoding"] = true, ["accept-language"] = true, ["content-length"] = true, ["content-type"] = true,
  ["cookie"] = true, ["origin"] = true, ["referer"] = true, ["te"] = true, ["transfer-encoding"] = true,
  ["user-agent"] = true, ["x-api-key"] = true, ["x-forwarded-for"] = true, ["x-forwarded-proto"] = true,
  ["x-request-id"] = true,
}

-- Without them a call would mean something else.
local CONDITIONS = {["if-match"] = true, ["if-none-match"] = true, ["idempotency-key"] = true}

-- HTTP allows more than gRPC does. A stream that the core's transport breaks off for its headers would look like a
-- server that fails, and have it left out for others. How long a REST call may take is the gateway's to say; and
-- `Authorization` is somebody else's secret but on the strict LRS. Returns the reason where the request goes no further.
local function strip(headers, grpc, lrs)
  local unwanted = {}
  for name, value in pairs(headers) do
    local odd = not USUAL[name] and (name:find("[^%w%._:%-]") or name:sub(-4) == "-bin"
      or name:sub(1, 5) == "grpc-" and not (grpc and GRPC_METADATA[name])
      or name == "grpc-encoding" and not GRPC_ENCODINGS[value] or name == "authorization" and not lrs)
    if value:find("[\128-\255]") and not paths.is_utf8(value) then
      if CONDITIONS[name] then return "BAD_REQUEST" end
      odd = true
    end
    if odd then unwanted[#unwanted + 1] = name end
  end
  for _, name in ipairs(unwanted) do headers:remove(name) end
end

-- The transcoder would let a query say otherwise what the path has said, for which resource it is above all. Of a query
-- it ignores what it does not know, and so this too.
local function drop_bound(headers, path, bound)
  local before, query = path:match("^([^?]*)%?(.*)$")
  if not query then return end
  local kept = {}
  for parameter in query:gmatch("[^&]+") do
    local name = paths.decoded(parameter:match("^[^=]*"))
    local said = false
    for _, field in ipairs(bound) do said = said or name == field or name:sub(1, #field + 1) == field .. "." end
    if not said then kept[#kept + 1] = parameter end
  end
  headers:replace(":path", #kept > 0 and before .. "?" .. table.concat(kept, "&") or before)
end

-- Our compressors weaken ETags; storage and core compare strongly.
local function strengthen(headers, name)
  local tags = headers:get(name)
  if tags and tags:find('W/"', 1, true) then headers:replace(name, (tags:gsub('W/"', '"'))) end
end

-- Asks for the file `rest` of a course whose token was verified a moment ago, so that the filters for tokens need not
-- look at it again. Returns the reason where the request goes no further.
local function ask_storage(handle, request, grant, rest)
  if objects.has_body(handle, handle:headers()) then return "BAD_REQUEST" end
  local name = paths.object(rest)
  if not name then return "NOT_FOUND" end
  local headers = handle:headers()
  objects.ask_for(headers, handle:metadata():get("bucket"), grant.prefix .. "/" .. name)
  headers:replace("x-content-known", "true")
  request.framed = grant.framed
end

-- Asks for a published file. Returns the reason where the request goes no further.
local function ask_static(handle, headers)
  -- On the courses' host it would be theirs as well.
  if headers:get("service-worker") then return "FORBIDDEN" end
  local object = paths.static(headers:get(":path"))
  if not object then return "NOT_FOUND" end
  if objects.has_body(handle, headers) then return "BAD_REQUEST" end
  objects.ask_for(handle:headers(), handle:metadata():get("bucket"), object)
end

-- Whether a browser is to show the answer, so that an error should be a page too. As server/rpc/pages.py.
local function wants_page(headers, method)
  if method ~= "GET" and method ~= "HEAD" then return false end
  return (headers:get("accept") or ""):lower():find("text/html", 1, true) ~= nil
end

-- Of what is read before it is known who sends it.
local LONGEST_FORM = 1048576
local OPERATIONS = {GET = "read", HEAD = "read", PUT = "write", POST = "write", DELETE = "delete"}

-- What a form that stands for another request does (xAPI 1.0.3 Part Three 1.3); nil where it is none. A credential may
-- come in the form too. As server/rpc/lrs_access.py and server/rpc/lrs_requests.py.
local function tunnelled(handle, headers, path)
  local query = path:match("^/xapi/1%.0%.3/[^?]*%?(.*)$")
  if headers:get(":method") ~= "POST" or not query then return nil end
  local method = paths.field(query, "method")
  if not method then return nil end
  local length = tonumber(headers:get("content-length") or "")
  if length and length <= LONGEST_FORM and not headers:get("authorization") and not headers:get("x-api-key") then
    local body = handle:body()
    local form = body and body:getBytes(0, body:length()) or ""
    local told = paths.field(form, "Authorization") or paths.field(form, "authorization")
    -- The wrapper from before is dead: `body` may have waited.
    if told and told:find("^[%w +/=]+$") then handle:headers():replace("authorization", told) end
  end
  return OPERATIONS[method]
end

function envoy_on_request(handle)
  local headers, route = handle:headers(), handle:metadata()
  local metadata = handle:streamInfo():dynamicMetadata()
  local method = headers:get(":method")
  local path = headers:get(":path") or ""
  local request = {id = request_id(headers), method = method, path = paths.masked(path)}
  request.xapi = paths.xapi_version(path)
  -- As Envoy knows gRPC by: `application/grpc-web` and `application/grpc; x` are none.
  local kind = headers:get("content-type") or ""
  if kind == "application/grpc" or kind:sub(1, 17) == "application/grpc+" then
    -- The transcoder goes by this type and would leave a REST request as it is.
    if paths.is_rest(path) then
      headers:replace("content-type", "application/octet-stream")
    else
      request.grpc = true
    end
  end
  local scope, lrs = route:get("scope"), route:get("lrs")
  -- Of requests for files nothing reaches the core, and storage is told only what it needs.
  local unreadable = scope ~= "content" and scope ~= "static" and strip(headers, request.grpc, lrs)
  if unreadable then return proceed(handle, metadata, request, unreadable) end
  -- A comma joins repeated Host headers, of which another proxy may have believed another one.
  if (headers:get(":authority") or ""):find(",", 1, true) then
    return proceed(handle, metadata, request, "BAD_REQUEST")
  end
  strengthen(headers, "if-none-match")
  strengthen(headers, "if-match")
  -- The transcoder takes the length away, and the core wants to refuse what is too large before it arrives.
  if route:get("class") == "upload" and not request.grpc and headers:get("content-length") then
    headers:add("x-declared-length", headers:get("content-length"))
  end
  if scope == "content" then
    request.download = route:get("download")
    local reason, grant, rest = identity.by_token(handle, headers, request)
    if grant then
      reason = ask_storage(handle, request, grant, rest)
      -- The wrapper from before is dead if a body was waited for.
      metadata = handle:streamInfo():dynamicMetadata()
    end
    return proceed(handle, metadata, request, reason)
  end
  if scope == "static" then
    request.content, request.static, request.lookup = true, true, "static"
    local reason = ask_static(handle, headers)
    -- As above.
    return proceed(handle, handle:streamInfo():dynamicMetadata(), request, reason)
  end
  local bound = route:get("bound")
  if bound then drop_bound(headers, path, bound) end
  -- The transcoder knows GET; the answer loses its body further down.
  if method == "HEAD" then headers:replace(":method", "GET") end
  if scope == "read" or scope == "write" or scope == "delete" then
    if lrs then
      scope = tunnelled(handle, headers, path) or scope
      -- As above.
      headers, metadata = handle:headers(), handle:streamInfo():dynamicMetadata()
    end
    local reason = identity.by_key(handle, headers, metadata, request, scope, lrs)
    return proceed(handle, metadata, request, reason)
  end
  -- A scope that this filter does not know goes to the key filter, which refuses it.
  request.known = scope == "public"
  if request.known then request.lookup = "open" end
  if route:get("player") then
    request.lookup, request.link = "player", paths.link(path)
    request.page = wants_page(headers, method)
  end
  return proceed(handle, metadata, request, route:get("refuse"), route:get("allow"))
end

-- On the way out ------------------------------------------------------------------------------------------------------

-- Envoy tells the seconds to the next token; the contract wants the time at which the bucket is full again.
local function show_limit(headers, refused)
  if refused then headers:replace("retry-after", "1") end
  local limit = tonumber((headers:get("x-ratelimit-limit") or ""):match("^%d+"))
  if not limit then return end
  if limit >= NO_LIMIT then
    headers:remove("x-ratelimit-limit")
    headers:remove("x-ratelimit-remaining")
    headers:remove("x-ratelimit-reset")
    return
  end
  local remaining = tonumber(headers:get("x-ratelimit-remaining")) or 0
  headers:replace("x-ratelimit-limit", tostring(limit))
  headers:replace("x-ratelimit-reset", tostring(os.time() + math.ceil((limit - remaining) * 60 / limit)))
  if refused then headers:replace("retry-after", tostring(math.ceil(60 / limit))) end
end

-- What Envoy said of an answer that it made itself: the HTTP status, and why. See local_reply_config.
local function made_here(headers)
  local mark = headers:get("x-local-reply")
  if not mark then return nil end
  headers:remove("x-local-reply")
  local reason = headers:get("x-error-reason")
  if reason then headers:remove("x-error-reason") end
  local http, why = mark:match("^(%d+) (.*)$")
  return {http = http, why = why, reason = reason}
end

local GRPC_HEADERS = {
  "grpc-status", "grpc-message", "grpc-status-details-bin", "grpc-encoding", "grpc-accept-encoding", "x-error-json",
  "x-http-status", "www-authenticate", "server", "x-powered-by", "trailer",
}

-- Bytes after a 204, a 304 or an answer to HEAD would be taken for the next answer on the connection.
local function drop_body(handle, length)
  local body = handle:body()
  if body and body:length() > 0 then body:setBytes("") end
  local headers = handle:headers()
  if length then headers:replace("content-length", length) else headers:remove("content-length") end
end

local function put_error(handle, text, kind)
  local body = handle:body(true)
  -- The wrapper from before is dead: `body` may have waited.
  handle:headers():replace("content-type", kind)
  if body then body:setBytes(text) else handle:logErr("an error without a body to write it in") end
end

local function set_if_absent(headers, name, value)
  if headers:get(name) == nil then headers:add(name, value) end
end

-- Processes come back within seconds; who knows better has said so.
local function say_when(headers, status)
  if status == "503" then set_if_absent(headers, "retry-after", "1") end
end

local TOLD_WITH_ERRORS = {"retry-after", "x-experience-api-version", "x-experience-api-consistent-through"}

-- Of a core that failed: the status, and the JSON that it wrote, in the headers or behind the body.
local function told_by_core(handle, headers)
  local json, status = headers:get("x-error-json"), headers:get("x-http-status")
  if json then return json, status end
  handle:body(true)
  local trailers = handle:trailers()
  if not trailers then return nil, nil end
  json, status = trailers:get("x-error-json"), trailers:get("x-http-status")
  for _, name in ipairs(TOLD_WITH_ERRORS) do
    local value = trailers:get(name)
    if value then
      handle:headers():replace(name, value)
      trailers:remove(name)
    end
  end
  for _, name in ipairs({"x-error-json", "x-http-status", "grpc-status-details-bin"}) do
    trailers:remove(name)
  end
  return json, status
end

-- The status and the JSON of a failed REST call.
local function rest_error(handle, headers, request, here, health)
  if health and (not here or tonumber(here.http) >= 500) then return "503", answers.unhealthy(health) end
  if here and here.reason then
    -- The key filter's denial is written already; this filter's own is empty.
    local body = handle:body(true)
    local text = body and body:getBytes(0, body:length()) or ""
    if text:sub(1, 9) == '{"error":' then return here.http, text end
    return here.http, answers.error(here.reason, request.id)
  end
  if here and here.http == "400" and here.why:find("grpc_json_transcode_failure", 1, true) then
    local body = handle:body(true)
    local _, json = answers.untranscodable(body and body:getBytes(0, body:length()) or "", request.id)
    return "400", json
  end
  local http = headers:get(":status")
  if not here then
    local json, status = told_by_core(handle, headers)
    if json then return status or http, json end
    -- Nothing but the gateway limits rates; gRPC has one code for this and for messages that are too large. And 499 is
    -- CANCELLED: by a server that stops, since a caller who had gone would not be told.
    http = ({["429"] = "413", ["499"] = "503"})[http] or http
  end
  local reason = answers.reason_of(http)
  return answers.entry(reason).http, answers.error(reason, request.id)
end

-- What the core tells beside an answer comes behind it, where it costs no message of its own. Only of an answer that is
-- complete when its headers come: a stream's would be too late.
local TOLD_BEHIND = {
  "etag", "x-http-status", "location", "idempotent-replayed", "last-modified", "content-disposition",
  "x-experience-api-version", "x-experience-api-consistent-through",
}

local function bring_forward(handle, headers)
  if not headers:get("grpc-status") then return headers end
  handle:body(true)
  local trailers = handle:trailers()
  headers = handle:headers()
  if not trailers then return headers end
  for _, name in ipairs(TOLD_BEHIND) do
    local value = trailers:get(name)
    if value then
      headers:replace(name, value)
      trailers:remove(name)
    end
  end
  return headers
end

-- What pages and answers may do where the core has not said. The player is framed by whichever site shows it, and in a
-- window of its own it is looked after by whoever opened that.
local function confine(headers, player)
  if player then return set_if_absent(headers, "content-security-policy", "default-src 'none'") end
  set_if_absent(headers, "content-security-policy", "default-src 'none'; frame-ancestors 'none'")
  set_if_absent(headers, "cross-origin-opener-policy", "same-origin")
end

local function answer_rest(handle, headers, request, here)
  local status = headers:get(":status")
  -- A call that succeeded may choose any status, 503 for an unhealthy service too.
  local failed = here or tonumber(status) >= 400
  local text
  if failed then
    status, text = rest_error(handle, headers, request, here, handle:metadata():get("health"))
    headers = handle:headers()
    headers:replace(":status", status)
    say_when(headers, status)
  else
    headers = bring_forward(handle, headers)
    status = headers:get("x-http-status") or status
    headers:replace(":status", status)
  end
  for _, name in ipairs(GRPC_HEADERS) do headers:remove(name) end
  headers:replace("x-content-type-options", "nosniff")
  headers:replace("referrer-policy", "no-referrer")
  local kind = "application/json"
  if text and request.page then
    text, kind = answers.page(text, request.id), answers.page_type
    headers:replace("content-security-policy", answers.page_policy)
  end
  confine(headers, handle:metadata():get("player"))
  if request.xapi then
    set_if_absent(headers, "x-experience-api-version", request.xapi)
    -- RFC 9110, 11.6.1. Elsewhere no browser shall ask its user for a password.
    if status == "401" then headers:replace("www-authenticate", 'Basic realm="xapi", charset="UTF-8"') end
  end
  set_if_absent(headers, "cache-control", "no-store")
  if status == "204" or status == "304" then
    headers:remove("content-type")
    return drop_body(handle)
  end
  if request.method == "HEAD" then
    if text then headers:replace("content-type", kind) end
    -- Not every error's length is known without its body.
    return drop_body(handle, not text and headers:get("content-length") or nil)
  end
  if text then put_error(handle, text, kind) end
end

local CONTENT_HEADERS = {
  [":status"] = true, ["content-type"] = true, ["content-length"] = true, ["content-encoding"] = true, ["etag"] = true,
  ["content-language"] = true, ["cache-control"] = true, ["last-modified"] = true, ["accept-ranges"] = true,
  ["content-range"] = true, ["date"] = true, ["retry-after"] = true, ["allow"] = true, ["transfer-encoding"] = true,
}

-- A published file that is a page has scripts and style of its own, and frames nothing.
local STATIC_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
  .. "connect-src 'self'; base-uri 'none'; form-action 'none'"

-- nil where there is nothing to forbid: a `*` would keep out the pages of apps, whose schemes are their own.
local function policy(metadata, request)
  if request.static then return STATIC_POLICY end
  if request.download then return "default-src 'none'; frame-ancestors 'none'; sandbox" end
  local claims = not request.framed and (metadata:get("envoy.filters.http.jwt_authn") or {}).content
  local framed = request.framed or grants.frame_ancestors(claims)
  return framed ~= "*" and "frame-ancestors " .. framed or nil
end

-- A download is saved, never shown, and kept by nobody else: its link is short-lived.
local function show_download(headers, metadata)
  local claims = (metadata:get("envoy.filters.http.jwt_authn") or {}).download
  headers:add("content-disposition", paths.disposition(claims and claims.filename or "download.zip"))
  headers:replace("cache-control", "private, no-store")
end

local function content_reason(http, here)
  if not here then return answers.storage_reason_of(http) end
  if here.reason then return here.reason end
  -- jwt_authn tells a wrong audience from a wrong signature; callers need not.
  if here.http == "401" or here.http == "403" then return "UNAUTHORIZED" end
  return answers.reason_of(here.http)
end

local function answer_content(handle, headers, metadata, request, here)
  local unwanted = {}
  for name in pairs(headers) do
    if not CONTENT_HEADERS[name] then unwanted[#unwanted + 1] = name end
  end
  for _, name in ipairs(unwanted) do headers:remove(name) end
  headers:add("x-request-id", request.id)
  headers:add("x-content-type-options", "nosniff")
  headers:add("referrer-policy", "no-referrer")
  local forbidden = policy(metadata, request)
  if forbidden then headers:add("content-security-policy", forbidden) end
  local status = headers:get(":status")
  -- RFC 9110, 15.4.5: what the 200 would say of caching, the 304 says too.
  if status == "304" then headers:add("vary", "Accept-Encoding") end
  if not here and (tonumber(status) < 300 or status == "304") then
    if request.download then show_download(headers, metadata) end
    return
  end
  local reason = content_reason(status, here)
  local json = answers.error(reason, request.id, true)
  headers:replace(":status", answers.entry(reason).http)
  say_when(headers, answers.entry(reason).http)
  headers:replace("cache-control", "no-store")
  for _, name in ipairs({"etag", "last-modified", "accept-ranges", "content-encoding"}) do headers:remove(name) end
  if request.method == "HEAD" then
    headers:replace("content-type", "application/json")
    return drop_body(handle)
  end
  put_error(handle, json, "application/json")
end

-- The error of a native gRPC call that the core answered, but not in our words: only its transport, where a message is
-- too large. Nothing where it was ours, or no error.
local function told_by_transport(headers)
  if headers:get("grpc-status") == "8" and not headers:get("grpc-status-details-bin") then
    return answers.entry("PAYLOAD_TOO_LARGE")
  end
end

-- A native gRPC call that the core answered has its status already. What Envoy answered gets the catalogue's.
local function answer_grpc(handle, headers, request, here)
  headers:remove("x-error-json")
  headers:remove("x-http-status")
  local route = handle:metadata()
  -- Of a path that no route knows gRPC says that it is no method.
  local variant = route:get("refuse") and "method" or route:get("scope")
  local entry = here and answers.entry(here.reason or answers.reason_of(here.http), variant)
    or not here and told_by_transport(headers)
  if not entry then return end
  headers:replace("grpc-status", entry.grpc)
  headers:replace("grpc-message", entry.message)
  headers:replace("grpc-status-details-bin", handle:base64Escape(answers.status(entry, request.id)))
end

-- Answered before it came to this filter: a preflight, or what local_reply_config wrote as a whole.
local function answer_unseen(headers, metadata)
  local id = headers:get("x-request-id")
  if not id then
    id = fresh_id()
    headers:add("x-request-id", id)
  end
  metadata:set(NAMESPACE, "request", {id = id})
end

function envoy_on_response(handle)
  local headers = handle:headers()
  local metadata = handle:streamInfo():dynamicMetadata()
  local request = (metadata:get(NAMESPACE) or {}).request
  if not request then return answer_unseen(headers, metadata) end
  local here = made_here(headers)
  if request.asked then identity.remember(handle, metadata, request, here and here.reason) end
  show_limit(headers, here and here.http == "429")
  if request.content then return answer_content(handle, headers, metadata, request, here) end
  headers:replace("x-request-id", request.id)
  if request.grpc then return answer_grpc(handle, headers, request, here) end
  answer_rest(handle, headers, request, here)
end
