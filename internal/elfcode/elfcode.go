// Package elfcode finds functions in ELF files: where their first instruction stands in
// the file, which is how the kernel names the place of a uprobe. It knows the functions
// that a file exports, and those of Go programs, also of stripped ones.
//
// A file may be made by anyone: all that it says is checked, and what is read of it is
// bounded, in bytes and in memory, also where the file is sparse. It reads files of 64
// bits in little-endian order, which are those of the machines with uprobes that lodge
// knows. Pure.
//
// The formats: System V ABI, "Object Files" and "Dynamic Linking" (https://gabi.xinuos.com),
// and elf(5).
package elfcode

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"lodge/internal/elffile"
)

// ErrNone is the error of a file that has no function of the name.
var ErrNone = errors.New("no such function")

// The bounds of what a file may have.
const (
	maxDynamic = 4096
	maxChain   = 1 << 16 // symbols of one bucket
	maxName    = 1 << 12 // bytes of a symbol's name
)

// File is an ELF file of which the headers were read.
type File struct {
	*elffile.File
	loads   []elffile.Segment
	dynamic elffile.Segment
}

// Open reads the headers of a file, an executable or a shared object.
func Open(r io.ReaderAt) (*File, error) {
	header, err := elffile.Open(r)
	if err != nil {
		return nil, err
	}
	switch {
	case !header.Wide || header.Order != binary.LittleEndian:
		return nil, errors.New("read ELF header: not of 64 bits in little-endian order")
	case header.Kind != elffile.Executable && header.Kind != elffile.SharedObject:
		return nil, errors.New("read ELF header: neither a program nor a shared object")
	}
	segments, err := header.Segments()
	if err != nil {
		return nil, err
	}
	f := &File{File: header}
	for _, s := range segments {
		switch s.Kind {
		case elffile.Load:
			f.loads = append(f.loads, s)
		case elffile.Dynamic:
			f.dynamic = s
		}
	}
	return f, nil
}

// Executable reports whether an offset of the file is in a part that processes execute.
func (f *File) Executable(offset uint64) bool {
	for _, s := range f.loads {
		if s.Flags&elffile.Execute != 0 && offset >= s.Offset && offset-s.Offset < s.FileBytes {
			return true
		}
	}
	return false
}

// code returns the offset in the file of an address of code.
func (f *File) code(addr uint64) (uint64, error) {
	offset, ok := f.offset(addr)
	if !ok || !f.Executable(offset) {
		return 0, fmt.Errorf("address %#x is not one of code", addr)
	}
	return offset, nil
}

// offset returns where the byte at an address stands in the file.
func (f *File) offset(addr uint64) (uint64, bool) {
	for _, s := range f.loads {
		if addr >= s.Addr && addr-s.Addr < s.FileBytes {
			return s.Offset + (addr - s.Addr), true
		}
	}
	return 0, false
}

// readAddr fills b with what is at an address.
func (f *File) readAddr(b []byte, addr uint64) error {
	offset, ok := f.offset(addr)
	if !ok {
		return fmt.Errorf("address %#x is not in the file", addr)
	}
	return f.ReadAt(b, offset)
}

func (f *File) half(addr uint64) (uint32, error) {
	var b [4]byte
	err := f.readAddr(b[:], addr)
	return binary.LittleEndian.Uint32(b[:]), err
}

// scan calls each with parts of the file, from an offset on, until each returns true. Parts
// overlap, so that what has the size least and begins at a multiple of step is whole in
// one of them. The memory is bounded. step is at most least.
func (f *File) scan(offset, size, least, step uint64, each func(b []byte, at uint64) (stop bool)) error {
	const part = 256 << 10
	buf := make([]byte, min(size, part+least+step))
	for at := uint64(0); at < size; {
		b := buf[:min(uint64(len(buf)), size-at)]
		if err := f.ReadAt(b, offset+at); err != nil {
			return err
		}
		if each(b, at) || at+uint64(len(b)) == size {
			return nil
		}
		last := uint64(len(b)) - least // where the last whole one may begin
		at += last - last%step + step
	}
	return nil
}
