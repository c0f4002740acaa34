-- What the claims of a verified content token grant.
local grants = {}

-- Under which name in the bucket the course's files are; nil where the claims name no course.
function grants.prefix(claims)
  local prefix = claims and claims.prefix
  if type(prefix) == "string" and prefix:find("^tenants/[%x%-]+/packages/[%x%-]+/content$") then return prefix end
end

-- The origins that may frame this course, "*" for whoever likes; anything odd means none.
function grants.frame_ancestors(claims)
  local origins = claims and claims.fa
  if type(origins) ~= "table" or #origins == 0 or #origins > 20 then return "'none'" end
  if #origins == 1 and origins[1] == "*" then return "*" end
  for _, origin in ipairs(origins) do
    local host = type(origin) == "string" and origin:match("^https?://([%w%.%-%*:]+)$")
    if not host and origin ~= "'self'" then return "'none'" end
  end
  return table.concat(origins, " ")
end

return grants
