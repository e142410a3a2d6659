"""Many hosts on this machine: each with an sshd, a boot loader's files and a memory layout."""
