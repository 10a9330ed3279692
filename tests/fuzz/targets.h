#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

// What is fuzzed: one function a fuzzer, which takes any bytes and ends the process if something is
// not as it must be. A function keeps nothing between two calls that the next could depend on.
namespace wasmoor::fuzz {

using Bytes = std::span<const uint8_t>;

void Binary(Bytes input);            // The reader of module and component binaries.
void CacheEntry(Bytes input);        // The file of a cache entry, any bytes in it.
void CollectorAnswers(Bytes input);  // What a collector of traces says.
void DbusMessages(Bytes input);      // Messages of a message bus, and addresses of one.
void ChannelMessage(Bytes input);    // Between a runtime and its child.
void ContainerTexts(Bytes input);    // Mount options, names, control groups' texts and statistics.
void GrpcAnswers(Bytes input);       // What a server of gRPC sends.
void GrpcRequests(Bytes input);      // What a client of gRPC does, to a server.
void HttpRequests(Bytes input);      // What a client of HTTP/1.1 does, to a server.
void Http2Requests(Bytes input);     // And one of HTTP/2.
void HostNotes(Bytes input);       // What a host of guests says, which a guest may have taken over.
void ImageDocuments(Bytes input);  // Indexes and manifests of images.
void ImageArchive(Bytes input);    // An archive of images; its documents; names of images.
void JailState(Bytes input);       // What is kept of a container.
void Module(Bytes input);          // Compile and run a module of anybody's.
void NodeTexts(Bytes input);       // A daemon's settings, records, and environment.
void SeccompEntry(Bytes input);    // A file of the cache of filters.
void SeccompProfile(Bytes input);  // linux.seccomp of a configuration.
void Spec(Bytes input);            // config.json, and the documents of exec and update.
void Texts(Bytes input);           // Sizes, durations, addresses, options of the command line.
void TtrpcClient(Bytes input);     // What a server of ttrpc says, to a client.
void TtrpcServer(Bytes input);     // What a client of ttrpc does, to a server.
void WasiCalls(Bytes input);       // Any sequence of WASI calls with any arguments.
void WasiPaths(Bytes input);       // Any paths in a directory with any links in it.

// Turns a module's text into a binary now and then, so that both are mutated. Elsewhere the
// fuzzer's own.
size_t MutateModule(uint8_t* data, size_t size, size_t most, unsigned seed);

}  // namespace wasmoor::fuzz
