-- For wrk: one ready-made request for each key of the file that BENCH_KEYS names, in turn.
local requests, next_one = {}, 0

function init()
  for key in io.lines(os.getenv("BENCH_KEYS")) do
    wrk.headers["Authorization"] = "Bearer " .. key
    requests[#requests + 1] = wrk.format()
  end
end

function request()
  next_one = next_one % #requests + 1
  return requests[next_one]
end
