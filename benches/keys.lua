-- For wrk: one ready-made request for each key of the file that BENCH_KEYS names, in turn. With
-- BENCH_ASKED it asks, as nginx does, about a request to that path.
local requests, next_one = {}, 0

function init()
  local asked = os.getenv("BENCH_ASKED")
  if asked then
    wrk.headers["X-Original-Method"] = "GET"
    wrk.headers["X-Original-URI"] = asked
  end
  for key in io.lines(os.getenv("BENCH_KEYS")) do
    wrk.headers["Authorization"] = "Bearer " .. key
    requests[#requests + 1] = wrk.format()
  end
end

function request()
  next_one = next_one % #requests + 1
  return requests[next_one]
end
