#include "cmd/wasmoor/wasmoor.h"

int main(int argc, char** argv) {
  wasmoor::cmd::Wasmoor wasmoor;
  return wasmoor::cmd::Main(wasmoor, argc, argv);
}
