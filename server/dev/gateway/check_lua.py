"""Compiles the gateway's Lua as Envoy would, with LuaJIT, and looks for globals that nobody meant: `make lint`."""

from pathlib import Path

from lupa import luajit21

FOLDER = Path(__file__).resolve().parents[3] / "gateway"
# What Envoy calls.
ENTRIES = frozenset({"envoy_on_request", "envoy_on_response"})
# A misspelt local compiles, as a global that is nil; so the compiled code is searched for the names of globals.
_CHECK = """
local util, bit = require("jit.util"), require("bit")
local function operation(code) return bit.band(code, 0xff) end
local sample = loadstring("a = b")
local READ, WRITE = operation(util.funcbc(sample, 1)), operation(util.funcbc(sample, 2))
return function(source, name)
  local chunk, fault = loadstring(source, "@" .. name)
  if not chunk then return fault, {} end
  local names = {}
  local function walk(code)
    local info = util.funcinfo(code)
    for at = 1, info.bytecodes - 1 do
      local instruction = util.funcbc(code, at)
      local kind = operation(instruction)
      if kind == READ or kind == WRITE then
        names[#names + 1] = util.funck(code, -bit.rshift(instruction, 16) - 1)
      end
    end
    for constant = -1, -info.gcconsts, -1 do
      local inner = util.funck(code, constant)
      if type(inner) == "proto" then walk(inner) end
    end
  end
  walk(chunk)
  return nil, names
end
"""


def faults(folder: Path = FOLDER) -> list[str]:
    """One line for each fault in the .lua files of a folder."""
    lua = luajit21.LuaRuntime(unpack_returned_tuples=True)
    check = lua.execute(_CHECK)
    known = set(lua.globals().keys()) | ENTRIES
    found: list[str] = []
    for file in sorted(folder.glob("*.lua")):
        fault, names = check(file.read_text(), file.name)
        if fault:
            found.append(str(fault))
        found += [f"{file.name}: global {name}" for name in sorted(set(names.values())) if name not in known]
    return found


def main() -> None:
    """Ends with status 1 and the faults, if there are any."""
    if found := faults():
        raise SystemExit("\n".join(found))


if __name__ == "__main__":
    main()
