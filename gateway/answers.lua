-- The documented shapes of what the gateway answers itself.
local catalogue = require("gateway.catalogue")

local answers = {}

-- Where the catalogue's message would mislead: no key is asked for here.
local CONTENT_MESSAGES = {
  UNAUTHORIZED = "This link is invalid or has expired",
  NOT_FOUND = "File not found",
  FORBIDDEN = "Courses may not install service workers",
}

local function escape(text)
  return (text:gsub('[%c"\\\127-\255]', function(char)
    if char == '"' or char == "\\" then return "\\" .. char end
    return string.format("\\u%04x", char:byte())
  end))
end

local function body(reason, message, details, request_id)
  return string.format(
    '{"error":{"code":"%s","message":"%s","details":%s},"request_id":"%s"}',
    reason, escape(message), details, escape(request_id)
  )
end

-- The entry of a reason: `http`, `grpc` (both strings), `message`, and `status`, the bytes of a
-- google.rpc.Status.
-- Some reasons have variants: FORBIDDEN for each scope, NOT_FOUND for a method.
function answers.entry(reason, variant)
  return catalogue.by_reason[reason .. ":" .. (variant or "")] or catalogue.by_reason[reason]
end

local function varint(number)
  if number < 128 then return string.char(number) end
  return string.char(128 + number % 128) .. varint(math.floor(number / 128))
end

-- A length-delimited field of a protobuf message.
local function field(number, bytes) return string.char(number * 8 + 2) .. varint(#bytes) .. bytes end

-- The entry's google.rpc.Status with RequestInfo as a further detail: a repeated field may be continued at the end.
function answers.status(entry, request_id)
  local info = field(1, "type.googleapis.com/google.rpc.RequestInfo") .. field(2, field(1, request_id))
  return entry.status .. field(3, info)
end

-- The reason of a bare HTTP status, as Envoy or an upstream that broke down gave it.
function answers.reason_of(http)
  local reason = catalogue.by_http[http]
  if reason then return reason end
  return tonumber(http) < 500 and "BAD_REQUEST" or "INTERNAL_ERROR"
end

-- Where storage is asked with our own credential, its refusals are no business of the caller's.
local STORAGE = {
  ["400"] = "NOT_FOUND", ["404"] = "NOT_FOUND", ["416"] = "RANGE_NOT_SATISFIABLE",
  ["429"] = "SERVICE_UNAVAILABLE", ["503"] = "SERVICE_UNAVAILABLE", ["504"] = "GATEWAY_TIMEOUT",
}

function answers.storage_reason_of(http) return STORAGE[http] or "BAD_GATEWAY" end

function answers.error(reason, request_id, content)
  local message = content and CONTENT_MESSAGES[reason] or catalogue.by_reason[reason].message
  return body(reason, message, "{}", request_id)
end

-- The page for a browser in place of this body, as server/rpc/pages.py writes it.
function answers.page(json, request_id)
  local reason = json:match('^{"error":{"code":"([%u_]+)"')
  local entry, page = catalogue.by_reason[reason], catalogue.page
  local passing = entry.http == "429" or tonumber(entry.http) >= 500
  return (page.text:gsub("{([%l_]+)}", {
    reason = reason, message = entry.message, hint = passing and page.passing or page.lasting, request_id = request_id,
  }))
end

answers.page_type, answers.page_policy = catalogue.page.content_type, catalogue.page.policy

local KINDS = {
  TYPE_INT32 = "an integer", TYPE_UINT32 = "a non-negative integer", TYPE_INT64 = "an integer",
  TYPE_UINT64 = "a non-negative integer", TYPE_BOOL = "true or false", TYPE_DOUBLE = "a number",
  TYPE_FLOAT = "a number", TYPE_STRING = "a string", TYPE_ENUM = "one of the documented values",
}

-- What the transcoder says of a request that does not fit its message, as VALIDATION_ERROR with the field; BAD_REQUEST
-- where it names none. Its own words, which show values and internals, are not passed on.
function answers.untranscodable(text, request_id)
  local field, kind = text:match("^%(?([%w_%.%[%]]+)%)?: invalid value .* for type ([%w_]+)")
  local fault = kind and "Must be " .. (KINDS[kind] or "of the documented type")
  if not field then
    field = text:match("oneof field '_([%w_]+)' is already set")
    fault = field and "Must be given only once"
  end
  if not field then return "BAD_REQUEST", body("BAD_REQUEST", "The request cannot be read", "{}", request_id) end
  local details = string.format('{"fieldErrors":{"%s":["%s"]}}', escape(field), fault)
  return "VALIDATION_ERROR", body("VALIDATION_ERROR", catalogue.by_reason.VALIDATION_ERROR.message, details, request_id)
end

-- The health document where no server is there to write it.
function answers.unhealthy(version)
  return string.format(
    '{"status":"unhealthy","service":"scorm-api","version":"%s","timestamp":"%s","checks":{"database":false}}',
    version, os.date("!%Y-%m-%dT%H:%M:%SZ")
  )
end

return answers
