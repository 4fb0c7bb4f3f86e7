-- Asks Bitting whether a request may pass. haproxy.cfg calls it, and lets nothing through unless
-- txn.bitting_allowed is set: so whatever fails in here, the door is closed.

-- How long Bitting may take, in milliseconds. HAProxy asks up to four times, so that a client waits 3 s.
local TIMEOUT = 750

-- What is handed on to Bitting as the client sent it: whatever may hold a key, and what is shown of
-- a key's clients.
local HANDED_ON = { "authorization", "authentication", "apikey", "x-api-key", "user-agent" }

-- What is handed on to the client of a refusal.
local REFUSAL = {
  "content-type", "retry-after", "www-authenticate", "allow", "x-bitting-code", "ratelimit-policy",
  "ratelimit",
}

-- The variables for haproxy.cfg, and the headers they come from.
local TOLD = {
  ["txn.bitting_key_id"] = "x-bitting-key-id",
  ["txn.bitting_key_name"] = "x-bitting-key-name",
  ["txn.bitting_owner"] = "x-bitting-owner",
  ["txn.bitting_scopes"] = "x-bitting-scopes",
  ["txn.bitting_limits"] = "ratelimit-policy",
  ["txn.bitting_left"] = "ratelimit",
}

-- The lines of a header, which HAProxy counts from 0, as a list.
local function lines(header)
  local list = {}
  local index = 0
  while header ~= nil and header[index] ~= nil do
    list[index + 1] = header[index]
    index = index + 1
  end
  return list
end

local function question(txn)
  local sent = txn.http:req_get_headers()
  local headers = {
    ["x-forwarded-method"] = { txn.sf:method() },
    ["x-forwarded-uri"] = { txn.sf:pathq() },
    ["x-forwarded-for"] = { txn.sf:src() },
  }
  for _, name in ipairs(HANDED_ON) do
    if sent[name] ~= nil then
      headers[name] = lines(sent[name])
    end
  end
  return headers
end

local function refuse(txn, answer)
  local reply = txn:reply({ status = answer.status, reason = answer.reason })
  for _, name in ipairs(REFUSAL) do
    for _, value in ipairs(lines(answer.headers[name])) do
      reply:add_header(name, value)
    end
  end
  reply:set_body(answer.body or "")
  txn:done(reply)
end

core.register_action("bitting_authorize", { "http-req" }, function(txn, address)
  local answer = core.httpclient():get({
    url = "http://" .. address .. "/authz/forwarded",
    headers = question(txn),
    timeout = TIMEOUT,
  })
  if answer == nil then
    return
  end
  if answer.status == 200 then
    for variable, name in pairs(TOLD) do
      txn:set_var(variable, lines(answer.headers[name])[1] or "")
    end
    txn:set_var("txn.bitting_allowed", true)
  elseif answer.status >= 400 then
    refuse(txn, answer)
  end
end, 1)
