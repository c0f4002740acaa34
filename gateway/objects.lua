-- How an object of the bucket is asked for instead of the URL that a client sent.
local objects = {}

-- All that storage needs to know. Anything else a client sends, such as x-goog-* or a cookie, stays here.
local PASSED = {
  [":method"] = true, [":path"] = true, [":authority"] = true, [":scheme"] = true, ["range"] = true,
  ["if-range"] = true, ["if-none-match"] = true, ["if-modified-since"] = true, ["accept-encoding"] = true,
  -- Envoy's own and the gateway's, removed by the route once they are of no more use.
  ["x-forwarded-proto"] = true, ["x-request-id"] = true, ["x-content-known"] = true,
}

-- A request for a file needs no body, and a server that leaves one unread takes it for the next request on its
-- connection, whose answer another caller would get. HTTP/2 need not announce one, so that it is waited for: wrappers
-- from before are dead afterwards.
function objects.has_body(handle, headers)
  if headers:get("transfer-encoding") or tonumber(headers:get("content-length") or "0") ~= 0 then return true end
  local body = handle:body()
  return body ~= nil and body:length() > 0
end

function objects.ask_for(headers, bucket, object)
  local unwanted = {}
  for name in pairs(headers) do
    if not PASSED[name] then unwanted[#unwanted + 1] = name end
  end
  for _, name in ipairs(unwanted) do headers:remove(name) end
  -- Else what HTTP/2 ends by an empty frame goes on as chunks, and the last of them is such a body too.
  headers:replace("content-length", "0")
  headers:replace(":path", "/" .. bucket .. "/" .. object)
end

return objects
