-- ARGV: task, entry of a result ('' for none), why. For what cannot be read.
local epoch, kind, rest = look(ARGV[3])
if kind and kind ~= 'd' then
  remember(ARGV[3], 0, ARGV[5], 1)
  set_aside(ARGV[3], epoch, kind, rest)
end
if ARGV[4] ~= '' then redis.call('XDEL', k_results, ARGV[4]) end
return {now, generation}
