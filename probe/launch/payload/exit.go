package payload

// ExitReason says what an exit code of the loader means; ok is false for codes
// that are not the loader's. The codes are those of probe/loader/src/loader.c.
func ExitReason(code int32) (reason string, ok bool) {
	switch code {
	case 101:
		return "the loader was called without a SHA-256", true
	case 102:
		return "no part of the probe was mounted", true
	case 103:
		return "the parts of the probe are incomplete or corrupt", true
	case 104:
		return "the unpacked probe is not the one the pod asks for: its SHA-256 differs", true
	case 105:
		return "the unpacked probe could not be written: the memory volume may be full or missing", true
	case 106:
		return "the unpacked probe could not be executed: the volume may be mounted noexec, or a policy forbids it", true
	case 107:
		return "a part of the probe could not be read", true
	case 108:
		return "the parts of the probe unpack to more than 64 MiB", true
	}
	return "", false
}
