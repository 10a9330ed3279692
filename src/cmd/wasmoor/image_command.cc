#include "cmd/wasmoor/image_command.h"

#include <fcntl.h>

#include <cstdio>

#include "cmd/engines.h"
#include "cmd/wasmoor/image_output.h"
#include "cmd/wasmoor/image_report.h"
#include "wasmoor/image/read.h"
#include "wasmoor/os/file.h"
#include "wasmoor/program/source.h"
#include "wasmoor/wasm/trusted_code.h"

namespace wasmoor::cmd {
namespace {

Words Forms() { return {"rootfs", "artifact"}; }
Words Compressions() { return {"gzip", "none"}; }
Words LayerTypes() { return {image::kWasmLayer, image::kWasmContentLayer, image::kComponentLayer}; }
Words ConfigTypes() { return {image::kOciConfig, image::kWasmConfig}; }

// Compiled and thrown away: nothing less looks at every function of it. Whether an option has to
// enable a feature is the matter of who runs it.
Status CheckValid(std::span<const uint8_t> program) {
  wasm::EngineOptions options;
  for (const wasm::FeatureInfo& feature : wasm::AllFeatures())
    options.features.*feature.member = true;
  const wasm::EngineFactory factory = TRY(FindEngine(""));
  const std::unique_ptr<wasm::Engine> engine = TRY(factory.create(options));
  const auto code = engine->Compile(program, wasm::Tier::kBaseline);
  if (code) return {};
  if (code.error().code() != Code::kUnimplemented) return tl::unexpected(code.error());
  TRY(engine->Compile(program, wasm::Tier::kOptimized));
  return {};
}

Result<os::Fd> OpenArchive(const std::string& name) {
  // Not to block on a FIFO before it is seen to be one.
  os::Fd file = TRY(os::OpenAt(os::Fd(AT_FDCWD), name.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY));
  const mode_t mode = TRY_AS(os::Stat(file), "{}", name).st_mode;
  if (!S_ISREG(mode))
    return Fail(Code::kInvalidArgument, "{}: is {}, not an archive", name,
                S_ISDIR(mode) ? "a directory" : "no regular file");
  return file;
}

}  // namespace

void ImageCommand::Configure(Options& options) {
  options.TakeAction(action_);
  options.About(
      "An image holds a program and how containers of it are made, and is an archive that "
      "containerd, podman, skopeo and other tools of containers read and push to registries.");
  options.About(
      "FILE is a WebAssembly module or component, binary or text (.wat); '-' reads one from "
      "standard input. ARGS are the arguments that containers get which are given none. The same "
      "FILE and options make the same bytes: all times are 1970 or, if it is set, "
      "$SOURCE_DATE_EPOCH.");
  ConfigureBuild(options.Action("image build", "Make an image of a WebAssembly file."));
  ConfigureInspect(
      options.Action("image inspect",
                     "Say what is in archives of images; every blob is held against its digest."));
  options.ExitStatus("0", "Done");
  options.ExitStatus("126", "FILE is not valid WebAssembly, or ARCHIVE no sound archive");
  options.ExitStatus("127", "It is not there");
  options.Example("wasmoor image build -t registry.example/app:1 app.wasm",
                  "Makes app.tar, whose containers run app.wasm.");
  options.Example("wasmoor image build -o - app.wasm | ctr images import -",
                  "Gives it to containerd without a file between.");
  options.Example("wasmoor image build --form artifact app.wasm",
                  "The file itself is the image's layer.");
  options.Example("wasmoor image inspect app.tar", "What it holds.");
}

void ImageCommand::ConfigureBuild(Options& build) {
  build.Take({.usage = "FILE [ARGS...]",
              .target = &words_,
              .least = 1,
              .most = SIZE_MAX,
              .verbatim = true,
              .completes = Completes::kFiles});
  build.Section("Output");
  build
      .Value(
          "--output", output_, "ARCHIVE",
          "The archive to make, or to replace (FILE's name with .tar, in the working directory). "
          "'-' is standard output")
      .Letter("-o")
      .Complete(Completes::kFiles);
  build.Repeated("--tag", tags_, "NAME", "What the image is called (FILE's name, without .wasm)")
      .Letter("-t");
  build.Flag("--quiet", quiet_, "Say nothing but errors").Letter("-q");
  ConfigureContent(build);
  ConfigureExecution(build);
}

void ImageCommand::ConfigureContent(Options& build) {
  build.Section("Image");
  build
      .Value("--form", form_, "FORM",
             "rootfs: a root filesystem with FILE in it, for every container tool. artifact: FILE "
             "itself as the layer, for containerd 1.7.7 and later with a shim of ours (rootfs)")
      .OneOf(Forms);
  build.Repeated(
      "--platform", platforms_, "OS/ARCH",
      "The platform that it says it is for, whatever the machine (linux/amd64; of an artifact "
      "wasip1/wasm for a module, wasip2/wasm for a component). Several make an index");
  build
      .Repeated(
          "--file", files_, "SOURCE:PATH",
          "Another file, or a directory and all in it, and its path in the image; rootfs only")
      .Complete(Completes::kFiles);
  build.Value("--compression", compression_, "METHOD", "gzip or none (gzip); rootfs only")
      .OneOf(Compressions);
  build
      .Value("--layer-type", layer_type_, "TYPE",
             "Media type of an artifact's layer (application/wasm); others: "
             "application/vnd.wasm.content.layer.v1+wasm, "
             "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm")
      .OneOf(LayerTypes);
  build
      .Value("--config-type", config_type_, "TYPE",
             "Media type of an artifact's configuration "
             "(application/vnd.oci.image.config.v1+json), or application/vnd.wasm.config.v0+json")
      .OneOf(ConfigTypes);
  build.Repeated("--label", labels_, "NAME=VALUE", "A label in the configuration");
  build.Repeated("--annotation", annotations_, "NAME=VALUE", "An annotation of the manifest");
}

void ImageCommand::ConfigureExecution(Options& build) {
  build.Section("Containers");
  build.Value("--entrypoint", entrypoint_, "PATH[#EXPORT]",
              "Where FILE stands in the image (its name, in '/'), and which export containers call "
              "instead of its beginning");
  build.Repeated("--env", recipe_.environment, "NAME[=VALUE]",
                 "A variable of their environment; without VALUE, the one that is set here");
  build.Value("--workdir", recipe_.working_directory, "PATH", "Their working directory");
  build.Value("--user", recipe_.user, "UID[:GID]", "Their user and group, as numbers");
}

void ImageCommand::ConfigureInspect(Options& inspect) {
  inspect.Take({.usage = "ARCHIVE...",
                .target = &words_,
                .least = 1,
                .most = SIZE_MAX,
                .completes = Completes::kFiles});
  inspect.Flag("--json", json_, "One line of JSON for each archive");
}

Status ImageCommand::Check() { return action_ == "build" ? CheckBuild() : Status(); }

Result<int> ImageCommand::Run() { return action_ == "build" ? BuildImage() : Inspect(); }

Result<int> ImageCommand::BuildImage() {
  const std::string& file = words_.front();
  recipe_.program =
      TRY_AS(ToBinary(TRY(program::ReadSource(TRY(program::OpenSource(file))))), "{}", file);
  TRY_AS(CheckValid(recipe_.program), "{}", file);
  TRY(Settle());
  ImageOutput output = TRY(ImageOutput::Open(output_));
  const image::Built built = TRY_AS(image::Build(recipe_, output.file()), "{}", output_);
  TRY(output.Publish());
  // Where the archive goes to standard output, nothing else may.
  if (!quiet_) fputs(BuiltText(recipe_, built, output_).c_str(), output_ == "-" ? stderr : stdout);
  return 0;
}

Result<int> ImageCommand::Inspect() {
  bool first = true;
  for (const std::string& name : words_) {
    const os::Fd file = TRY(OpenArchive(name));
    const auto images = TRY_AS(image::Read(file), "{}", name);
    if (!json_ && !first) fputc('\n', stdout);
    first = false;
    fputs((json_ ? ImagesJson(name, images) : ImagesText(images)).c_str(), stdout);
  }
  return 0;
}

}  // namespace wasmoor::cmd
