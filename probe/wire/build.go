package wire

import "runtime/debug"

// Unstamped is the build of a program that does not know its own: one made by
// go run or go test, or outside of a version-controlled checkout.
const Unstamped = "devel"

// build is set by the linker for releases:
// -X github.com/yairfalse/tapio/probe/wire.build=VERSION.
var build string

// Build names what this program was built from. Releases carry the version the
// linker was given; a plain go build carries the version the go command derives
// from the checkout ("v0.3.1-0.20260102030405-0123456789ab+dirty"), so plugin
// and probe from one checkout agree without any flag; all else is Unstamped.
func Build() string {
	info, _ := debug.ReadBuildInfo()
	return buildFrom(build, info)
}

// BuildOf is what Build returns in a program with that build information and
// without a stamp of the linker. info may be nil.
func BuildOf(info *debug.BuildInfo) string { return buildFrom("", info) }

func buildFrom(stamp string, info *debug.BuildInfo) string {
	switch {
	case stamp != "":
		return stamp
	case info == nil || info.Main.Version == "" || info.Main.Version == "(devel)":
		return Unstamped
	}
	return info.Main.Version
}
