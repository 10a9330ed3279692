// knative_validation [FEATURE...] <manifest: says what Knative Serving's own webhook would say of a Service, by the
// code that it is made of: nothing and status 0 if it takes it; else why not, and status 1. FEATUREs are turned on
// beside what is on by default.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"knative.dev/pkg/apis"
	"knative.dev/serving/pkg/apis/config"
	v1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/yaml"
)

func settings(features []string) (context.Context, error) {
	values := map[string]string{}
	for _, feature := range features {
		values[feature] = "enabled"
	}
	enabled, err := config.NewFeaturesConfigFromMap(values)
	if err != nil {
		return nil, err
	}
	defaults, err := config.NewDefaultsConfigFromMap(map[string]string{})
	if err != nil {
		return nil, err
	}
	return config.ToContext(context.Background(), &config.Config{Defaults: defaults, Features: enabled}), nil
}

func check(features []string) error {
	ctx, err := settings(features)
	if err != nil {
		return err
	}
	manifest, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	text, err := yaml.YAMLToJSONStrict(manifest)
	if err != nil {
		return err
	}
	// As the webhook reads it: it knows all fields.
	reader := json.NewDecoder(bytes.NewReader(text))
	reader.DisallowUnknownFields()
	var service v1.Service
	if err := reader.Decode(&service); err != nil {
		return err
	}
	ctx = apis.WithinCreate(ctx)
	service.SetDefaults(ctx)
	if problem := service.Validate(ctx); problem != nil {
		return problem
	}
	return nil
}

func main() {
	if err := check(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
