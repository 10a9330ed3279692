package main

import (
	"slices"
	"testing"
	"time"

	bootstrap "github.com/containerd/containerd/api/runtime/bootstrap/v1"
	"google.golang.org/protobuf/proto"
)

func TestEveryKindOfAnswerToStartIsUnderstood(t *testing.T) {
	binary, err := proto.Marshal(&bootstrap.BootstrapResult{Version: 3, Address: "unix:///run/s/1", Protocol: "ttrpc"})
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range []struct {
		answer  string
		version int32
	}{
		{string(binary), 3},
		{`{"version":3,"address":"unix:///run/s/1","protocol":"ttrpc"}`, 3},
		{"unix:///run/s/1\n", 2},
	} {
		result, err := parseStart([]byte(one.answer))
		if err != nil || result.Address != "unix:///run/s/1" || result.Version != one.version {
			t.Errorf("%q: %v, %v", one.answer, result, err)
		}
	}
}

func TestAnAnswerOfALaterVersionIsRefused(t *testing.T) {
	if result, err := parseStart([]byte(`{"version":4,"address":"unix:///a","protocol":"ttrpc"}`)); err == nil {
		t.Errorf("understood as %v", result)
	}
}

func TestASummaryIsOfAllThatWasAdded(t *testing.T) {
	taken := newTimes()
	for at := range 101 {
		taken.add("create", time.Duration(100-at))
	}
	if got := taken.summaries()["create"]; got != (summary{Count: 101, Median: 50, P99: 99, Most: 100}) {
		t.Errorf("%+v", got)
	}
}

func TestASpecHasThePodAndTheLimits(t *testing.T) {
	made := &image{cgroups: "above", network: "/proc/1/ns/net", memory: 1 << 20, millicores: 100}
	spec, err := made.spec("bench", "c1", "pod", []string{"/hello.wasm"})
	if err != nil {
		t.Fatal(err)
	}
	if spec.Annotations[sandboxID] != "pod" || spec.Annotations[containerType] != "container" {
		t.Errorf("annotations are %v", spec.Annotations)
	}
	limits := spec.Linux.Resources
	if *limits.Memory.Limit != 1<<20 || *limits.CPU.Quota != 10000 || *limits.CPU.Period != 100000 {
		t.Errorf("limits are %+v, %+v", limits.Memory, limits.CPU)
	}
	if spec.Linux.CgroupsPath != "/above/c1" || !slices.Equal(spec.Process.Args, []string{"/hello.wasm"}) {
		t.Errorf("%s, %v", spec.Linux.CgroupsPath, spec.Process.Args)
	}
}
