-- Paths: how they are logged, and which object of the bucket a content URL means.
local paths = {}

-- Where segments begin that are secret.
local SECRET_SEGMENTS = {"^/content/()[^/]", "^/download/()[^/]", "^/player/%l+/()[^/]"}

-- What comes before `mark`. Plain searches, for tokens are long.
local function before(text, mark)
  local at = text:find(mark, 1, true)
  return at and text:sub(1, at - 1) or text
end

-- The path as it may be logged: no query, and stars for whatever opens something.
function paths.masked(path)
  path = before(before(path, "?"), "#")
  for _, pattern in ipairs(SECRET_SEGMENTS) do
    local begins = path:match(pattern)
    if begins then
      local ends = path:find("/", begins, true)
      path = path:sub(1, begins - 1) .. "***" .. (ends and path:sub(ends) or "")
    end
  end
  -- A token or key that somebody put where none belongs.
  if path:find("eyJ", 1, true) then path = path:gsub("eyJ[%w%-_%.]+", "***") end
  if path:find("scorm_", 1, true) then path = path:gsub("scorm_[%w%-_]+", "***") end
  return path
end

-- Whether it can be no gRPC method, whatever type the request claims to have: those begin with a package's name.
function paths.is_rest(path)
  return path:find("^/api/") ~= nil or path:find("^/player/") ~= nil or path:find("^/xapi/") ~= nil
end

-- The version of the Experience API that is served at a path; nil where none is.
function paths.xapi_version(path)
  if path:find("^/xapi/1%.0%.3[/?]") or path == "/xapi/1.0.3" then return "1.0.3" end
  return path:find("^/xapi[/?]") and "2.0.0" or path == "/xapi" and "2.0.0" or nil
end

-- The value of a field of a form or query, decoded; nil where it is not there exactly once.
function paths.field(form, name)
  local found
  for piece in form:gmatch("[^&]+") do
    local key, value = piece:match("^([^=]*)=?(.*)$")
    if paths.decoded((key:gsub("%+", " "))) == name then
      if found then return nil end
      found = paths.decoded((value:gsub("%+", " ")))
    end
  end
  return found
end

-- Root, token and what follows it in the path of a signed URL, `/content/…` or `/download/…`; nothing without a token.
function paths.split_signed(path)
  return path:match("^(/%l+/)([%w%-_]+%.[%w%-_]+%.[%w%-_]+)/(.*)$")
end

-- What tells one player link, `/player/…/{token}`, from all others; nothing without a token. It is the beginning of the
-- token's signature: nobody can choose that, while its end and what is no base64url in it may mean nothing to a reader.
function paths.link(path)
  local token = path:match("^/player/%l+/([^/?#]+)")
  if not token then return nil end
  token = paths.decoded(token)
  local signature = token:match("[^%.]*$"):gsub("%+", "-"):gsub("[^%w%-_]", ""):sub(1, 32)
  return signature ~= "" and signature or token
end

-- The object of the bucket that a path of a published file means, `/static/{hash}/…`; nil if it can mean none.
function paths.static(path)
  local hash, name = before(before(path, "?"), "#"):match("^/static/([%da-f]+)/([%w%-_%./]+)$")
  if not hash or #hash ~= 16 then return nil end
  for segment in (name .. "/"):gmatch("([^/]*)/") do
    if segment == "" or segment == "." or segment == ".." then return nil end
  end
  return "_static/" .. hash .. "/" .. name
end

-- Percent-encoded as `paths.object` encodes.
function paths.encoded(text)
  return (text:gsub("[^%w%-%._~/]", function(char) return string.format("%%%02X", char:byte()) end))
end

-- With every escape undone, once.
function paths.decoded(text)
  return (text:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

-- RFC 3629, so without overlong forms, surrogates and what lies beyond U+10FFFF.
function paths.is_utf8(text)
  local at, length = 1, #text
  while at <= length do
    local first, second = text:byte(at, at + 1)
    local more, low, high = 0, 0x80, 0xBF
    if first < 0x80 then more = 0
    elseif first >= 0xC2 and first <= 0xDF then more = 1
    elseif first >= 0xE0 and first <= 0xEF then
      more = 2
      if first == 0xE0 then low = 0xA0 elseif first == 0xED then high = 0x9F end
    elseif first >= 0xF0 and first <= 0xF4 then
      more = 3
      if first == 0xF0 then low = 0x90 elseif first == 0xF4 then high = 0x8F end
    else return false end
    if more > 0 and not (second and second >= low and second <= high) then return false end
    for next = at + 2, at + more do
      local byte = text:byte(next)
      if not byte or byte < 0x80 or byte > 0xBF then return false end
    end
    at = at + more + 1
  end
  return true
end

-- The name of the file that `rest`, the part of a content URL behind the token, means, percent-encoded once for
-- storage; nil if it can mean none. Escapes are decoded exactly once, so `%252e` is a file called `%2e`.
function paths.object(rest)
  local path = rest:match("^[^?#]*")
  if path:find("%%%X") or path:find("%%%x%X") or path:find("%%%x?$") then return nil end
  local name = paths.decoded(path)
  if name:find("[%z\1-\31\127\\]") or not paths.is_utf8(name) then return nil end
  for segment in (name .. "/"):gmatch("([^/]*)/") do
    if segment == "" or segment == "." or segment == ".." then return nil end
  end
  return paths.encoded(name)
end

-- The header Content-Disposition that has browsers save a download under this name (RFC 6266, 4.3): what is not ASCII
-- or means something in a quoted string is in the extended form only.
function paths.disposition(name)
  local plain = name:gsub("[^%w%-%._ ]", "_")
  local full = paths.encoded(name):gsub("/", "%%2F")
  return string.format("attachment; filename=\"%s\"; filename*=UTF-8''%s", plain, full)
end

return paths
