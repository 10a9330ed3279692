// The validation programs of runtime-tools 0.9.0, as of November 2025: the version that knows runtime-spec 1.3. (The tag
// v0.9.0 is of 2019 and knows 1.0.) Built by tools/fetch-runtime-tools; there is no Go code of ours.
module wasmoor/runtime-validation

go 1.21

require github.com/opencontainers/runtime-tools v0.9.1-0.20251114084447-edf4cb3d2116

require (
	github.com/google/uuid v1.3.0 // indirect
	github.com/hashicorp/errwrap v1.0.0 // indirect
	github.com/hashicorp/go-multierror v1.1.1 // indirect
	github.com/mndrix/tap-go v0.0.0-20171203230836-629fa407e90b // indirect
	github.com/moby/sys/capability v0.4.0 // indirect
	github.com/mrunalp/fileutils v0.5.0 // indirect
	github.com/opencontainers/runtime-spec v1.3.0 // indirect
	github.com/opencontainers/selinux v1.9.1 // indirect
	github.com/sirupsen/logrus v1.8.1 // indirect
	github.com/urfave/cli v1.19.1 // indirect
	golang.org/x/sys v0.1.0 // indirect
	gopkg.in/yaml.v2 v2.4.0 // indirect
)
