package keeper

import (
	"fmt"
	"os"

	"lodge/internal/home"
	"lodge/internal/home/ebpfhome"
	"lodge/internal/home/nonehome"
	"lodge/internal/home/seccomphome"
	"lodge/internal/keeperapi"
	"lodge/internal/loopback"
)

// openHome opens the home with the engine that the daemon chose.
func openHome(cfg keeperapi.Config) (home.Inside, error) {
	switch cfg.Engine {
	case loopback.EBPF:
		files := make([]*os.File, cfg.EngineFiles)
		for i := range files {
			files[i] = os.NewFile(uintptr(EngineFD+i), "engine")
		}
		hf, err := ebpfhome.FilesFrom(files)
		if err != nil {
			return nil, err
		}
		return ebpfhome.Open(cfg.Home, hf)
	case loopback.Seccomp:
		return seccomphome.Open(cfg.Home, cfg.Exe)
	case loopback.None:
		return nonehome.Open(cfg.Home)
	}
	return nil, fmt.Errorf("engine %q is not known", cfg.Engine)
}
