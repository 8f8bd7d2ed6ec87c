package bpf

import (
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// maxLevel bounds how deep a container's cgroup root may be.
const maxLevel = 32

// Level returns the depth of the cgroup directory dir in the kernel's count,
// where the root of the whole hierarchy is 0. Inside a cgroup namespace
// (cgroup_namespaces(7)) no file tells it, so a program looks: it runs once
// in the context of this process, which must be in dir or below.
func Level(dir *os.File) (uint32, error) {
	id, err := CgroupID(dir)
	if err != nil {
		return 0, err
	}
	code := asm.Instructions{asm.LoadImm(asm.R6, int64(id), asm.DWord)}
	for level := range int32(maxLevel) {
		code = append(code,
			asm.Mov.Imm(asm.R1, level),
			asm.FnGetCurrentAncestorCgroupId.Call(),
			asm.Mov.Imm(asm.R7, level),
			asm.JEq.Reg(asm.R0, asm.R6, "found"),
		)
	}
	code = append(code,
		asm.Mov.Imm(asm.R7, maxLevel),
		asm.Mov.Reg(asm.R0, asm.R7).WithSymbol("found"),
		asm.Return(),
	)
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "lodge_level", Type: ebpf.RawTracepoint, Instructions: code, License: "Dual MIT/GPL",
	})
	if err != nil {
		return 0, fmt.Errorf("find level of cgroup %s: load program: %w", dir.Name(), err)
	}
	defer prog.Close()
	level, err := prog.Run(&ebpf.RunOptions{})
	if err != nil {
		return 0, fmt.Errorf("find level of cgroup %s: run program: %w", dir.Name(), err)
	}
	if level >= maxLevel {
		return 0, fmt.Errorf("find level of cgroup %s: %w", dir.Name(), errors.New("this process is not below it"))
	}
	return level, nil
}
