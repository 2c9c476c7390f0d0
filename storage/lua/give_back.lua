-- ARGV: task, epoch and place in turn. What is still held goes to the end of its stream, with no blame.
local count = 0
for i = 3, #ARGV, 3 do
  local at, kind, rest = look(ARGV[i])
  if at == ARGV[i + 1] and kind .. ':' .. rest == ARGV[i + 2] and streams[kind] then
    local entry = redis.call('XRANGE', streams[kind], rest, rest)[1]
    local _, together = entry_of(kind, entry and entry[2])
    move(ARGV[i], at, kind, rest, kind, together)
    count = count + 1
  end
end
return {now, generation, count}
