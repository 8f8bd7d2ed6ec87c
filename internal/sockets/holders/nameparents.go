package holders

import "lodge/internal/procfs"

// ancestorsMost bounds how far up a process's ancestors are followed.
const ancestorsMost = 64

// NameParents finds, for each process, the nearest ancestor that is not the
// same program: workers are explained by what started their master.
func NameParents(list []*Process) {
	known := make(map[int]procfs.Stat)
	for _, p := range list {
		if p != nil {
			known[p.PID] = procfs.Stat{Name: p.Name, Parent: p.ParentPID, Start: p.Start}
		}
	}
	stat := func(pid int) procfs.Stat {
		if s, ok := known[pid]; ok {
			return s
		}
		s, _ := procfs.ReadStat(pid) // without a name it is none
		known[pid] = s
		return s
	}
	for _, p := range list {
		if p == nil {
			continue
		}
		pid, start := p.ParentPID, p.Start
		for range ancestorsMost {
			if pid <= 0 {
				break
			}
			s := stat(pid)
			// A process that began later has only got an ancestor's id.
			if s.Name == "" || s.Start > start {
				break
			}
			if s.Name != p.Name {
				p.ParentName = s.Name
				break
			}
			pid, start = s.Parent, s.Start
		}
	}
}
