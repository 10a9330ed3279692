package main

import (
	"context"
	"fmt"
	"time"

	api "github.com/containerd/containerd/api/services/sandbox/v1"
	"github.com/containerd/containerd/v2/core/sandbox"
	"github.com/containerd/containerd/v2/core/sandbox/proxy"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/errdefs"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// A pod's life by containerd's own client of controllers.
func init() {
	tests["life"] = func(ctx context.Context, conn *grpc.ClientConn) error {
		pods := proxy.NewSandboxController(api.NewControllerClient(conn), "wasm")
		ctx = metadata.AppendToOutgoingContext(namespaces.WithNamespace(ctx, "k8s.io"),
			namespaces.GRPCHeader, "k8s.io")
		if err := pods.Create(ctx, sandbox.Sandbox{ID: "p1", Runtime: sandbox.RuntimeOpts{Name: "io.containerd.wasmtimed.v1"}},
			sandbox.WithNetNSPath("/run/netns/x"), sandbox.WithAnnotations(map[string]string{"a": "b"})); err != nil {
			return fmt.Errorf("create: %w", err)
		}
		if err := pods.Create(ctx, sandbox.Sandbox{ID: "p1"}); !errdefs.IsAlreadyExists(err) {
			return fmt.Errorf("create again: %v", err)
		}
		started, err := pods.Start(ctx, "p1")
		if err != nil || started.Pid != 4711 || started.Address != "ttrpc+unix:///run/pods/p1" || started.Version != 3 ||
			started.SandboxID != "p1" || !started.CreatedAt.Equal(time.Unix(1000, 0)) {
			return fmt.Errorf("start: %+v, %v", started, err)
		}
		now, err := pods.Status(ctx, "p1", true)
		if err != nil || now.State != "SANDBOX_READY" || now.Pid != 4711 || now.Address != started.Address || now.Version != 3 {
			return fmt.Errorf("status: %+v, %v", now, err)
		}
		platform, err := pods.Platform(ctx, "p1")
		if err != nil || platform.OS != "linux" || platform.Architecture == "" {
			return fmt.Errorf("platform: %+v, %v", platform, err)
		}
		if metric, err := pods.Metrics(ctx, "p1"); err != nil || metric.ID != "p1" || metric.Data == nil {
			return fmt.Errorf("metrics: %v, %v", metric, err)
		}
		if err := pods.Update(ctx, "p1", sandbox.Sandbox{ID: "p1"}, "extensions"); err != nil {
			return fmt.Errorf("update: %w", err)
		}
		exits := make(chan error, 1)
		go func() {
			exit, err := pods.Wait(ctx, "p1")
			if err == nil && (exit.ExitStatus != 137 || !exit.ExitedAt.Equal(time.Unix(2000, 0))) {
				err = fmt.Errorf("wait: %+v", exit)
			}
			exits <- err
		}()
		if err := pods.Stop(ctx, "p1", sandbox.WithTimeout(7*time.Second)); err != nil {
			return fmt.Errorf("stop: %w", err)
		}
		if err := <-exits; err != nil {
			return err
		}
		if err := pods.Shutdown(ctx, "p1"); err != nil {
			return fmt.Errorf("shutdown: %w", err)
		}
		if _, err := pods.Status(ctx, "p1", false); !errdefs.IsNotFound(err) {
			return fmt.Errorf("status of what is gone: %v", err)
		}
		if _, err := pods.Wait(ctx, "p1"); !errdefs.IsNotFound(err) {
			return fmt.Errorf("wait for what is gone: %v", err)
		}
		return nil
	}
}
