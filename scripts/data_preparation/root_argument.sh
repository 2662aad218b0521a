# Sourced by the other scripts: shows their first comment for -h, and takes their first argument, where it is no flag,
# out of the arguments into root, which holds the default before.
if [ "${1:-}" = -h ] || [ "${1:-}" = --help ]; then
  sed -n '2,/^[^#]/s/^# //p' "$0"
  exit
fi
if [ $# -gt 0 ] && [ "${1#-}" = "$1" ]; then root=$1 && shift; fi
