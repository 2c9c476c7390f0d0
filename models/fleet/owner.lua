-- How a text that is kept for good names its owner, in few bytes, for Redis packs a million of them: of a task the first
-- ten hex digits of its id, as a zero and five bytes, enough to find it
-- by and to tell it from any other (1 in 10^12); of another owner its first eight characters.
local function short(owner)
  local digits = string.match(owner, '^task%-(' .. string.rep('[0-9a-f]', 10) .. ')')
  if not digits then
    return string.sub(owner, 1, 8)
  end
  return '\0' .. string.gsub(digits, '..', function(pair) return string.char(tonumber(pair, 16)) end)
end

local function long(holder)
  if string.byte(holder, 1) ~= 0 then
    return holder
  end
  return 'task-' .. string.gsub(string.sub(holder, 2), '.', function(one)
    return string.format('%02x', string.byte(one))
  end)
end

