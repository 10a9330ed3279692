# Runs test programs in the machine and says what they leave of control groups.
# run_tests.sh PROGRAM[=FILTER]...    (FILTER is --gtest_filter's)
status=0
for item in "$@"; do
  case $item in
    *=*) filter=${item#*=} ;;
    *) filter='*' ;;
  esac
  echo "== $item"
  "${item%%=*}" --gtest_brief=1 --gtest_filter="$filter" || status=1
done
left=$(find /sys/fs/cgroup -type d -name 'wasmoor*')
if [ -n "$left" ]; then
  echo "control groups were left behind:" "$left"
  status=1
fi
exit $status
