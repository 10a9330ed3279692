# Runs test programs in the machine and says what they leave of control groups.
# run_tests.sh PROGRAM...
status=0
for program in "$@"; do
  echo "== $program"
  "$program" --gtest_brief=1 || status=1
done
left=$(find /sys/fs/cgroup -type d -name 'wasmoor*')
if [ -n "$left" ]; then
  echo "control groups were left behind:" "$left"
  status=1
fi
exit $status
