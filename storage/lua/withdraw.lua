-- ARGV: tasks. Forgets those that nobody holds and that have no result; answers which, and those that are not here.
-- What stands against a suspect stays: fed again it is a suspect again.
local gone = {}
for i = 3, #ARGV do
  local task = ARGV[i]
  local at, kind, rest = look(task)
  if not at then
    table.insert(gone, task)
  elseif streams[kind] then
    local held = redis.pcall('XPENDING', streams[kind], group, rest, rest, 1)
    if held.err or #held == 0 then
      redis.call('XDEL', streams[kind], rest)
      redis.call('HDEL', k_tasks, task)
      redis.call('HDEL', k_work, task)
      table.insert(gone, task)
    end
  end
end
return {now, generation, gone}
