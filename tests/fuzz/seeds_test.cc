#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

#include "fuzz/targets.h"

// The seeds of the fuzzers and what a few plain changes make of them. A target that finds something
// ends the process.
namespace wasmoor::fuzz {
namespace {

using Content = std::vector<uint8_t>;
using Target = void (*)(Bytes);

std::vector<Content> SeedsOf(const std::string& name) {
  std::vector<Content> seeds;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(WASMOOR_FUZZ_CORPUS) / name)) {
    std::ifstream file(entry.path(), std::ios::binary);
    seeds.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return seeds;
}

// Cut off, extended, single bytes changed, one put behind another: the same every time.
std::vector<Content> ChangesOf(const std::vector<Content>& seeds, size_t count) {
  std::vector<Content> changes;
  std::mt19937 random(11);
  for (size_t i = 0; i < count; ++i) {
    Content one = seeds[random() % seeds.size()];
    if (one.empty()) continue;
    switch (random() % 4) {
      case 0: one.resize(random() % one.size()); break;
      case 1: one.insert(one.begin() + random() % one.size(), 1 + random() % 9, random()); break;
      case 2: {
        const Content& other = seeds[random() % seeds.size()];
        one.resize(random() % one.size());
        one.insert(one.end(), other.begin() + random() % (other.size() + 1), other.end());
        break;
      }
      default:
        for (int edits = 1 + random() % 5; edits > 0; --edits)
          one[random() % one.size()] = random();
    }
    changes.push_back(std::move(one));
  }
  return changes;
}

void RunThrough(const std::string& name, Target target, size_t changes) {
  const std::vector<Content> seeds = SeedsOf(name);
  ASSERT_FALSE(seeds.empty()) << "no seeds for " << name;
  target({});
  for (const Content& seed : seeds) target(seed);
  for (const Content& change : ChangesOf(seeds, changes)) target(change);
}

TEST(SeedsTest, BinariesAreReadOrRefused) { RunThrough("binary_fuzz", Binary, 5000); }
TEST(SeedsTest, CacheEntriesAreWhatWasStoredOrRefused) {
  RunThrough("cache_entry_fuzz", CacheEntry, 1000);
}
TEST(SeedsTest, ChannelMessagesAreUnderstoodOrRefused) {
  RunThrough("channel_message_fuzz", ChannelMessage, 1000);
}
TEST(SeedsTest, ContainersTextsAreParsedOrRefused) {
  RunThrough("container_texts_fuzz", ContainerTexts, 3000);
}
TEST(SeedsTest, ContainersRecordsAreWholeOrDamaged) {
  RunThrough("jail_state_fuzz", JailState, 1000);
}
TEST(SeedsTest, AnswersOfServersAreReadOrRefused) {
  RunThrough("grpc_answers_fuzz", GrpcAnswers, 3000);
}
TEST(SeedsTest, ClientsOfGrpcAreAnsweredOrHungUpOn) {
  RunThrough("grpc_requests_fuzz", GrpcRequests, 3000);
}
TEST(SeedsTest, ClientsOfHttpAreAnsweredOrHungUpOn) {
  RunThrough("http_requests_fuzz", HttpRequests, 3000);
}
TEST(SeedsTest, ClientsOfHttp2AreAnsweredOrHungUpOn) {
  RunThrough("http2_requests_fuzz", Http2Requests, 3000);
}
TEST(SeedsTest, CollectorsAreUnderstoodOrLeft) {
  RunThrough("collector_answers_fuzz", CollectorAnswers, 1000);
}
TEST(SeedsTest, HostsHarmTheirOwnGuestsOnly) { RunThrough("host_notes_fuzz", HostNotes, 3000); }
TEST(SeedsTest, ANodesTextsAreReadOrRefused) { RunThrough("node_texts_fuzz", NodeTexts, 3000); }
TEST(SeedsTest, ImagesSayWhatTheyConsistOfOrAreRefused) {
  RunThrough("image_documents_fuzz", ImageDocuments, 3000);
}
TEST(SeedsTest, ArchivesOfImagesAreSoundOrRefused) {
  RunThrough("image_archive_fuzz", ImageArchive, 3000);
}
TEST(SeedsTest, ModulesEndOrAreRefused) { RunThrough("module_fuzz", Module, 300); }
TEST(SeedsTest, FiltersInTheCacheAreWhatWasStored) {
  RunThrough("seccomp_entry_fuzz", SeccompEntry, 1000);
}
TEST(SeedsTest, ProfilesBecomeFiltersThatTheKernelTakes) {
  RunThrough("seccomp_profile_fuzz", SeccompProfile, 300);
}
TEST(SeedsTest, ConfigurationsAreReadOrRefusedByField) { RunThrough("spec_fuzz", Spec, 3000); }
TEST(SeedsTest, TextsAreParsedOrRefused) { RunThrough("texts_fuzz", Texts, 5000); }

TEST(SeedsTest, MessagesOfABusAreReadOrRefused) {
  RunThrough("dbus_messages_fuzz", DbusMessages, 5000);
}
TEST(SeedsTest, ClientsOfTtrpcAreAnsweredOrHungUpOn) {
  RunThrough("ttrpc_server_fuzz", TtrpcServer, 2000);
}
TEST(SeedsTest, ServersOfTtrpcAreUnderstoodOrLeft) {
  RunThrough("ttrpc_client_fuzz", TtrpcClient, 2000);
}
TEST(SeedsTest, WasiCallsTouchNothingOfOthers) { RunThrough("wasi_calls_fuzz", WasiCalls, 1000); }
TEST(SeedsTest, WasiPathsLeadNowhereElse) { RunThrough("wasi_paths_fuzz", WasiPaths, 1000); }

}  // namespace
}  // namespace wasmoor::fuzz
