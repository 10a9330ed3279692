package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/containerd/containerd/api/types"
	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// The annotations by which the CRI plugin tells a shim which pod a container belongs to.
const (
	sandboxID     = "io.kubernetes.cri.sandbox-id"
	containerType = "io.kubernetes.cri.container-type"
	containerName = "io.kubernetes.cri.container-name"
)

// What a container is made of, whatever its id.
type image struct {
	rootfs      string // The folder that its layer is.
	kind        string // How it gets to the bundle: overlay, bind, none.
	cgroups     string
	network     string // Of a network namespace; empty: the host's.
	memory      int64  // Bytes; 0: no limit.
	millicores  int64  // 0: no limit.
	shares      uint64 // Of CPU time; 0: none are written.
	environment []string
	annotations map[string]string
}

// The folder of a task as containerd lays it out (core/runtime/v2/bundle.go).
type bundle struct {
	id   string
	path string
	work string
}

func (i *image) spec(namespace, id, pod string, words []string) (*specs.Spec, error) {
	ctx := namespaces.WithNamespace(context.Background(), namespace)
	options := []oci.SpecOpts{
		oci.WithDefaultSpecForPlatform("linux/amd64"), oci.WithProcessArgs(words...), oci.WithHostname("player"),
		oci.WithCgroup(filepath.Join("/", i.cgroups, id)), oci.WithEnv(i.environment),
		oci.WithAnnotations(i.annotations),
	}
	if i.network == "" {
		options = append(options, oci.WithHostNamespace(specs.NetworkNamespace))
	} else {
		options = append(options,
			oci.WithLinuxNamespace(specs.LinuxNamespace{Type: specs.NetworkNamespace, Path: i.network}))
	}
	if i.memory > 0 {
		options = append(options, oci.WithMemoryLimit(uint64(i.memory)))
	}
	if i.millicores > 0 {
		options = append(options, oci.WithCPUCFS(i.millicores*100, 100000))
	}
	if i.shares > 0 {
		options = append(options, oci.WithCPUShares(i.shares))
	}
	if pod != "" {
		kind := "container"
		if pod == id {
			kind = "sandbox"
		}
		options = append(options, oci.WithAnnotations(map[string]string{
			sandboxID: pod, containerType: kind, containerName: id}))
	}
	return oci.GenerateSpec(ctx, nil, &containers.Container{ID: id}, options...)
}

// Mounts as a snapshotter hands them out; the folders of an overlay are made below `snapshot`.
func (i *image) mounts(snapshot string) ([]*types.Mount, error) {
	switch i.kind {
	case "none":
		return nil, nil
	case "bind":
		return []*types.Mount{{Type: "bind", Source: i.rootfs, Options: []string{"rbind", "ro"}}}, nil
	case "overlay":
		var folders []string
		for _, name := range []string{"fs", "work"} {
			folders = append(folders, filepath.Join(snapshot, name))
			if err := os.MkdirAll(folders[len(folders)-1], 0o755); err != nil {
				return nil, err
			}
		}
		return []*types.Mount{{Type: "overlay", Source: "overlay", Options: []string{
			"workdir=" + folders[1], "upperdir=" + folders[0], "lowerdir=" + i.rootfs}}}, nil
	}
	return nil, fmt.Errorf("--rootfs-kind %s: it is overlay, bind or none", i.kind)
}

func makeBundle(root, state, namespace, id string, spec *specs.Spec) (*bundle, error) {
	b := &bundle{
		id:   id,
		path: filepath.Join(state, "io.containerd.runtime.v2.task", namespace, id),
		work: filepath.Join(root, "io.containerd.runtime.v2.task", namespace, id),
	}
	config, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(b.path), 0o711); err != nil {
		return nil, err
	}
	if err := os.Mkdir(b.path, 0o700); err != nil {
		return nil, err
	}
	for _, path := range []string{filepath.Join(b.path, "rootfs"), b.work} {
		if err := os.MkdirAll(path, 0o711); err != nil {
			return nil, err
		}
	}
	if err := os.Symlink(b.work, filepath.Join(b.path, "work")); err != nil {
		return nil, err
	}
	return b, os.WriteFile(filepath.Join(b.path, "config.json"), config, 0o666)
}

// Whether a shim has left the rootfs mounted, which containerd then unmounts, too.
func (b *bundle) unmount() bool {
	return unix.Unmount(filepath.Join(b.path, "rootfs"), unix.MNT_DETACH) == nil
}

func (b *bundle) remove() error {
	for _, path := range []string{b.path, b.work} {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	return nil
}

func pairs(words []string) (map[string]string, error) {
	found := map[string]string{}
	for _, word := range words {
		name, value, ok := strings.Cut(word, "=")
		if !ok {
			return nil, fmt.Errorf("%q: not NAME=VALUE", word)
		}
		found[name] = value
	}
	return found, nil
}
