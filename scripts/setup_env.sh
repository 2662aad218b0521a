# Sourced by the other scripts: sets PYTHON to an interpreter of .venv in which the plugin is installed.
# The first call makes the environment; it downloads PyTorch, a few gigabytes.

find_python() {
  local candidate
  for candidate in python3.12 python3.11 python3.10 python3 python; do
    if command -v "$candidate" >/dev/null &&
      "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 13))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  echo 'No Python 3.10, 3.11 or 3.12 found. Install one and start again.' >&2
  return 1
}

setup_env() {
  local stamp=.venv/installed wanted
  wanted=$(cat setup.py dlvr_plugin/core/version.py | cksum)
  PYTHON=$PWD/.venv/bin/python
  if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then return; fi
  local python
  python=$(find_python)
  echo "== Setting up .venv with $python (once; several minutes)"
  if [ ! -x "$PYTHON" ]; then "$python" -m venv .venv; fi
  # An old pip builds basicsr in a way that fails.
  "$PYTHON" -m pip install --quiet --upgrade pip wheel
  "$PYTHON" -m pip install --quiet --editable '.[test]'
  echo "$wanted" >"$stamp"
}

setup_env
