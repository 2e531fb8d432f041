// Package loader compiles the program that unpacks and starts the probe in its
// pod (src/loader.c). The compiled programs are committed, because whoever
// builds the plugin needs neither clang nor lld.
package loader

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:generate go run ./compile -src src -dir ../launch/payload

// Triples maps an architecture as GOARCH names it to clang's target.
func Triples() map[string]string {
	return map[string]string{"amd64": "x86_64-unknown-linux", "arm64": "aarch64-unknown-linux"}
}

// Compile builds the loader of one architecture from the directory src into
// the file out. It is static, needs no C library and holds no path of the
// machine it was built on; one compiler makes the same bytes each time.
func Compile(ctx context.Context, src, arch, out string) error {
	triple, ok := Triples()[arch]
	if !ok {
		return fmt.Errorf("there is no loader for %s", arch)
	}
	out, err := filepath.Abs(out)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "clang", "--target="+triple,
		"-std=c11", "-Os", "-Wall", "-Wextra", "-Werror",
		"-ffreestanding", "-nostdlib", "-static", "-fno-pic",
		"-fno-stack-protector", "-fno-asynchronous-unwind-tables", "-Qn",
		"-fuse-ld=lld", "-Wl,--build-id=none,-s,-z,noseparate-code,-z,noexecstack",
		"-o", out, "loader.c")
	cmd.Dir = src
	if msg, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("compile the loader for %s: %w: %s", arch, err, strings.TrimSpace(string(msg)))
	}
	return nil
}
