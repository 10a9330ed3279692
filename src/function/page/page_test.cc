#include "function/page/page.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "function/page/html.h"
#include "function/page/snapshot_for_test.h"

namespace wasmoor::function::page {
namespace {

using test::SnapshotWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// What is sent.
struct Sent : http::Exchange {
  unsigned status = 0;
  std::map<std::string, std::string> fields;
  std::string body;
  bool finished = false, wanted = false;
  int flushed = 0;

  void Respond(unsigned code, http::Fields all) override {
    status = code;
    for (const http::Field& one : all) fields[std::string(one.name)] = one.value;
  }
  bool responded() const override { return status != 0; }
  void Write(std::string_view part) override { body += part; }
  void Finish(http::Fields) override { finished = true; }
  void Abort() override {}
  bool CanWrite() const override { return true; }
  void ReadBody() override { wanted = true; }
  void Flush() override { ++flushed; }
};

struct Ended : Call {
  explicit Ended(int& ended) : count(ended) {}
  ~Ended() override { ++count; }
  int& count;
};

constexpr std::string_view kHostile =
    "</script><script>alert(1)</script>\"'><img src=x onerror=alert(2)>&lt;\u202e\x1b[0m\xff{{7}}";

// Sorts among the others as kHostile does.
constexpr std::string_view kPlain = "0plain";

class PageTest : public ::testing::Test {
 protected:
  std::unique_ptr<Sent> Ask(const std::string& target, std::string_view method = "GET",
                            std::string_view host = "localhost") {
    const std::array fields = {http::Field{"host", host}};
    auto sent = std::make_unique<Sent>();
    const auto work = page_.Begin({.method = method, .target = target, .fields = fields}, *sent);
    work->Run();
    EXPECT_TRUE(sent->finished);
    return sent;
  }

  struct Asked {
    Sent sent;
    std::unique_ptr<http::Work> work;
  };
  // A call with this body, whose answer the test gives.
  std::unique_ptr<Asked> Invoke(std::string_view body) {
    auto asked = std::make_unique<Asked>();
    const std::array fields = {http::Field{"host", "localhost"},
                               http::Field{"wasmoor-page", "call"}};
    const http::Head head{
        .method = "POST", .target = "/invoke", .fields = fields, .has_body = true};
    asked->work = page_.Begin(head, asked->sent);
    asked->work->Run();
    if (!asked->sent.wanted) return asked;
    asked->work->OnBody(body.substr(0, body.size() / 2));
    asked->work->OnBody(body.substr(body.size() / 2));
    asked->work->OnBodyEnd({});
    return asked;
  }

  std::string words_{kPlain};
  std::vector<std::pair<CallRequest, std::function<void(CallReply)>>> calls_;
  int ended_ = 0;
  Page page_{{.snapshot = [this] { return std::make_shared<Snapshot>(SnapshotWith(words_)); },
              .detail =
                  [this](std::string_view) {
                    return Detail{.facts = {{"is", words_}},
                                  .bounds = {0.001, 1},
                                  .recent = {1, 2, 3},
                                  .all = {4, 5, 6}};
                  },
              .call =
                  [this](CallRequest request, std::function<void(CallReply)> done) {
                    calls_.emplace_back(std::move(request), std::move(done));
                    return std::make_unique<Ended>(ended_);
                  },
              .hosts = {}}};
};

TEST_F(PageTest, ShowsItsViewsToBrowsers) {
  for (const auto& [target, shown] :
       {std::pair{"/", "data-call=\"/hello\""}, std::pair{"/?sort=name&page=9", ">12,345<"},
        std::pair{"/tenants", "(none)"}, std::pair{"/failures", "3 times"},
        std::pair{"/function?name=hello", "curl -i &#39;http://127.0.0.1:8080/hello&#39;"},
        std::pair{"/function?name=nobody", "There is no such function"},
        std::pair{"/?q=nobody", "No function is like that"}}) {
    const auto sent = Ask(target);
    EXPECT_EQ(sent->status, 200U) << target;
    EXPECT_EQ(sent->fields["content-type"], "text/html; charset=utf-8");
    EXPECT_THAT(sent->body, HasSubstr(shown)) << target;
  }
  EXPECT_THAT(Ask("/page.css")->fields["content-type"], HasSubstr("text/css"));
  EXPECT_THAT(Ask("/page.js")->fields["content-type"], HasSubstr("text/javascript"));
  EXPECT_THAT(Ask("/page.svg")->fields["content-type"], HasSubstr("image/svg+xml"));
}

TEST_F(PageTest, LetsABrowserRunAndLoadOnlyWhatIsItsOwn) {
  for (const char* target : {"/", "/status.json", "/page.js", "/nothing"}) {
    const auto sent = Ask(target);
    const std::string policy = sent->fields["content-security-policy"];
    EXPECT_THAT(policy, HasSubstr("default-src 'none'; script-src 'self'; style-src 'self'"));
    EXPECT_THAT(policy, HasSubstr("frame-ancestors 'none'"));
    EXPECT_THAT(policy, Not(HasSubstr("unsafe")));
    EXPECT_EQ(sent->fields["x-content-type-options"], "nosniff");
    EXPECT_EQ(sent->fields["cross-origin-resource-policy"], "same-origin");
    EXPECT_EQ(sent->fields["cache-control"], "no-store");
  }
}

// A document's tags and the names of their attributes, without what stands in them.
std::string MarkupOf(std::string_view document) {
  std::string markup;
  while (!document.empty()) {
    const size_t begin = document.find('<');
    if (begin == document.npos) break;
    document.remove_prefix(begin);
    bool quoted = false;
    size_t end = 0;
    for (; end < document.size() && (quoted || document[end] != '>'); ++end) {
      if (document[end] == '"') quoted = !quoted;
      if (!quoted) markup += document[end];
    }
    markup += "\n";
    document.remove_prefix(std::min(end + 1, document.size()));
  }
  return markup;
}

TEST_F(PageTest, HasTheSameMarkupWhateverNamesAndMessagesSay) {
  for (const std::string_view path : {"/", "/tenants", "/failures", "/function"}) {
    const auto ask = [&](std::string_view words) {
      words_ = words;
      return Ask(fmt::format("{}?q={}&name={}&state={}&tenant={}&sort={}", path, "", Encoded(words),
                             "", "", Encoded(words)));
    };
    const auto plain = ask(kPlain), hostile = ask(kHostile);
    EXPECT_EQ(MarkupOf(plain->body), MarkupOf(hostile->body)) << path;
    EXPECT_THAT(hostile->body, Not(HasSubstr("<script>")));
    EXPECT_THAT(hostile->body, Not(HasSubstr("<img")));
    for (const std::string_view deceiving : {"\u202e", "\x1b", "\xff"})
      EXPECT_EQ(hostile->body.find(deceiving), std::string::npos);
  }
}

TEST_F(PageTest, HasTheSameMarkupWhateverItsAddressSays) {
  const auto ask = [&](std::string_view words) {
    const std::string text = Encoded(words);
    return MarkupOf(Ask(fmt::format("/?q={0}&tenant={0}&state={0}&sort={0}&order={0}&page={0}"
                                    "&name={0}",
                                    text))
                        ->body);
  };
  EXPECT_EQ(ask(kPlain), ask(kHostile));
}

TEST_F(PageTest, TellsMachinesTheSame) {
  words_ = kHostile;
  for (const char* view : {"functions", "tenants", "failures", "function&name=hello"}) {
    const auto sent = Ask(fmt::format("/status.json?view={}", view));
    EXPECT_EQ(sent->fields["content-type"], "application/json");
    EXPECT_TRUE(nlohmann::json::parse(sent->body, nullptr, false).is_object()) << view;
  }
  const auto json = nlohmann::json::parse(Ask("/status.json?q=hello")->body, nullptr, false);
  EXPECT_EQ(json["server"]["version"], "1.2.3");
  ASSERT_EQ(json["rows"].size(), 1U);
  EXPECT_EQ(json["rows"][0]["name"], "hello");
  EXPECT_EQ(json["rows"][0]["requests"], 12345);
  EXPECT_EQ(json["rows"][0]["cpu"], 0.25);
  EXPECT_EQ(json["rows"][0]["p99"], 0.002);
  EXPECT_TRUE(json["rows"][0]["p50"].is_null());
}

TEST_F(PageTest, ShowsNothingUnderANameOfSomebodyElses) {
  const auto sent = Ask("/", "GET", "evil.test");
  EXPECT_EQ(sent->status, 421U);
  EXPECT_THAT(sent->body, HasSubstr("admin_hosts"));
  EXPECT_EQ(Ask("/invoke", "POST", "evil.test")->status, 421U);
}

TEST_F(PageTest, RefusesOtherPathsAndMethods) {
  EXPECT_EQ(Ask("/nothing")->status, 404U);
  EXPECT_EQ(Ask("/status.json?view=nothing")->status, 404U);
  EXPECT_EQ(Ask("/", "POST")->status, 405U);
  EXPECT_EQ(Ask("/", "OPTIONS")->status, 405U);
  EXPECT_EQ(Ask("/invoke")->status, 405U);
  EXPECT_EQ(Ask("/invoke", "OPTIONS")->status, 405U);
}

TEST_F(PageTest, CallsNothingForAPageOfAnotherOrigin) {
  EXPECT_EQ(Ask("/invoke", "POST")->status, 403U);
  EXPECT_THAT(calls_, IsEmpty());
}

TEST_F(PageTest, CallsAFunctionAndTellsWhatItAnswers) {
  const auto asked = Invoke("{\"method\":\"PUT\",\"target\":\"/hello\"}\nbody");
  ASSERT_EQ(calls_.size(), 1U);
  EXPECT_EQ(calls_[0].first.method, "PUT");
  EXPECT_EQ(calls_[0].first.body, "body");
  EXPECT_FALSE(asked->sent.responded());
  calls_[0].second({.status = 500, .fields = {{"a", "b"}}, .body = "why"});
  EXPECT_EQ(asked->sent.status, 200U);
  EXPECT_EQ(asked->sent.fields["content-type"], "application/octet-stream");
  EXPECT_THAT(asked->sent.body, HasSubstr("\"status\":500"));
  EXPECT_THAT(asked->sent.body, ::testing::EndsWith("}\nwhy"));
  EXPECT_EQ(asked->sent.flushed, 1);
}

TEST_F(PageTest, EndsACallWhoseClientLeaves) {
  auto asked = Invoke("{\"method\":\"GET\",\"target\":\"/hello\"}\n");
  EXPECT_EQ(ended_, 0);
  asked.reset();
  EXPECT_EQ(ended_, 1);
}

TEST_F(PageTest, SaysWhatIsWrongWithACall) {
  const auto asked = Invoke("{\"method\":\"GET\",\"target\":\"hello\"}\n");
  EXPECT_EQ(asked->sent.status, 400U);
  EXPECT_THAT(asked->sent.body, HasSubstr("'hello' is no path"));
  EXPECT_THAT(calls_, IsEmpty());
}

TEST_F(PageTest, CallsNoMoreThanSomeAtOnce) {
  const std::string_view call = "{\"method\":\"GET\",\"target\":\"/hello\"}\n";
  std::vector<std::unique_ptr<Asked>> asked;
  for (size_t i = 0; i < Page::kMostCalls; ++i) asked.push_back(Invoke(call));
  EXPECT_EQ(calls_.size(), Page::kMostCalls);
  EXPECT_EQ(Invoke(call)->sent.status, 429U);
  asked.pop_back();
  EXPECT_EQ(Invoke(call)->sent.status, 0U);
}

}  // namespace
}  // namespace wasmoor::function::page
