-- A compressor would send the bytes of an empty compressed body after a HEAD answer, and so put every later answer on
-- that connection out of step.
function envoy_on_request(handle)
  local headers = handle:headers()
  if headers:get(":method") == "HEAD" then headers:remove("accept-encoding") end
end
