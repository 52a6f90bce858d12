-- Another token with each request, out of the file that TOKENS names; none if it names nothing.
local tokens, at = {}, 0
function init(args)
    local name = os.getenv("TOKENS")
    if name and name ~= "" then
        for line in io.lines(name) do
            tokens[#tokens + 1] = wrk.format("GET", "/", {["Host"] = os.getenv("BENCH_HOST"),
                                                          ["Authorization"] = "Bearer " .. line})
        end
    else
        tokens[1] = wrk.format("GET", "/", {["Host"] = os.getenv("BENCH_HOST")})
    end
end
function request()
    at = at % #tokens + 1
    return tokens[at]
end
