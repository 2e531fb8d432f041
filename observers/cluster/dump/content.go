package dump

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf16"
)

// content is what the first bytes of a file make of it.
type content int

const (
	isObjects content = iota
	isTape
	isForeign // text of another kind
	isJunk    // named as if it held objects, and binary
)

var (
	gzipMagic = []byte{0x1f, 0x8b}
	tapeMagic = []byte{0x28, 0xb5, 0x2f, 0xfd} // zstd
)

// sniff looks at the beginning of a file. One that the user named is taken for
// objects whatever its name.
func sniff(path string, asked bool) (content, error) {
	f, err := os.Open(path)
	if err != nil {
		return isForeign, err
	}
	defer f.Close()
	head, err := bufio.NewReaderSize(f, 512).Peek(512)
	if err != nil && !errors.Is(err, io.EOF) {
		return isForeign, err
	}
	named := asked || slices.Contains([]string{".json", ".yaml", ".yml"}, filepath.Ext(strings.TrimSuffix(path, ".gz")))
	switch {
	case bytes.HasPrefix(head, tapeMagic):
		return isTape, nil
	case !named:
		return isForeign, nil
	case bytes.HasPrefix(head, gzipMagic):
		return isObjects, nil
	case bytes.IndexByte(head, 0) >= 0 && wide(head) == nil:
		return isJunk, nil
	}
	return isObjects, nil
}

// wide is the byte order of UTF-16, which PowerShell writes, or nil.
func wide(head []byte) binary.ByteOrder {
	switch {
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}):
		return binary.LittleEndian
	case bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		return binary.BigEndian
	}
	return nil
}

// unpack opens a file, gzip or not.
func unpack(f io.Reader) (io.Reader, error) {
	b := bufio.NewReaderSize(f, 64<<10)
	if head, _ := b.Peek(2); !bytes.Equal(head, gzipMagic) {
		return b, nil
	}
	return gzip.NewReader(b)
}

// load reads a file of at most so many bytes, unpacked, into memory as UTF-8.
func load(path string, size, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	in, err := unpack(f)
	if err != nil {
		return nil, fmt.Errorf("its gzip is broken: %w", err)
	}
	var buf bytes.Buffer
	if size > 0 && size <= most {
		buf.Grow(int(size) + bytes.MinRead)
	}
	if _, err := buf.ReadFrom(io.LimitReader(in, most+1)); err != nil {
		return nil, fmt.Errorf("it breaks off or is damaged: %w", err)
	}
	if int64(buf.Len()) > most {
		return nil, fmt.Errorf("it holds more than %d MiB", most>>20)
	}
	data := buf.Bytes()
	if order := wide(data); order != nil {
		return narrow(data[2:], order), nil
	}
	return bytes.TrimPrefix(data, []byte{0xef, 0xbb, 0xbf}), nil
}

func narrow(data []byte, order binary.ByteOrder) []byte {
	units := make([]uint16, len(data)/2)
	for i := range units {
		units[i] = order.Uint16(data[2*i:])
	}
	return []byte(string(utf16.Decode(units)))
}
