package bpf

//go:generate go tool bpf2go -target bpfel -cflags "-O2 -g -Wall -Werror" home src/home.c
//go:generate go tool bpf2go -target bpfel -cflags "-O2 -g -Wall -Werror" live src/live.c
//go:generate go tool bpf2go -target bpfel -cflags "-O2 -g -Wall -Werror" tap src/tap.c
//go:generate go tool bpf2go -target bpfel -cflags "-O2 -g -Wall -Werror" secrets src/secrets.c
//go:generate go tool bpf2go -target bpfel -cflags "-O2 -g -Wall -Werror -mcpu=v3" unixtap src/unixtap.c
