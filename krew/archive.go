package krew

import (
	"archive/tar"
	"compress/gzip"
	"fmt"
	"io"
	"time"
)

// MaxArchive bounds one archive, in bytes: what a user downloads at every
// upgrade.
const MaxArchive = 30_000_000

// member is a file of an archive.
type member struct {
	name    string
	mode    int64
	content []byte
}

// writeArchive writes a gzipped tar (POSIX.1-1988 ustar, RFC 1952) that holds
// the members in the given order. The same members give the same bytes: nothing
// of the machine, the user or the hour goes into it.
func writeArchive(w io.Writer, members []member) error {
	zw, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	tw := tar.NewWriter(zw)
	for _, m := range members {
		err := tw.WriteHeader(&tar.Header{
			Typeflag: tar.TypeReg, Name: m.name, Mode: m.mode, Size: int64(len(m.content)),
			ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR,
		})
		if err != nil {
			return fmt.Errorf("archive %s: %w", m.name, err)
		}
		if _, err := tw.Write(m.content); err != nil {
			return fmt.Errorf("archive %s: %w", m.name, err)
		}
	}
	if err := tw.Close(); err != nil {
		return err
	}
	return zw.Close()
}
