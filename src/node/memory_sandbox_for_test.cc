// The room task keeps it among its own tests, which are in no library.
#include "task/memory_sandbox_for_test.cc"
