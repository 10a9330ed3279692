#pragma once

#include <string>
#include <vector>

#include "cmd/line/command.h"
#include "wasmoor/image/build.h"

namespace wasmoor::cmd {

// wasmoor image build | inspect: containers' images of WebAssembly programs.
class ImageCommand : public Command {
 public:
  void Configure(Options& options) override;
  Status Check() override;
  Result<int> Run() override;

 private:
  void ConfigureBuild(Options& build);
  void ConfigureContent(Options& build);
  void ConfigureExecution(Options& build);
  void ConfigureInspect(Options& inspect);

  Status CheckBuild();
  Status CheckNames();
  Status CheckForm();
  Status CheckExecution();
  // Of the program, once it has been read: what follows from whether it is a component.
  Status Settle();
  Result<int> BuildImage();
  Result<int> Inspect();

  std::string_view action_;
  std::vector<std::string> words_;  // FILE [ARGS...], or ARCHIVE...
  std::vector<std::string> tags_, platforms_, files_, labels_, annotations_;
  std::string output_, form_, layer_type_, config_type_, compression_, entrypoint_;
  bool quiet_ = false, json_ = false;

  image::Recipe recipe_;  // As far as it is known.
};

}  // namespace wasmoor::cmd
