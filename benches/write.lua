-- For wrk: records of calls are written, with the one key in the file that BENCH_KEYS names.
wrk.method = "POST"
wrk.body = '{"direction":"inbound","caller":"+14155550100"}'
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer " .. io.lines(os.getenv("BENCH_KEYS"))()
