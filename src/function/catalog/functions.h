#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "function/catalog/compilers.h"
#include "function/catalog/loaded_modules.h"
#include "function/catalog/names.h"
#include "function/catalog/news.h"
#include "function/catalog/tree.h"
#include "wasmoor/function/catalog/catalog.h"
#include "wasmoor/loop/loop.h"

namespace wasmoor::function {

// So many looks at the disk for names that nobody knows, in a second: each costs some microseconds,
// and anybody can ask for any name.
class LookBudget {
 public:
  bool Take();

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr double kPerSecond = 500, kMost = 500;
  double left_ = kMost;
  Clock::time_point at_ = Clock::now();
};

// The catalog.
//
// A function goes from its files to what can be run in steps: its files are opened and its manifest
// is held against what is granted; its module's hash says whether the code is in the cache; if not,
// a compiler is asked for it, and all is done again when it has ended. What is wrong at any step is
// remembered with the stamps of the files. Whatever was good before stays so until a new one has
// come all the way.
//
// What is called from outside, a listener or who waits, may ask the catalog; so it is called last,
// and no reference to a function is used after it.
class Functions : public Catalog, public TreeListener, public Compilers::Owner {
 public:
  Functions(loop::Loop& loop, CatalogOptions options, const wasm::Engine& engine,
            const wasm::Cache& cache, CatalogListener& listener);
  Status Start();

  void Want(std::string_view function, Done done) override;
  std::vector<FunctionInfo> List() const override;
  std::optional<FunctionInfo> Find(std::string_view function) const override;
  Counts counts() const override;
  std::optional<Error> away() const override { return tree_->away(); }

 private:
  using Clock = std::chrono::steady_clock;
  using ReadyPtr = std::shared_ptr<const Ready>;
  using Loaded = LoadedModules::Loaded;

  // What was found to be good.
  struct Version {
    uint64_t generation = 0;
    std::shared_ptr<const Manifest> manifest;
    wasm::ModuleHash hash = {};
    Kind kind = Kind::kCommand;
    wasm::Tier tier = wasm::Tier::kOptimized;  // The best seen.
    bool stays_baseline = false;               // Its optimized code cannot be made.
    // Of the files that it was last found in; what has them is taken to be the same. None where a
    // change right after might not show in them.
    Stamps stamps;
  };
  struct Problem {
    Error error;
    Stamps stamps;
    Clock::time_point look_at;   // Before, nobody looks whether the files have changed.
    Clock::time_point retry_at;  // What may mend itself is tried again from then on.
    std::chrono::milliseconds pause{0};
  };
  struct Function {
    std::string id;
    std::unique_ptr<Version> good;
    ReadyPtr ready;
    std::unique_ptr<Problem> problem;
    std::vector<Done> waiting;
    bool is_to_do = false;
  };
  // What its files say now.
  struct Candidate {
    std::shared_ptr<const Manifest> manifest;
    wasm::ModuleHash hash = {};
    Stamps stamps;
  };
  using Table = std::map<std::string, Function, std::less<>>;

  // TreeListener
  void OnAppeared(const std::string& function) override;
  void OnChanged(const std::string& function) override;
  void OnGone(const std::string& function) override;
  void OnNotice(const std::string& line) override { Notice({line}); }
  // Compilers::Owner
  Result<program::Source> OpenToCompile(const std::string& function,
                                        const wasm::ModuleHash& module) override;
  void OnCompiled(const Compilers::Work& work, const std::vector<std::string>& functions,
                  const Result<os::Output>& output) override;

  // The steps.
  bool IsAsItWas(Function& function);
  void Evaluate(Function& function, Urgency urgency, const wasm::ModuleHash* compiled = nullptr);
  Result<Candidate> Inspect(const Function& function, const Tree::Opened& opened) const;
  void Accept(Function& function, Candidate candidate, Loaded loaded);
  Result<ReadyPtr> MakeReady(const Function& function, const Version& version, Loaded loaded);
  void PutInForce(Function& function, ReadyPtr ready);

  // What was good is to be in memory again; nothing if its code has left the cache.
  Result<std::optional<ReadyPtr>> LoadGood(const Function& function);
  void Break(Function& function, Error error);
  void Fall(Function& function, const Error& error);  // Back on what was good; or `error`.
  bool MayTryAgain(Function& function);
  void Answer(Function& function, const Result<ReadyPtr>& result);
  void Remove(Table::iterator function);

  void Optimize(Function& function);
  void OptimizeLater();
  void OnOptimized(const Compilers::Work& work, const std::string& id,
                   const Result<os::Output>& output);
  void Unload(size_t most);

  void Retry();                 // Of those in force, what may have mended itself.
  void Do(Function& function);  // Later, in its turn.
  void DoNext();
  void ArmWork();
  void Notice(std::vector<std::string> lines);  // Told later.
  void TellNotices();
  FunctionInfo InfoOf(const Function& function) const;

  loop::Loop& loop_;
  const CatalogOptions options_;
  const wasm::Cache& cache_;
  CatalogListener& listener_;
  Table functions_;
  LoadedModules modules_;
  const std::shared_ptr<const Manifest> no_manifest_ = std::make_shared<const Manifest>();
  const std::shared_ptr<const Granted> nothing_granted_ = std::make_shared<const Granted>();
  std::set<std::string, std::less<>> loaded_;
  uint64_t last_generation_ = 0;
  bool starting_ = true;
  LookBudget looks_;
  std::deque<std::string> to_do_, when_idle_;
  std::set<std::string> optimize_later_;
  std::vector<std::string> notices_;
  std::unique_ptr<Tree> tree_;
  std::unique_ptr<Compilers> compilers_;
  std::multimap<Clock::time_point, std::string> retries_;
  loop::Timer work_, later_, tell_, retry_;
};

}  // namespace wasmoor::function
